"""Doing the pictures of a batch: in this process, or in several."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import lru_cache
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from threading import Thread

from sr_demo.batch.manifest import Record, part_of
from sr_demo.batch.run import LIMITS, Batch, Perform, Task, settings, with_precision
from sr_demo.errors import BadInput, OutOfMemory, SRError, StorageError, unexpected
from sr_demo.image import Image, ImageData, read, write_png
from sr_demo.inference.runner import Runner
from sr_demo.reports.evaluation import SUFFIXES
from sr_demo.reports.table import record as measured
from sr_demo.system.storage import sha256_of

_SCORES = ("psnr_y", "ssim_y", "psnr_rgb", "lr_consistency", "niqe")


def perform_here(batch: Batch, tasks: list[Task]) -> Iterator[Record]:
    """One after the other, in this process. What fails while loading would fail for all: it is raised."""
    worker = Worker(batch)
    if tasks:
        worker.warm()
    yield from map(worker.attempt, tasks)


def perform_in(workers: int) -> Perform:
    """`perform_here` in that many processes of their own, which share the processor cores. They end with this one."""

    def perform(batch: Batch, tasks: list[Task]) -> Iterator[Record]:
        waiting = iter(tasks)
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (workers,)) as pool:
            try:
                for task in waiting:  # alone, until one says which precision all are to use
                    record = pool.submit(attempt, batch, task).result()
                    yield record
                    if record["status"] == "done":
                        batch = with_precision(batch, record)
                        break
                running: set[Future[Record]] = set()
                for task in waiting:
                    running.add(pool.submit(attempt, batch, task))
                    while len(running) >= 2 * workers:
                        finished, running = wait(running, return_when=FIRST_COMPLETED)
                        yield from (future.result() for future in finished)
                yield from (future.result() for future in running)
            except BrokenProcessPool as exc:
                raise SRError(
                    "A worker was ended by the system, most often because memory ran out. "
                    "Use fewer --workers; --resume goes on where this stopped."
                ) from exc
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    return perform


_worker: Worker | None = None
"""Of a worker process: its loaded approach, kept between tasks."""


def _begin(workers: int) -> None:
    """Prepare a worker process, before torch is imported: its share of the cores, and an end when the parent ends."""
    os.environ["OMP_NUM_THREADS"] = str(max((os.cpu_count() or 1) // workers, 1))
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        wait_for([parent.sentinel])
        os._exit(1)

    Thread(target=follow, daemon=True).start()


def attempt(batch: Batch, task: Task) -> Record:
    """`Worker.attempt` in a worker process, whose approach stays loaded. Raises what loading raises, and StorageError."""
    global _worker
    if _worker is None or not _worker.serves(batch):
        _worker = Worker(batch)
        _worker.warm()
    return _worker.attempt(task)


class Worker:
    """Does one task after the other with one loaded approach."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._runner = Runner()
        self._hashed: tuple[str, str] = ("", "")
        """The last source and its sha256: pages of one stack come one after the other."""
        self._settled = batch.settled
        """The precision that its results have, once there was one."""

    def warm(self) -> None:
        """Load. Raises what loading raises."""
        self._runner.warm(self.batch.running)

    def serves(self, batch: Batch) -> bool:
        """Whether `batch` is what it does, or the same settled on the precision that it has found itself."""
        return batch == self.batch or batch == replace(self.batch, settled=self._settled)

    def attempt(self, task: Task) -> Record:
        """The line of one task, its result complete in its `.part`. Raises StorageError only."""
        line: Record = {
            "source": task.source, "page": task.page, "input_sha256": None, "status": "done",
            "result": task.target, "result_sha256": None, **settings(self.batch),
        }  # fmt: skip
        try:
            line["input_sha256"] = self._hash(task)
            return line | self._enlarged(task)
        except StorageError:
            raise
        except BadInput as exc:
            status, message = "unreadable", str(exc)
        except OSError as exc:
            status, message = "failed", f"The file cannot be read: {exc.strerror or exc}."
        except SRError as exc:
            status, message = "failed", str(exc)
        except MemoryError:
            status, message = "failed", str(OutOfMemory())
        except Exception as exc:
            status, message = "failed", unexpected(exc, f"enlarging {task.source}")
        return line | {"status": status, "result": None, "message": message}

    def _hash(self, task: Task) -> str:
        if self._hashed[0] != task.source:
            self._hashed = (task.source, sha256_of(self.batch.source / task.source))
        return self._hashed[1]

    def _enlarged(self, task: Task) -> Record:
        batch = self.batch
        picture = read(batch.source / task.source, LIMITS, task.page)
        truth, remark = _truth(batch, task, picture)
        result = self._runner.run(batch.running, picture, truth)
        target = batch.out / task.target
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise StorageError(f"The folder {target.parent} cannot be made: {exc.strerror or exc}.") from exc
        write_png(result.picture, part_of(target))
        numbers = measured(result)
        self._settled = with_precision(batch, numbers).settled
        return {
            "result_sha256": sha256_of(part_of(target)),
            **{name: numbers[name] for name in ("width", "height", "precision", "tile", "halo", "seconds")},
            **({"precision_loss_db": numbers["precision_loss_db"]} if numbers["precision_loss_db"] is not None else {}),
            "metrics": {name: numbers[name] for name in _SCORES},
            **({"remark": remark} if remark else {}),
        }


def _truth(batch: Batch, task: Task, small: ImageData) -> tuple[Image | None, str]:
    """What the result should be, cropped to match; or why there are no scores."""
    if batch.truths is None:
        return None, ""
    scale, stem = batch.job.approach.scale, task.source.rpartition(".")[0]
    known = _stems(batch.truths)
    path = known.get(stem) or known.get(stem.removesuffix(f"x{scale}"))
    if path is None:
        return None, "There is no true picture of that name."
    try:
        truth = read(path, LIMITS, task.page).rgb
    except BadInput as exc:
        return None, f"The true picture cannot be used: {exc}"
    height, width = small.rgb.shape[0] * scale, small.rgb.shape[1] * scale
    spare = (truth.shape[0] - height, truth.shape[1] - width)
    if min(spare) < 0 or max(spare) >= scale:
        return None, f"The true picture has {truth.shape[1]} x {truth.shape[0]} pixels, not {width} x {height}."
    return truth[:height, :width], ""


@lru_cache(maxsize=4)
def _stems(folder: Path) -> dict[str, Path]:
    """Pictures in `folder` and below, by their path without the suffix."""
    files = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES)
    return {path.relative_to(folder).as_posix().rpartition(".")[0]: path for path in files}
