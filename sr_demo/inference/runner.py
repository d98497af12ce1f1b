"""Execution of jobs on one image, with one or several methods, and measurement of their costs.

`Runner.run` runs one job and returns its result; `Runner.compare` runs several in order and yields events meanwhile. A failed
job does not affect the others. Weights are resolved in `weights`, models are loaded and cached in `model_loader`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from queue import SimpleQueue
from threading import Event, Thread

import numpy as np
from numpy.typing import NDArray

from sr_demo.backends.selection import Preparer
from sr_demo.errors import BadInput, Cancelled, OutOfMemory, SRError, log_unexpected
from sr_demo.image import Image, ImageData
from sr_demo.imaging.detail import blend_detail
from sr_demo.inference import faithful, large_results, memory_need
from sr_demo.inference.jobs import Done, Failed, ImageResult, Job, LoadedModel, Progressed, RunEvent, Started, Stopped
from sr_demo.inference.model_loader import ModelLoader
from sr_demo.inference.shared_work import SharedWork
from sr_demo.inference.size_plan import SizePlan, relative_work
from sr_demo.inference.time_estimates import TimeEstimates
from sr_demo.inference.upscale import MeasuredRun, Upscaled, passes, upscale_image
from sr_demo.inference.weights import Weights
from sr_demo.metrics.scores import score
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Upscaler
from sr_demo.system import memory
from sr_demo.system.contention import Contention
from sr_demo.system.stopwatch import Stopwatch

_REPORT_SECONDS = 0.1
"""Shortest time between two progress events with the same note."""
LETTERS = "letters may change: read them in your photo"
"""Remark on the result of a generative method for an image with fine text."""


class Runner:
    """Runs jobs, one at a time. Thread-safe."""

    def __init__(self, estimates: TimeEstimates | None = None, preparer: Preparer | None = None) -> None:
        """Create a runner; with a `preparer`, networks are converted for OpenVINO in the background after their first use."""
        self._estimates = estimates or TimeEstimates()
        self._models = ModelLoader(self._estimates, preparer)
        self._compute_lock = self._models.compute_lock

    @property
    def estimates(self) -> TimeEstimates:
        """Time estimates; every run improves them."""
        return self._estimates

    def compare(
        self, jobs: Sequence[Job], image: ImageData, reference: Image | None = None, stop: Event | None = None,
        deadline: float | None = None, shared: SharedWork | None = None,
    ) -> Iterator[RunEvent]:  # fmt: skip
        """Run several jobs on one image, in order, in a separate thread. Closing the iterator stops the work.

        Args:
            jobs: The jobs.
            image: The input.
            reference: (H * scale, W * scale, 3) float32 in [0, 1], the HR image to score results against.
            stop: After it is set, the running job and those not started yet yield `Stopped`.
            deadline: Time of `time.monotonic` at which unfinished jobs fail.
            shared: Work that is shared with other calls for this image; None for none.

        Yields:
            `Started`, any number of `Progressed`, and one of `Done`, `Failed` and `Stopped` for each job.
        """
        stop, shared = stop or Event(), shared or SharedWork()
        events: SimpleQueue[RunEvent | None] = SimpleQueue()

        def work() -> None:
            try:
                for job in jobs:
                    events.put(Started(job))
                    progress = Progress(_throttled(job, events.put), stop, deadline=deadline)
                    events.put(self._outcome(job, image, reference, progress, shared))
            finally:
                events.put(None)

        Thread(target=work, name="compare", daemon=True).start()
        try:
            while (event := events.get()) is not None:
                yield event
        except BaseException:  # the iterator was closed before the end
            stop.set()
            raise

    def run(
        self, job: Job, image: ImageData, reference: Image | None = None, progress: Progress = SILENT, *,
        allowed: NDArray[np.float32] | None = None, shared: SharedWork | None = None,
    ) -> ImageResult:  # fmt: skip
        """Upscale one image with one method.

        Args:
            job: The job.
            image: The input.
            reference: (H * scale, W * scale, 3) float32 in [0, 1], the HR image to score the result against.
            progress: Receives 0..1 for download, loading and upscaling, each from 0.
            allowed: (h, w) in [0, 1], of any size: the detail that a mask allows at each pixel; None for no mask. See
                `faithful.detail_map`.
            shared: Work that is shared with other calls for this image; None for none.

        Returns:
            The upscaled image with its scores and costs.

        Raises:
            SRError: The job cannot be done; with the reason.
            Cancelled: Stop was pressed.
        """
        with self._compute_lock.request():
            return self._run(job, image, reference, progress, shared or SharedWork(), allowed)

    def attempt(
        self, job: Job, image: ImageData, reference: Image | None = None, progress: Progress = SILENT
    ) -> Done | Failed:
        """Like `run`, but return errors as `Failed` with their sentence. Raises only Cancelled."""
        with self._compute_lock.request():
            return self._attempt(job, image, reference, progress, SharedWork())

    def attempt_when_idle(self, job: Job, image: ImageData) -> Done | Failed:
        """Like `attempt`, but start only after no request has waited for two seconds (used by the warm-up).

        It gives way to requests: the run is cancelled when one comes, and starts again when there is none.
        """
        while True:
            with self._compute_lock.background() as progress, suppress(Cancelled):
                return self._attempt(job, image, None, progress, SharedWork())

    def wait_until_idle(self) -> None:
        """Return once no request has waited for a result for two seconds."""
        self._compute_lock.wait_until_idle()

    def warm(self, job: Job, progress: Progress = SILENT) -> None:
        """Load a method before its first use. Raises SRError or Cancelled."""
        with self._models.ready(job, progress):
            pass

    @contextmanager
    def loaded(self, job: Job, progress: Progress = SILENT) -> Generator[LoadedModel]:
        """Yield the loaded model while nothing else computes, for uses that `run` does not cover.

        Raises SRError or Cancelled.
        """
        with self._compute_lock.request(), self._models.ready(job, progress) as ready:
            yield ready.model

    def fetch(self, job: Job, progress: Progress = SILENT) -> Weights | None:
        """Return the local files of `job`; download missing ones. None if its model is loaded.

        Neither waits for computation nor blocks it; the following run uses these files. Raises SRError or Cancelled.
        """
        return self._models.fetch(job, progress)

    def _outcome(
        self, job: Job, image: ImageData, reference: Image | None, progress: Progress, shared: SharedWork
    ) -> RunEvent:
        try:
            with self._compute_lock.request():
                return self._attempt(job, image, reference, progress, shared)
        except Cancelled:
            return Stopped(job)

    def _attempt(
        self, job: Job, image: ImageData, reference: Image | None, progress: Progress, shared: SharedWork
    ) -> Done | Failed:
        try:
            return Done(job, self._run(job, image, reference, progress, shared))
        except Cancelled:
            raise
        except SRError as exc:
            return Failed(job, str(exc))
        except Exception as exc:
            return Failed(job, log_unexpected(exc, f"running {job.key}"))

    def _run(
        self, job: Job, image: ImageData, reference: Image | None, progress: Progress, shared: SharedWork,
        allowed: NDArray[np.float32] | None = None,
    ) -> ImageResult:  # fmt: skip
        progress.check()
        plan = job.plan(image.size)
        _check_reference(job, plan, image.rgb, reference)
        faces = faithful.face_limit_of(job, image.rgb, shared)
        limits = [limit for limit in (allowed, faces and faces.allowed) if limit is not None]
        other = faithful.partner(job, part=bool(limits))
        traits = memory_need.traits_of(job, image)
        memory_need.check(replace(traits, blended=other is not None, limited=bool(limits)), image)
        detail = faithful.detail_of(job)
        try:
            done = self._measured(job, image, progress, exact=other is not None)
            if other is not None:
                shown = faithful.detail_map(limits, detail, plan.size, plan.factor)
                faithful_result = shared.once(
                    other, lambda: _agreeing(self._measured(other, image, progress, exact=True), image)
                )
                done = _blended(done, faithful_result, shown, image.rgb)
        except MemoryError as exc:  # the result itself does not fit, whatever the tile size
            raise OutOfMemory from exc
        upscaled, upscaler = done.upscaled, done.upscaler
        tiled = upscaled.tiles > len(plan.runs)
        letters = (LETTERS,) if faithful.changes_letters(job, image.rgb, shared) else ()
        return ImageResult(
            job=job,
            size=upscaled.image.size,
            image=upscaled.image,
            scores=score(upscaled.image.pixels, image.rgb, reference, round(plan.factor)),
            seconds=done.seconds,
            load_seconds=done.load_seconds,
            peak_memory_mb=done.peak_bytes / 1e6,
            precision=upscaler.precision,
            tile=upscaled.tile if tiled else 0,
            tiles=upscaled.tiles,
            halo=job.approach.tiling_of(job.checkpoint).halo if tiled else 0,
            cpu_seconds=done.cpu_seconds,
            backend=upscaler.backend,
            loss_db=upscaler.loss_db,
            trajectory=upscaled.trajectory,
            notes=image.notes,
            values=image.values,
            input_size=image.size,
            remarks=(*upscaled.remarks, *letters),
            kept_faces=0 if faces is None else faces.faces,
            masked=allowed is not None,
            sizing=plan.words if job.size is not None else "",
        )

    def _measured(self, job: Job, image: ImageData, progress: Progress, *, exact: bool) -> _Measured:
        """Upscale with one method, measure the cost, and improve its time estimates."""
        with self._models.ready(job, progress) as ready:
            with memory.PeakMemory() as peak, Contention() as contention, Stopwatch() as taken:
                upscaled = upscale_image(ready.model, image, progress, exact=exact)
            peak_bytes = ready.buffers.peak(peak, upscaled.nbytes, image.pixels.shape[0] * image.pixels.shape[1])
        upscaler, cold = ready.model.upscaler, ready.load_seconds > 0
        planes = passes(job.approach, job.checkpoint, opacity=image.alpha is not None)
        self._learn(job, upscaled.runs, planes, upscaler.backend, contention.share, cold=cold)
        return _Measured(upscaled, upscaler, taken.seconds, taken.cpu_seconds, ready.load_seconds, peak_bytes)

    def _learn(
        self, job: Job, runs: Sequence[MeasuredRun], planes: int, backend: str, waiting: float, *, cold: bool
    ) -> None:
        """Improve the time estimates by the runs of one job.

        Args:
            job: The job.
            runs: Its runs in order.
            planes: Number of times that the method ran in each run: colours, and possibly alpha.
            backend: The backend that ran the network.
            waiting: Share of the time that was spent waiting for a core, which is subtracted.
            cold: Whether the model was loaded for the first run.
        """
        self._estimates.note_contention(waiting)
        for index, run in enumerate(runs):
            work = planes * relative_work(job.approach, job.checkpoint, job.options, run.step)
            seconds = run.seconds * (1 - waiting) / work
            self._estimates.learn(job, run.step.before, seconds, backend=backend, cold=cold and index == 0)


@dataclass(frozen=True)
class _Measured:
    """An upscaled image, the upscaler that computed it, and its cost."""

    upscaled: Upscaled
    upscaler: Upscaler
    seconds: float
    cpu_seconds: float
    load_seconds: float
    peak_bytes: int


def _agreeing(done: _Measured, image: ImageData) -> _Measured:
    """Return the result of a faithful partner after back-projection, including the cost of this correction."""
    with Stopwatch() as taken:
        agreeing = faithful.with_lr_consistency(done.upscaled.image, image)
    return replace(
        done,
        upscaled=replace(done.upscaled, image=agreeing),
        seconds=done.seconds + taken.seconds,
        cpu_seconds=done.cpu_seconds + taken.cpu_seconds,
        peak_bytes=max(done.peak_bytes, 2 * agreeing.rgb.nbytes),
    )


def _blended(done: _Measured, other: _Measured, detail: float | NDArray[np.float32], lr: Image) -> _Measured:
    """Return the result of a generative method with reduced detail, with the costs of both methods.

    Args:
        done: Result of the generative method.
        other: Result of its faithful partner.
        detail: See `blend_detail`.
        lr: (h, w, 3) in [0, 1], the input of both.
    """
    image = done.upscaled.image
    with Stopwatch() as taken:
        rgb = blend_detail(image.rgb, other.upscaled.image.rgb, detail, lr)
    return replace(
        done,
        upscaled=replace(done.upscaled, image=large_results.rounded(replace(image, pixels=rgb)), trajectory=()),
        seconds=done.seconds + other.seconds + taken.seconds,
        cpu_seconds=done.cpu_seconds + other.cpu_seconds + taken.cpu_seconds,
        load_seconds=done.load_seconds + other.load_seconds,
        peak_bytes=max(done.peak_bytes, image.rgb.nbytes + other.peak_bytes + rgb.nbytes),
    )


def _throttled(job: Job, put: Callable[[RunEvent], None]) -> Callable[[float, str], None]:
    """Return a report function that puts at most ten events a second, with the remaining time once it can be estimated."""
    begun, last, noted = time.monotonic(), 0.0, ""

    def report(fraction: float, note: str) -> None:
        nonlocal begun, last, noted
        now = time.monotonic()
        if fraction == 0.0:
            begun = now
        if now - last < _REPORT_SECONDS and note == noted:
            return
        last, noted = now, note
        elapsed = now - begun
        left = elapsed * (1 - fraction) / fraction if fraction > 0.04 and elapsed > 0.4 else None
        put(Progressed(job, fraction, note, left))

    return report


def _check_reference(job: Job, plan: SizePlan, lr: Image, reference: Image | None) -> None:
    """Raise BadInput if the result and the reference differ in size, which happens for methods with a scale option."""
    if reference is not None and reference.shape[:2] != plan.size:
        raise BadInput(
            f"{job.title} is set to {round(plan.factor, 2):g}x, but the original is "
            f"{reference.shape[0] / lr.shape[0]:g} times as large as the input, so the two cannot be compared. "
            "Set the scale to that, or enlarge without a test."
        )
