"""Processing the images of a batch on Ray, on this machine or on a cluster.

Only paths are sent: a worker reads its image from the shared folder and writes the result there, so that waiting images take
no memory. A worker processes one image at a time and reserves memory, so that Ray starts no more workers than fit.
The driver process, which assigns the tasks, writes the manifest.
"""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sr_demo.batch import workers as batch_work
from sr_demo.batch.manifest import Record, temporary_path
from sr_demo.batch.run import Batch, Task, settings, with_precision
from sr_demo.errors import SRError, StorageError
from sr_demo.system import ray_cluster

_TRIES = 3
"""Number of workers that the system ended while they processed an image, after which the image is skipped."""
_PATIENCE_SECONDS = 600
"""Time to wait for a first worker: clusters that grow on demand need minutes."""
_WORKER_BYTES = 1_500_000_000
"""Bytes that a worker reserves for torch and a network that upscales in tiles, besides four times its weight files."""


@dataclass(frozen=True)
class OnRay:
    """A `Perform` on Ray: on the cluster at `address` ("auto" for the cluster of this machine), or on this machine."""

    workers: int = 2
    """Number of workers, each with one core, one thread and one loaded approach."""
    address: str = ""
    gpus: float = 0.0
    """Share of a GPU that each worker requests."""

    def __call__(self, batch: Batch, tasks: Sequence[Task]) -> Iterator[Record]:
        """Yield a line for each task, in the order in which they finish.

        A task whose worker was killed is tried again at the end, alone. Raises SRError when no worker can be started, and
        for failures that affect all tasks: loading, a folder that workers cannot access, a full disk.
        """
        if not tasks:
            return
        environment = {"OMP_NUM_THREADS": "1"}
        if self.address:
            code: dict[str, Any] = {
                "working_dir": str(ray_cluster.ROOT), "excludes": _excluded(ray_cluster.ROOT), "env_vars": environment,
            }  # fmt: skip
        else:
            code = {"env_vars": {**environment, "PYTHONPATH": str(ray_cluster.ROOT)}}
        # Only paths and lines pass through Ray's object store.
        with ray_cluster.ray_connection(self.address, self.workers, code, object_store_memory=10**8) as ray:
            driver = _Driver(ray, self, _absolute(batch))
            try:
                yield from driver.run(tasks)
            finally:
                driver.close()


def _excluded(root: Path) -> list[str]:
    """Return the names that are not sent to a cluster; with "/*", Ray 2.60 sends nothing, even what "!" excepts."""
    return [f"/{path.name}" for path in sorted(root.iterdir()) if path.name not in ("sr_demo", "weights")] + [
        "__pycache__"
    ]


def _absolute(batch: Batch) -> Batch:
    """Return the batch with absolute paths, since workers run in other folders."""
    references = None if batch.references is None else batch.references.resolve()
    return replace(batch, source=batch.source.resolve(), out=batch.out.resolve(), references=references)


class _Driver:
    """Assigns tasks, one per worker, and replaces workers that were ended."""

    def __init__(self, ray: Any, wanted: OnRay, batch: Batch) -> None:
        self._ray = ray
        self._batch = batch
        self._wanted = wanted
        self._bytes = _WORKER_BYTES + 4 * batch.job.checkpoint.bytes
        self._worker = ray.remote(num_cpus=1, num_gpus=wanted.gpus, memory=self._bytes, max_restarts=0)(_Worker)
        self._starting: dict[Any, Any] = {}
        self._running: dict[Any, tuple[Any, Task]] = {}
        self._idle: list[Any] = []
        self._deaths: Counter[str] = Counter()
        """Number of ended workers by the image they processed; "" for those without an image."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Record]:
        """Yield a line for each task; see `OnRay`."""
        waiting, again = deque(tasks), deque[Task]()
        for _ in range(min(self._wanted.workers, len(tasks))):
            self._start()
        settled = self._batch.settled is not None
        began = time.monotonic()
        while waiting or again or self._running:
            # One task at a time until a result determines the precision for all, and for tasks whose worker was ended.
            while self._idle and waiting and (settled or not self._running):
                self._give(waiting.popleft())
            if self._idle and again and not waiting and not self._running:
                self._give(again.popleft())
            done, _ = self._ray.wait([*self._starting, *self._running], num_returns=1, timeout=5.0)
            if not done and not self._running and not self._idle and time.monotonic() - began > _PATIENCE_SECONDS:
                raise SRError(self._no_worker())
            for reference in done:
                if reference in self._starting:
                    self._started(reference)
                    continue
                worker, task = self._running.pop(reference)
                record = self._fetched(reference, worker, task)
                began = time.monotonic()
                if record is None:
                    again.append(task)
                    continue
                if record["status"] == "done" and not settled:
                    self._batch, settled = with_precision(self._batch, record), True
                yield record

    def close(self) -> None:
        """End all workers; on a cluster they would otherwise wait for the end of this process."""
        for worker in {*self._starting.values(), *self._idle, *(worker for worker, _ in self._running.values())}:
            self._ray.kill(worker)

    def _start(self) -> None:
        worker = self._worker.remote()
        places = [place for place in (self._batch.source, self._batch.out, self._batch.references) if place is not None]
        self._starting[worker.unseen.remote(places)] = worker

    def _started(self, reference: Any) -> None:
        worker = self._starting.pop(reference)
        try:
            unseen = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as exc:
            self._replace("", exc)
            return
        if unseen:
            raise SRError(
                f"A worker does not see {unseen}. The pictures and --out must be in folders that all machines of the "
                "cluster share, under the same path."
            )
        self._idle.append(worker)

    def _give(self, task: Task) -> None:
        worker = self._idle.pop()
        self._running[worker.attempt.remote(self._batch, task)] = (worker, task)

    def _fetched(self, reference: Any, worker: Any, task: Task) -> Record | None:
        """Return the line of a task, or None when its worker was ended and the task has to be tried again."""
        try:
            outcome = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as exc:
            return self._died(task, exc)
        self._idle.append(worker)
        if outcome["refused"] is not None:
            raise (StorageError if outcome["storage"] else SRError)(outcome["refused"])
        record: Record = outcome["record"]
        if record["status"] == "done" and not temporary_path(self._batch.out / task.target).exists():
            raise StorageError(
                f"A worker wrote {task.target} where this machine does not see it. --out must be a folder that all "
                "machines of the cluster share, under the same path."
            )
        return record

    def _died(self, task: Task, exc: Exception) -> Record | None:
        name = f"{task.source} {task.page}"
        self._replace(name, exc)
        if self._deaths[name] < _TRIES:
            return None
        return {
            "source": task.source, "page": task.page, "input_sha256": None, "status": "failed", "result": None,
            "result_sha256": None, **settings(self._batch),
            "message": f"{_TRIES} workers that had it were ended by the system, most often because memory ran out.",
        }  # fmt: skip

    def _replace(self, name: str, exc: Exception) -> None:
        """Replace a worker that was ended while it processed `name`. Raises SRError when workers end without an image."""
        self._deaths[name] += 1
        if not name and self._deaths[name] >= _TRIES * self._wanted.workers:
            raise SRError(
                f"Workers are ended before they start to work ({str(exc).splitlines()[0]}). Use fewer --workers; "
                "--resume continues where this stopped."
            ) from exc
        self._start()

    def _no_worker(self) -> str:
        gpus = f", {self._wanted.gpus:g} GPUs" if self._wanted.gpus else ""
        return (
            f"No worker could be started in {_PATIENCE_SECONDS // 60} minutes: each needs one processor core, "
            f"{self._bytes / 1e9:.1f} GB of memory{gpus} that no other job has reserved on the cluster."
        )


class _Worker:
    """Worker in a Ray process, which processes tasks with one loaded approach."""

    def unseen(self, places: Sequence[Path]) -> str:
        """Return the first folder that this machine cannot access; "" if it can access all."""
        return next((f"the folder {place} on {os.uname().nodename}" for place in places if not place.is_dir()), "")

    def attempt(self, batch: Batch, task: Task) -> dict[str, Any]:
        """Return the line of a task, or the message of a failure that ends the batch."""
        try:
            return {"record": batch_work.attempt(batch, task), "refused": None, "storage": False}
        except SRError as exc:
            return {"record": None, "refused": str(exc), "storage": isinstance(exc, StorageError)}
