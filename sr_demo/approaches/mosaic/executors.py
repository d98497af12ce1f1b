"""Executors: a function applied to many items in threads of this process, or by Ray here or on a cluster."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from sr_demo.errors import SRError
from sr_demo.progress import Progress
from sr_demo.system import ray_cluster


class Executor(Protocol):
    """Applies a function to items and yields the results as they are finished."""

    def map(
        self, work: Callable[[Any], bytes], items: Sequence[Any], progress: Progress
    ) -> Iterator[tuple[int, bytes]]:
        """Yield the number of an item and its result, in the order in which they are finished.

        Args:
            work: A function at the top level of a module.
            items: Arguments of `work`, which can be pickled.
            progress: Checked for Stop between results; nothing is reported to it.

        Raises:
            Cancelled: Stop was pressed.
            SRError: Whatever `work` raises.
        """
        ...


@dataclass(frozen=True)
class LocalExecutor:
    """Threads of this process: decoding, resizing and sorting release the interpreter lock."""

    workers: int = 0
    """Number of threads; 0 for one per core, four at most."""

    def map(
        self, work: Callable[[Any], bytes], items: Sequence[Any], progress: Progress
    ) -> Iterator[tuple[int, bytes]]:
        """See `Executor.map`."""
        workers = self.workers or min(os.cpu_count() or 1, 4)
        pool = ThreadPoolExecutor(workers)
        try:
            # Submitted a few at a time: results that are not consumed yet take memory.
            waiting = iter(enumerate(items))
            running = {pool.submit(work, item): number for number, item in islice(waiting, 2 * workers)}
            while running:
                done = next(as_completed(running))
                number = running.pop(done)
                progress.check()
                yield number, done.result()
                for following, item in islice(waiting, 1):
                    running[pool.submit(work, item)] = following
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class RayExecutor:
    """Ray Data, on a cluster or on a Ray that is started here."""

    address: str = ""
    """Address of the cluster, "auto" for the one this machine belongs to, "" to start a Ray here."""
    workers: int = 2
    """Workers of a Ray that is started here."""

    def map(
        self, work: Callable[[Any], bytes], items: Sequence[Any], progress: Progress
    ) -> Iterator[tuple[int, bytes]]:
        """See `Executor.map`. Files that items name must have the same path on every worker."""
        if not items:
            return
        code = {"py_modules": [str(ray_cluster.PACKAGE)]}
        with ray_cluster.ray_connection(self.address, self.workers, code) as ray:
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = False
            context.execution_options.preserve_order = False
            rows = [{"number": number, "item": pickle.dumps(item)} for number, item in enumerate(items)]
            done = ray.data.from_items(rows, override_num_blocks=len(rows)).map(_RowFunction(work))
            for row in done.iter_rows():
                progress.check()
                if row["refused"]:
                    raise SRError(row["refused"])
                yield int(row["number"]), row["result"]


@dataclass(frozen=True)
class _RowFunction:
    """Applies `work` to one row of a Ray data set."""

    work: Callable[[Any], bytes]

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            # Safe to unpickle: `RayExecutor.map` pickled it.
            return {"number": row["number"], "result": self.work(pickle.loads(row["item"])), "refused": ""}
        except SRError as problem:
            return {"number": row["number"], "result": b"", "refused": str(problem)}
