"""Doing the pictures of a batch on Ray, here or on a cluster.

Paths travel, pictures do not: a worker reads its picture from the shared folder and writes the result beside the others,
so that no memory fills with pictures that wait. Each worker has one picture at a time, and reserves memory, so that Ray
starts no more of them on a machine than fit. The manifest is written by the process that hands the work out.
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
from sr_demo.batch.manifest import Record, part_of
from sr_demo.batch.run import Batch, Task, settings, with_precision
from sr_demo.errors import SRError, StorageError
from sr_demo.system import ray_cluster

_TRIES = 3
"""A picture that took so many workers with it is given up."""
_PATIENCE_SECONDS = 600
"""How long to wait for a first worker: clusters that grow on demand need minutes."""
_WORKER_BYTES = 1_500_000_000
"""What a worker reserves, and four times its weight files: torch and a network while they enlarge in tiles."""


@dataclass(frozen=True)
class OnRay:
    """A `Perform` on Ray: the cluster at `address` ("auto" for the one this machine belongs to), or workers here."""

    workers: int = 2
    """One core, one thread, one loaded approach each."""
    address: str = ""
    gpus: float = 0.0
    """Share of a GPU that each worker asks for."""

    def __call__(self, batch: Batch, tasks: Sequence[Task]) -> Iterator[Record]:
        """A line for each task, in the order in which they are finished.

        A task whose worker was killed is tried again at the end, with nothing beside it. Raises SRError when no worker
        can be had, or what fails would fail for all: loading, a folder that workers do not see, a full disk.
        """
        if not tasks:
            return
        environment = {"OMP_NUM_THREADS": "1"}
        if self.address:
            code: dict[str, Any] = {
                "working_dir": str(ray_cluster.ROOT), "excludes": _left_here(ray_cluster.ROOT), "env_vars": environment,
            }  # fmt: skip
        else:
            code = {"env_vars": {**environment, "PYTHONPATH": str(ray_cluster.ROOT)}}
        # Almost nothing passes through Ray's own store.
        with ray_cluster.joined(self.address, self.workers, code, object_store_memory=10**8) as ray:
            driver = _Driver(ray, self, _absolute(batch))
            try:
                yield from driver.run(tasks)
            finally:
                driver.close()


def _left_here(root: Path) -> list[str]:
    """What does not travel to a cluster, by name: Ray 2.60 takes nothing along after "/*", whatever "!" excepts from it."""
    return [f"/{path.name}" for path in sorted(root.iterdir()) if path.name not in ("sr_demo", "weights")] + [
        "__pycache__"
    ]


def _absolute(batch: Batch) -> Batch:
    """With paths that mean the same in every working folder."""
    truths = None if batch.truths is None else batch.truths.resolve()
    return replace(batch, source=batch.source.resolve(), out=batch.out.resolve(), truths=truths)


class _Driver:
    """Hands out tasks, one per worker, and replaces workers that were ended."""

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
        """Of workers, by the picture they had; those without any under an empty name."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Record]:
        """See `OnRay`."""
        waiting, again = deque(tasks), deque[Task]()
        for _ in range(min(self._wanted.workers, len(tasks))):
            self._start()
        settled = self._batch.settled is not None
        began = time.monotonic()
        while waiting or again or self._running:
            # Alone, until one says which precision all are to use; alone, too, what has cost a worker already.
            while self._idle and waiting and (settled or not self._running):
                self._give(waiting.popleft())
            if self._idle and again and not waiting and not self._running:
                self._give(again.popleft())
            done, _ = self._ray.wait([*self._starting, *self._running], num_returns=1, timeout=5.0)
            if not done and not self._running and not self._idle and time.monotonic() - began > _PATIENCE_SECONDS:
                raise SRError(self._nobody())
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
        """End all workers: on a cluster they would wait for the end of this process."""
        for worker in {*self._starting.values(), *self._idle, *(worker for worker, _ in self._running.values())}:
            self._ray.kill(worker)

    def _start(self) -> None:
        worker = self._worker.remote()
        places = [place for place in (self._batch.source, self._batch.out, self._batch.truths) if place is not None]
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
        """The line of a task, or None where its worker was ended and the task is to be tried again."""
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as exc:
            return self._died(task, exc)
        self._idle.append(worker)
        if answer["refused"] is not None:
            raise (StorageError if answer["storage"] else SRError)(answer["refused"])
        record: Record = answer["record"]
        if record["status"] == "done" and not part_of(self._batch.out / task.target).exists():
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
        """A new worker for one that was ended while it had `name`. Raises SRError when they end before any work."""
        self._deaths[name] += 1
        if not name and self._deaths[name] >= _TRIES * self._wanted.workers:
            raise SRError(
                f"Workers are ended before they begin ({str(exc).splitlines()[0]}). Use fewer --workers; "
                "--resume goes on where this stopped."
            ) from exc
        self._start()

    def _nobody(self) -> str:
        gpus = f", {self._wanted.gpus:g} GPUs" if self._wanted.gpus else ""
        return (
            f"No worker could be started in {_PATIENCE_SECONDS // 60} minutes: each needs one processor core, "
            f"{self._bytes / 1e9:.1f} GB of memory{gpus} that nobody else has reserved on the cluster."
        )


class _Worker:
    """In a process of Ray's: does tasks with one loaded approach."""

    def unseen(self, places: Sequence[Path]) -> str:
        """The first of the folders that are not to be seen from here; empty where all are."""
        return next((f"the folder {place} on {os.uname().nodename}" for place in places if not place.is_dir()), "")

    def attempt(self, batch: Batch, task: Task) -> dict[str, Any]:
        """The line of a task, or the sentence with which everything ends."""
        try:
            return {"record": batch_work.attempt(batch, task), "refused": None, "storage": False}
        except SRError as exc:
            return {"record": None, "refused": str(exc), "storage": isinstance(exc, StorageError)}
