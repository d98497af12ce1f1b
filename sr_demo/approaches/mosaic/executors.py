"""Where pieces of work run: in threads here, or on Ray, here or on a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sr_demo.errors import SRError
from sr_demo.progress import Progress
from sr_demo.system import ray_cluster

T = TypeVar("T")


class Engine(Protocol):
    """Does work and says when which piece of it is finished."""

    def map(
        self, work: Callable[[Any], bytes], items: Sequence[Any], progress: Progress
    ) -> Iterator[tuple[int, bytes]]:
        """Number of an item and its result, in the order in which they are finished. `work` is a function of a module.

        Raises what `work` raises, or Cancelled.
        """
        ...


@dataclass(frozen=True)
class Local:
    """Threads of this process: decoding, resizing and sorting let each other run."""

    workers: int = 0
    """0 for one per core, four at most."""

    def map(
        self, work: Callable[[Any], bytes], items: Sequence[Any], progress: Progress
    ) -> Iterator[tuple[int, bytes]]:
        """See `Engine`."""
        workers = self.workers or min(os.cpu_count() or 1, 4)
        pool = ThreadPoolExecutor(workers)
        try:
            # Handed out a few at a time: results that nobody has fetched yet lie in memory.
            waiting = iter(enumerate(items))
            running = {pool.submit(work, item): number for number, item in _some(waiting, 2 * workers)}
            while running:
                done = next(as_completed(running))
                number = running.pop(done)
                progress.check()
                yield number, done.result()
                for other, item in _some(waiting, 1):
                    running[pool.submit(work, item)] = other
        finally:
            pool.shutdown(cancel_futures=True)


def _some(waiting: Iterator[T], count: int) -> Iterator[T]:
    for _, item in zip(range(count), waiting, strict=False):
        yield item


@dataclass(frozen=True)
class Ray:
    """Ray Data: the cluster at `address` ("auto" for the one this machine belongs to), or workers of its own here."""

    address: str = ""
    workers: int = 2
    """For a Ray of its own."""

    def map(
        self, work: Callable[[Any], bytes], items: Sequence[Any], progress: Progress
    ) -> Iterator[tuple[int, bytes]]:
        """See `Engine`. Files that items name must be found under the same path by every worker."""
        if not items:
            return
        code = {"py_modules": [str(ray_cluster.PACKAGE)]}
        with ray_cluster.joined(self.address, self.workers, code) as ray:
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = False
            context.execution_options.preserve_order = False
            rows = [{"number": number, "item": item} for number, item in enumerate(_packed(items))]
            done = ray.data.from_items(rows, override_num_blocks=len(rows)).map(_Row(work))
            for row in done.iter_rows():
                progress.check()
                if row["refused"]:
                    raise SRError(row["refused"])
                yield int(row["number"]), row["result"]


@dataclass(frozen=True)
class _Row:
    """`work` on one row of a Ray data set."""

    work: Callable[[Any], bytes]

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        import pickle

        try:
            # Packed by this program for itself, a few lines above.
            return {"number": row["number"], "result": self.work(pickle.loads(row["item"])), "refused": ""}
        except SRError as problem:
            return {"number": row["number"], "result": b"", "refused": str(problem)}


def _packed(items: Sequence[Any]) -> Iterator[bytes]:
    import pickle

    for item in items:
        yield pickle.dumps(item)
