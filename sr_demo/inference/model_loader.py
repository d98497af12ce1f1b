"""Loading of models: in the backend that is faster here, with a cache, and conversion for OpenVINO in the background."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sr_demo.backends import selection
from sr_demo.inference import default_int8, int8
from sr_demo.inference.compute_lock import ComputeLock
from sr_demo.inference.jobs import Job, LoadedModel, load_approach
from sr_demo.inference.model_cache import ModelCache, footprint
from sr_demo.inference.time_estimates import TimeEstimates
from sr_demo.inference.weights import WeightResolver, Weights
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import ModelIdentity, Upscaler
from sr_demo.system import memory


@dataclass
class Buffers:
    """Memory that a loaded model keeps for its next run. It is added to the peak of later runs, which reuse it."""

    bytes: int = 0
    pixels: int = 0
    """Pixels of the largest image so far. Only a larger image adds to `bytes`, since memory that remains after other runs
    belongs to other work of this process."""

    def peak(self, measured: memory.PeakMemory, result_bytes: int, pixels: int) -> int:
        """Return the peak memory in bytes of a run that has just ended, including memory kept from earlier runs.

        Args:
            measured: Growth of memory during the run.
            result_bytes: Size of the result, which the model does not keep.
            pixels: Number of pixels of the upscaled image.
        """
        peak = measured.bytes + self.bytes
        if pixels > self.pixels:
            self.bytes += max(measured.kept() - result_bytes, 0)
            self.pixels = pixels
        return peak


@dataclass(frozen=True)
class Ready:
    """A model that may be used while the compute lock is held."""

    model: LoadedModel
    load_seconds: float
    """Seconds of download and loading; 0 if the model was in the cache."""
    buffers: Buffers


class ModelLoader:
    """Loads and caches models. Thread-safe."""

    def __init__(self, estimates: TimeEstimates, preparer: selection.Preparer | None) -> None:
        """Create a loader; with a `preparer`, networks are converted for OpenVINO in the background after their first use."""
        self.compute_lock = ComputeLock()
        self._estimates = estimates
        self._preparer = preparer
        self._weights = WeightResolver()
        self._cache = ModelCache()
        self._buffers: dict[ModelIdentity, Buffers] = {}  # of the models in the cache
        self._unfinished: default_int8.Unfinished = {}

    def fetch(self, job: Job, progress: Progress) -> Weights | None:
        """Return the local files of `job`; None if its model is loaded. Raises SRError or Cancelled."""
        return None if job.identity in self._cache else self._weights.resolve(job, progress)

    @contextmanager
    def ready(self, job: Job, progress: Progress) -> Generator[Ready]:
        """Load the model of `job` and hold the compute lock while it is used. Raises SRError or Cancelled."""
        while True:
            begun = time.perf_counter()
            weights = self.fetch(job, progress)
            fetch_seconds = time.perf_counter() - begun
            with self.compute_lock.held(progress):
                begun = time.perf_counter()
                upscaler = self._cache.use(job.identity)
                if upscaler is not None:
                    yield Ready(LoadedModel(job, upscaler), 0.0, self._buffers[job.identity])
                    return
                if weights is not None:
                    upscaler = self._load(job, weights, progress)
                    self._buffers = {key: held for key, held in self._buffers.items() if key in self._cache}
                    buffers = self._buffers[job.identity] = Buffers()
                    yield Ready(LoadedModel(job, upscaler), fetch_seconds + time.perf_counter() - begun, buffers)
                    return
            # The cache evicted the model while this thread waited; its files are resolved again without the lock.

    def drop(self, job: Job) -> None:
        """Remove the model of `job` from the cache; the caller must hold the compute lock."""
        self._cache.drop(job.identity)
        self._buffers.pop(job.identity, None)

    def _load(self, job: Job, weights: Weights, progress: Progress) -> Upscaler:
        """Load the model of `job` in the backend that is faster here, and cache it."""
        progress(0.0, "loading")
        converted = selection.converted_files(job.identity)
        if job.precision == "int8":
            upscaler = int8.load(job, weights, progress)
        else:
            upscaler = default_int8.load(job, weights, self._learn, self._unfinished, progress)
            if upscaler is None and converted:
                upscaler = selection.open_stored(converted)
        if upscaler is None:
            upscaler = load_approach(job, weights, progress)
            if converted and self._preparer:
                self._preparer.begin(_Preparation(self, job, weights, converted, upscaler))
        self._weights.forget(job.identity)
        self._cache.keep(job.identity, upscaler, footprint(job.checkpoint))
        return upscaler

    def use_verdict(self, job: Job, verdict: selection.BackendVerdict) -> None:
        """Apply the verdict on a backend: if it is not torch, the next run opens it, and time estimates use its seconds."""
        if verdict.backend == "torch":
            return
        with self.compute_lock.held():
            self.drop(job)
        self._learn(job, verdict)

    def _learn(self, job: Job, verdict: selection.BackendVerdict) -> None:
        size = (selection.SIDE, selection.SIDE)
        self._estimates.learn(job, size, verdict.seconds, backend=verdict.backend, anew=True)


@dataclass(frozen=True)
class _Preparation:
    """The `selection.Preparation` of a job that was loaded in torch."""

    loader: ModelLoader
    job: Job
    weights: Weights
    files: selection.ConvertedFiles
    upscaler: Upscaler

    def load_exact(self) -> Upscaler:
        return load_approach(replace(self.job, precision="fp32"), self.weights, SILENT)

    @contextmanager
    def computing(self, *, gives_way: bool) -> Generator[Progress]:
        lock = self.loader.compute_lock
        if gives_way:
            with lock.background() as progress, lock.held(progress):
                yield progress
        else:
            lock.wait_until_idle()
            with lock.held():
                yield SILENT

    def decided(self, verdict: selection.BackendVerdict) -> None:
        self.loader.use_verdict(self.job, verdict)
