"""Processing the images of a batch in this process, or in several."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import lru_cache
from multiprocessing.connection import wait as wait_for
from pathlib import Path, PurePosixPath
from threading import Thread

from sr_demo.batch.manifest import Record, temporary_path
from sr_demo.batch.run import Batch, Perform, Task, settings, with_precision
from sr_demo.codecs.image_files import find_images
from sr_demo.codecs.sniff import kind_of
from sr_demo.errors import BadInput, OutOfMemory, SRError, StorageError, log_unexpected
from sr_demo.image import Image, ImageData, for_output, read, write
from sr_demo.inference.runner import Runner
from sr_demo.metrics.scores import COLUMNS
from sr_demo.reports.evaluation import matching_reference
from sr_demo.reports.pairing import parsed
from sr_demo.reports.table import record as measured
from sr_demo.system.storage import sha256_of

_SCORES = tuple(column.key for column in COLUMNS)


def perform_here(batch: Batch, tasks: list[Task]) -> Iterator[Record]:
    """Process the tasks one by one in this process. Raises what loading raises, since loading would fail for all tasks."""
    worker = Worker(batch)
    if tasks:
        worker.warm()
    yield from map(worker.attempt, tasks)


def perform_in(workers: int) -> Perform:
    """Return a `Perform` with `workers` processes, which share the CPU cores and end with this process."""

    def perform(batch: Batch, tasks: list[Task]) -> Iterator[Record]:
        waiting = iter(tasks)
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (workers,)) as pool:
            try:
                for task in waiting:  # one at a time, until a result determines the precision for all
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
                    "Use fewer --workers; --resume continues where this stopped."
                ) from exc
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    return perform


_worker: Worker | None = None
"""The worker of this worker process, whose approach stays loaded between tasks."""


def _begin(workers: int) -> None:
    """Prepare a worker process before torch is imported: set its share of the cores, and end it with the parent."""
    os.environ["OMP_NUM_THREADS"] = str(max((os.cpu_count() or 1) // workers, 1))
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        wait_for([parent.sentinel])
        os._exit(1)

    Thread(target=follow, daemon=True).start()


def attempt(batch: Batch, task: Task) -> Record:
    """Call `Worker.attempt` in a worker process. Raises what loading raises, and StorageError."""
    global _worker
    if _worker is None or not _worker.serves(batch):
        _worker = Worker(batch)
        _worker.warm()
    return _worker.attempt(task)


class Worker:
    """Processes tasks one by one with one loaded approach."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._runner = Runner()
        self._hashed: tuple[str, str] = ("", "")
        """The last source and its sha256, since the pages of a stack are processed consecutively."""
        self._settled = batch.settled
        """The precision of the results; None before the first result."""

    def warm(self) -> None:
        """Load the approach. Raises what loading raises."""
        self._runner.warm(self.batch.running)

    def serves(self, batch: Batch) -> bool:
        """Return whether this worker can process `batch`: its own batch, or the same with the precision of its results."""
        return batch == self.batch or batch == replace(self.batch, settled=self._settled)

    def attempt(self, task: Task) -> Record:
        """Return the line of one task; its result is complete under its temporary name. Raises only StorageError."""
        line: Record = {
            "source": task.source, "page": task.page, "input_sha256": None, "status": "done",
            "result": task.target, "result_sha256": None, **settings(self.batch),
        }  # fmt: skip
        try:
            line["input_sha256"] = self._hash(task)
            return line | self._upscale(task)
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
            status, message = "failed", log_unexpected(exc, f"upscaling {task.source}")
        return line | {"status": status, "result": None, "message": message}

    def _hash(self, task: Task) -> str:
        if self._hashed[0] != task.source:
            self._hashed = (task.source, sha256_of(self.batch.source / task.source))
        return self._hashed[1]

    def _upscale(self, task: Task) -> Record:
        batch = self.batch
        image = read(batch.source / task.source, page=task.page)
        output = batch.output.like(kind_of(batch.source / task.source))
        reference, remark = _reference(batch, task, image)
        result = self._runner.run(batch.running, for_output(image, output), reference)
        target = batch.out / task.target
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise StorageError(f"The folder {target.parent} cannot be created: {exc.strerror or exc}.") from exc
        written = write(result.image, temporary_path(target), output)
        numbers = measured(result)
        self._settled = with_precision(batch, numbers).settled
        return {
            "result_sha256": sha256_of(temporary_path(target)),
            **{name: numbers[name] for name in ("width", "height", "precision", "tile", "halo", "seconds")},
            **({"precision_loss_db": numbers["precision_loss_db"]} if numbers["precision_loss_db"] is not None else {}),
            "metrics": {name: numbers[name] for name in _SCORES},
            "notes": [*numbers["notes"], *written.notes],
            "metadata": written.as_dict(),
            **({"sizing": numbers["sizing"]} if numbers["sizing"] else {}),
            **({"values": numbers["values"]} if numbers["values"] is not None else {}),
            **({"remark": remark} if remark else {}),
        }


def _reference(batch: Batch, task: Task, lr: ImageData) -> tuple[Image | None, str]:
    """Return the reference of a task, cropped to the size of the result; or None and the reason why it has no scores."""
    if batch.references is None:
        return None, ""
    scale, source = batch.job.test_scale, PurePosixPath(task.source)
    there = _by_key(batch.references, scale).get((source.parent, parsed(source.stem, scale).key), [])
    there = [path for path in there if path.stem == source.stem] or there
    if not there:
        return None, "There is no reference of that name."
    if len(there) > 1:
        return None, f"There is more than one reference of that name: {there[0].name} and {there[1].name}."
    path = there[0]
    try:
        return matching_reference(read(path, page=task.page), lr, scale).rgb, ""
    except (BadInput, OutOfMemory) as exc:
        return None, f"The reference cannot be used: {exc}"


@lru_cache(maxsize=4)
def _by_key(folder: Path, scale: int) -> dict[tuple[PurePosixPath, str], list[Path]]:
    """Return the images in `folder` and its subfolders by subfolder and key; LR images only if there are no others."""
    found: dict[tuple[PurePosixPath, str], list[Path]] = {}
    files = find_images(folder, recursive=True).images
    for path in sorted(files, key=lambda path: parsed(path.stem, scale).role == "LR"):
        name = parsed(path.stem, scale)
        place = found.setdefault((PurePosixPath(path.parent.relative_to(folder).as_posix()), name.key), [])
        if name.role != "LR" or not place:
            place.append(path)
    return found
