"""Resolution of weights: from a job to verified local files, downloaded once and never while the compute lock is held."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock

from sr_demo.hub import checkpoints
from sr_demo.inference.jobs import Job
from sr_demo.progress import Progress
from sr_demo.spec import ModelIdentity
from sr_demo.system import hardware

Weights = tuple[Path, ...]
"""Verified local files, in the order of `Request.files`."""
_MOST_REMEMBERED = 32
"""Largest number of models whose files are remembered between download and loading; others are looked up again."""


class WeightResolver:
    """Resolves the weights of each job once and remembers the files until the model is loaded. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._resolved: OrderedDict[ModelIdentity, Weights] = OrderedDict()

    def resolve(self, job: Job, progress: Progress) -> Weights:
        """Return the local files of `job`; download missing ones.

        Args:
            job: The job to load; its `download` states whether the user agreed to a large download.
            progress: Receives the progress of the download, 0..1.

        Returns:
            The verified files.

        Raises:
            SRError: The hardware is insufficient, the download failed, or the user did not agree to it.
            Cancelled: Stop was pressed.
        """
        with self._lock:
            known = self._resolved.get(job.identity)
        if known is not None and all(path.exists() for path in known):
            return known
        hardware.check(job.approach.title, job.checkpoint.needs)
        files = tuple(checkpoints.fetch(job.checkpoint, progress, job.download))
        if job.approach.fetch is not None:
            job.approach.fetch(progress)
        with self._lock:
            self._resolved[job.identity] = files
            if len(self._resolved) > _MOST_REMEMBERED:
                self._resolved.popitem(last=False)
        return files

    def forget(self, model: ModelIdentity) -> None:
        """Forget the files of `model`; called after they are loaded."""
        with self._lock:
            self._resolved.pop(model, None)
