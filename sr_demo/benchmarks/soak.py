"""Growth of a server over minutes of requests: memory, open files, threads, disk (`python -m sr_demo bench soak`).

Four kinds of visits alternate, each in a separate session: an upload and `bicubic` through the API, the same with `espcn`, a
visit of the page (its files, an upload, the time estimates), and the list of methods. All uploads differ. Growth is the slope
of a line fitted to the second half of the samples.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from threading import Lock, Thread

import numpy as np
import psutil

from sr_demo.backends.selection import synthetic_image
from sr_demo.benchmarks.server import Server, Visitor, start
from sr_demo.errors import SRError
from sr_demo.image import ImageData, encode_png, readonly

SIDE = 128
_SECONDS_BETWEEN = 10.0


@dataclass(frozen=True)
class Sample:
    """Resources that a server occupies at one moment."""

    seconds: float
    requests: int
    errors: int
    rss_mb: float
    open_files: int
    threads: int
    store_mb: float
    cache_mb: float


@dataclass
class Count:
    """Requests and errors so far. Thread-safe."""

    requests: int = 0
    errors: int = 0
    last_error: str = ""

    def __post_init__(self) -> None:
        self._lock = Lock()

    def add(self, error: str = "") -> None:
        """Count a finished visit and its error, if any."""
        with self._lock:
            self.requests += 1
            if error:
                self.errors += 1
                self.last_error = error


def soak(minutes: float, store_mb: int, visitors: int, folder: Path) -> Iterator[Sample | str]:
    """Sample a server every ten seconds while visitors send requests.

    Args:
        minutes: Duration of the test.
        store_mb: Limit of the server's store, in MB.
        visitors: Number of concurrent visitors.
        folder: Empty folder for the server's files.

    Yields:
        Samples, and a text for each new kind of error.
    """
    cache, temporary = folder / "cache", folder / "tmp"
    temporary.mkdir(parents=True)
    with start(cache, temporary, folder / "log", {"SR_DEMO_MAX_STORE_MB": str(store_mb)}) as server:
        count, begun = Count(), time.monotonic()
        until = begun + 60 * minutes
        for number in range(visitors):
            Thread(target=_visit, args=(server.url, number, count, until), daemon=True).start()
        reported = ""
        while time.monotonic() < until:
            time.sleep(min(_SECONDS_BETWEEN, max(until - time.monotonic(), 0)))
            yield _sample(server, count, begun, cache, temporary)
            if count.last_error != reported:
                reported = count.last_error
                yield reported


def growth(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the growth of each quantity per 100 requests over the second half of the samples; empty for too few samples."""
    later = samples[len(samples) // 2 :]
    requests = np.array([sample.requests for sample in later], float)
    if len(later) < 2 or np.ptp(requests) == 0:
        return {}
    names = [field.name for field in fields(Sample)][3:]
    return {
        name: 100 * float(np.polyfit(requests, [getattr(sample, name) for sample in later], 1)[0]) for name in names
    }


def _visit(url: str, number: int, count: Count, until: float) -> None:
    kinds: tuple[Callable[[Visitor, bytes], object], ...] = (_bicubic, _espcn, _page, _listing)
    for turn in itertools.count():
        if time.monotonic() > until:
            return
        try:
            with Visitor(url) as visitor:
                kinds[(turn + number) % len(kinds)](visitor, _image(number, turn))
            count.add()
        except Exception as exc:  # counted, whatever it is
            count.add(f"{kinds[(turn + number) % len(kinds)].__name__[1:]}: {exc!r}"[:300])


def _image(number: int, turn: int) -> bytes:
    """Return a different PNG for each visit."""
    rgb = synthetic_image(SIDE).copy()
    rgb[:4, :64] = np.random.default_rng((number, turn)).random((4, 64, 3))
    return encode_png(ImageData(readonly(rgb)))


def _bicubic(visitor: Visitor, content: bytes) -> None:
    _upscale(visitor, content, "bicubic")


def _espcn(visitor: Visitor, content: bytes) -> None:
    _upscale(visitor, content, "espcn")


def _upscale(visitor: Visitor, content: bytes, approach: str) -> None:
    result, _ = visitor.call("upscale", visitor.upload("photo.png", content), approach, {})
    if not visitor.fetch(result).startswith(b"\x89PNG"):
        raise SRError("the result is no PNG")


def _page(visitor: Visitor, content: bytes) -> None:
    visitor.page()
    methods = ["bicubic", "rdn"]
    visitor.event("take", photo=visitor.upload("photo.png", content), methods=methods)
    visitor.event("estimate", methods=methods)


def _listing(visitor: Visitor, _: bytes) -> None:
    visitor.call("approaches")


def _sample(server: Server, count: Count, begun: float, cache: Path, temporary: Path) -> Sample:
    process = psutil.Process(server.process.pid)
    with process.oneshot():
        return Sample(
            time.monotonic() - begun, count.requests, count.errors, process.memory_info().rss / 2**20,
            process.num_fds(), process.num_threads(), _megabytes(temporary), _megabytes(cache),
        )  # fmt: skip


def _megabytes(folder: Path) -> float:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except OSError:
                continue  # removed meanwhile
    return total / 2**20
