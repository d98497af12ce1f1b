"""How much memory there is, and how much a piece of work took. No torch: CUDA's own figures are in `torch_runtime`."""

from __future__ import annotations

import atexit
import ctypes
import gc
import sys
from pathlib import Path
from threading import Event, Thread
from types import TracebackType

import psutil

_CGROUP = Path("/sys/fs/cgroup")
ALLOWED = 2 * 10**9
"""Bytes that the work on any picture may take, over what the process takes when idle."""
_SHARE, _CAP = 0.4, 1280 * 2**20
"""Working memory of one tile: at most this share of what is free, and at most this many bytes. What is left of `ALLOWED` is
for two results, the truth and a picture that is written meanwhile, each as large as may lie in memory."""


def available_bytes() -> int:
    """Memory that can be used now: what the machine has free, or less where a container limit (cgroup v2) is lower."""
    free = psutil.virtual_memory().available
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text()) - _reclaimable(_CGROUP / "memory.stat")
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return free
    return max(min(free, limit - used), 0)


def budget() -> int:
    """Bytes that the work on one tile may take now."""
    return min(int(available_bytes() * _SHARE), _CAP)


def _reclaimable(statistics: Path) -> int:
    """Bytes of file cache that the kernel gives back on demand: they count as used, and fill a container to its limit."""
    for line in statistics.read_text().splitlines():
        if line.startswith("inactive_file "):
            return int(line.split()[1])
    return 0


def resident_bytes() -> int:
    """Resident set size of this process."""
    return int(psutil.Process().memory_info().rss)


def highest_resident_bytes() -> int:
    """The most that the resident set of this process has ever been; where the system does not say, what it is now."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # no /proc here
    return resident_bytes()


def release() -> None:
    """Give freed memory back to the system, so that a measurement starts from what is really held."""
    gc.collect()
    if sys.platform == "linux":
        try:
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        except (OSError, AttributeError):
            return  # not glibc: freed memory stays with the process, and the next peak reads a little low


def settle() -> None:
    """Keep the collector from looking again at all that is in memory now: with torch and a page that is 0.1 s and more.

    For what is loaded to stay; `unsettle` before something of it may go.
    """
    gc.collect()
    gc.freeze()


def unsettle() -> None:
    """Let the next collection look at everything."""
    gc.unfreeze()


atexit.register(unsettle)  # else libraries complain at the end of what was never collected


class PeakMemory:
    """Context manager: the most that the resident set grew between enter and exit, sampled every 10 ms."""

    def __init__(self, interval: float = 0.01) -> None:
        self._interval = interval
        self._done = Event()
        self.bytes = 0
        """Growth over the start, available after exit."""

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
