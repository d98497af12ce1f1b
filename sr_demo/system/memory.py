"""Available memory, the budget of one tile, and peak memory of a computation. For GPUs see `backends.torch_backend`."""

from __future__ import annotations

import atexit
import ctypes
import gc
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Condition, Event, Thread
from types import TracebackType
from typing import NamedTuple

import psutil

_CGROUP = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
ALLOWED = 2 * 10**9
"""Bytes that a job may take in addition to the idle process, whatever its image."""
_SHARE, _CAP = 0.4, 1280 * 2**20
"""Limits of the working memory of one tile: a share of the free memory, and a number of bytes. The rest of `ALLOWED` is for
two results, the reference and an image that is being written, each of at most `large_array.IN_MEMORY` bytes."""
_LOOK_SECONDS = 1.0
"""Interval in seconds at which work that waits for memory checks whether other programs have freed some."""


def available_bytes() -> int:
    """Return the bytes that can be used now: the free memory, or less if the limit of this process's cgroup is lower.

    Covers limits of containers and of systemd (MemoryMax=), in both versions of cgroups.
    """
    return max(min([psutil.virtual_memory().available, *_left_in_groups()]), 0)


def _left_in_groups() -> Iterator[int]:
    """Yield the remaining bytes of each cgroup of this process that has a limit."""
    for folder, names in _groups():
        try:
            limit = int((folder / names.limit).read_text())
            used = int((folder / names.used).read_text())
            yield limit - used + _reclaimable(folder / "memory.stat", names.reclaimable)
        except (OSError, ValueError):  # the group does not exist here, or has no limit ("max")
            continue


class _Names(NamedTuple):
    """Names of a memory cgroup's files."""

    limit: str
    used: str
    reclaimable: str
    """Name of the line of `memory.stat` with the reclaimable bytes."""


_VERSION_2 = _Names("memory.max", "memory.current", "inactive_file")
_VERSION_1 = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _groups() -> Iterator[tuple[Path, _Names]]:
    """Yield the folders of this process's memory cgroups, from its own to the root; in a container some do not exist."""
    with suppress(OSError):
        for line in _MEMBERSHIP.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                top, names = _CGROUP, _VERSION_2
            elif "memory" in controllers.split(","):
                top, names = _CGROUP / "memory", _VERSION_1
            else:
                continue
            own = Path(path.lstrip("/"))
            for part in (own, *own.parents):
                yield top / part, names


def budget() -> int:
    """Return the bytes that the work on one tile may take now."""
    return min(int(available_bytes() * _SHARE), _CAP)


def _reclaimable(statistics: Path, name: str) -> int:
    """Return the bytes of file cache, which can fill a container to its limit and count as used, but are freed on demand."""
    for line in statistics.read_text().splitlines():
        if line.startswith(f"{name} "):
            return int(line.split()[1])
    return 0


class SharedBudget:
    """The working memory (`budget`) that several threads share. Thread-safe."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._taken = 0

    @contextmanager
    def taken(self, need: int) -> Generator[None]:
        """Wait until `need` bytes are available, and take them for the block.

        Needs are limited to three quarters of the budget, so that small ones can run beside large ones.
        """
        need = min(need, budget() * 3 // 4)
        with self._changed:
            while self._taken and self._taken + need > budget():
                self._changed.wait(_LOOK_SECONDS)
            self._taken += need
        try:
            yield
        finally:
            with self._changed:
                self._taken -= need
                self._changed.notify_all()


def resident_bytes() -> int:
    """Return the resident set size of this process."""
    return int(psutil.Process().memory_info().rss)


def peak_resident_bytes() -> int:
    """Return the peak resident set size of this process; the current one if the system does not report the peak."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # no /proc here
    return resident_bytes()


def release() -> None:
    """Return freed memory to the system, so that a measurement starts from the memory in use."""
    gc.collect()
    if sys.platform == "linux":
        try:
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        except (OSError, AttributeError):
            return  # not glibc; freed memory stays with the process, so that the next peak is a little too low


def freeze_garbage_collection() -> None:
    """Exclude all current objects from garbage collection; with torch and the page, a full pass takes over 0.1 s.

    Call `unfreeze_garbage_collection` before some of these objects may be freed.
    """
    gc.collect()
    gc.freeze()


def unfreeze_garbage_collection() -> None:
    """Include all objects in the next garbage collection."""
    gc.unfreeze()


atexit.register(unfreeze_garbage_collection)  # otherwise libraries warn at exit about objects that were never collected


class PeakMemory:
    """Context manager that measures the peak growth of the resident set, sampled every 10 ms."""

    def __init__(self, interval: float = 0.01) -> None:
        self._interval = interval
        self._done = Event()
        self.bytes = 0
        """Peak growth since the start, available after exit."""

    def kept(self) -> int:
        """Return the bytes of the growth that are still in use, by results and by the allocators of libraries."""
        release()
        return max(resident_bytes() - self._start, 0)

    def __enter__(self) -> PeakMemory:
        release()
        self._start = resident_bytes()
        self._thread = Thread(target=self._sample, name="peak-memory", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        process = psutil.Process()
        while True:
            self.bytes = max(self.bytes, int(process.memory_info().rss) - self._start)
            if self._done.wait(self._interval):
                self.bytes = max(self.bytes, int(process.memory_info().rss) - self._start)
                return
