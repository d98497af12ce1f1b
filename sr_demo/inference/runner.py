"""Running approaches: fetch, load, tile, guarantee, measure.

`Runner.run` does one job and returns its result; `Runner.compare` does several, one after the other, and yields what
happens as it happens. One failing approach never hides the others. All computing goes through one lane: two torch jobs at
once on two cores are five to ten times slower each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock, Thread

from sr_demo.backends import selection
from sr_demo.errors import BadInput, Cancelled, OutOfMemory, SRError, unexpected
from sr_demo.hub import checkpoints
from sr_demo.image import Image, ImageData
from sr_demo.inference import int8, memory_need
from sr_demo.inference.jobs import (
    Done,
    Failed,
    Job,
    Progressed,
    Result,
    RunEvent,
    Started,
    Stopped,
    engine_identity,
    load_approach,
    load_identity,
)
from sr_demo.inference.model_cache import ModelCache, footprint
from sr_demo.inference.time_estimates import Estimates
from sr_demo.inference.upscale import Method, enlarge, passes
from sr_demo.metrics.scores import score
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Upscaler
from sr_demo.system import hardware, memory

_PATIENCE = 2.0
"""Seconds without anybody waiting for a result after which work in the background may go on."""


class Runner:
    """Keeps loaded approaches and runs jobs, one at a time."""

    def __init__(self, estimates: Estimates | None = None, preparer: selection.Preparer | None = None) -> None:
        """With a `preparer`, networks are converted for a faster engine in the background, once they were used."""
        self._estimates = estimates or Estimates()
        self._preparer = preparer
        self._kept = ModelCache()
        self._lane = Lock()
        self._counting = Lock()
        self._waiting = 0
        self._last_waited = float("-inf")

    @property
    def estimates(self) -> Estimates:
        """What runs on this machine were measured to take."""
        return self._estimates

    def compare(
        self, jobs: Sequence[Job], picture: ImageData, truth: Image | None = None, stop: Event | None = None,
        deadline: float | None = None,
    ) -> Iterator[RunEvent]:  # fmt: skip
        """Run `jobs` on `picture` in order; yield each happening. `truth` (if any) is what the results should be.

        Jobs that still run at the `deadline` (by `time.monotonic`) fail. After Stop, the running job and those not begun
        yield Stopped. Closing the iterator stops the work.
        """
        stop = stop or Event()
        events: SimpleQueue[RunEvent | None] = SimpleQueue()

        def work() -> None:
            try:
                for job in jobs:
                    events.put(Started(job))
                    progress = Progress(_throttled(job, events.put), stop, deadline=deadline)
                    events.put(self._outcome(job, picture, truth, progress))
            finally:
                events.put(None)

        Thread(target=work, name="compare", daemon=True).start()
        try:
            while (event := events.get()) is not None:
                yield event
        except BaseException:  # closed before the end
            stop.set()
            raise

    def _outcome(self, job: Job, picture: ImageData, truth: Image | None, progress: Progress) -> RunEvent:
        """Run one job and turn whatever comes of it into a happening."""
        try:
            return self.attempt(job, picture, truth, progress)
        except Cancelled:
            return Stopped(job)

    def attempt(
        self, job: Job, picture: ImageData, truth: Image | None = None, progress: Progress = SILENT
    ) -> Done | Failed:
        """`run`, with what goes wrong turned into a sentence. Raises only Cancelled."""
        with self._somebody_waits():
            return self._attempt(job, picture, truth, progress)

    def attempt_unhurried(self, job: Job, picture: ImageData) -> Done | Failed:
        """`attempt`, for nobody in particular: begun once nobody has waited for a result for two seconds."""
        self.make_way()
        return self._attempt(job, picture, None, SILENT)

    def make_way(self) -> None:
        """Return once nobody has waited for a result for two seconds."""
        while self._waiting or time.monotonic() - self._last_waited < _PATIENCE:
            time.sleep(0.1)

    @contextmanager
    def _somebody_waits(self) -> Generator[None]:
        with self._counting:
            self._waiting += 1
        try:
            yield
        finally:
            with self._counting:
                self._waiting -= 1
                self._last_waited = time.monotonic()

    def _attempt(self, job: Job, picture: ImageData, truth: Image | None, progress: Progress) -> Done | Failed:
        try:
            return Done(job, self._run(job, picture, truth, progress))
        except Cancelled:
            raise
        except SRError as exc:
            return Failed(job, str(exc))
        except Exception as exc:
            return Failed(job, unexpected(exc, f"running {job.key}"))

    def run(self, job: Job, picture: ImageData, truth: Image | None = None, progress: Progress = SILENT) -> Result:
        """Enlarge `picture` with one approach. Raises SRError, or Cancelled."""
        with self._somebody_waits():
            return self._run(job, picture, truth, progress)

    def _run(self, job: Job, picture: ImageData, truth: Image | None, progress: Progress) -> Result:
        progress.check()
        _check_truth(job, picture.rgb, truth)
        memory_need.check(memory_need.traits_of(job.approach, job.checkpoint, job.options, picture), picture)
        seen: list[object] = []
        try:
            with self._ready(job, progress) as (upscaler, load_seconds), memory.PeakMemory() as peak:
                begun, cpu_begun = time.perf_counter(), time.process_time()
                method = Method(job.approach, job.checkpoint, job.options, upscaler)
                enlarged, side, tiles = enlarge(method, picture, progress.watched_by(seen.append))
                seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu_begun
        except MemoryError as exc:  # of the result itself, whatever the tiles
            raise OutOfMemory from exc
        engine = getattr(upscaler, "backend", "")
        runs = passes(job.approach, job.checkpoint, opacity=picture.alpha is not None)
        self._estimates.learn(job, picture.rgb.shape[:2], seconds / runs, engine=engine, cold=load_seconds > 0)
        return Result(
            job=job,
            picture=enlarged,
            scores=score(enlarged.rgb, picture.rgb, truth, round(job.scale)),
            seconds=seconds,
            load_seconds=load_seconds,
            peak_memory_mb=peak.bytes / 1e6,
            precision=upscaler.precision,
            tile=side if tiles > 1 else 0,
            tiles=tiles,
            halo=job.approach.tiling_of(job.checkpoint).halo if tiles > 1 else 0,
            cpu_seconds=cpu_seconds,
            engine=engine,
            loss_db=getattr(upscaler, "loss_db", None),
            seen=tuple(seen),
        )

    def warm(self, job: Job, progress: Progress = SILENT) -> None:
        """Load an approach ahead of its first use, in the lane; raises what loading raises."""
        with self._ready(job, progress):
            pass

    @contextmanager
    def loaded(self, job: Job, progress: Progress = SILENT) -> Generator[Upscaler]:
        """The loaded approach, with the lane held: for a look inside it that `run` does not give. Raises Cancelled too."""
        with self._somebody_waits(), self._ready(job, progress) as (upscaler, _):
            yield upscaler

    def fetch(self, job: Job, progress: Progress = SILENT) -> tuple[Path, ...] | None:
        """The local files of `job`, downloaded where they are missing; None where it is loaded already.

        Takes no lane, so that a download keeps nobody from computing. Raises SRError or Cancelled.
        """
        if load_identity(job) in self._kept:
            return None
        hardware.check(job.approach.title, job.checkpoint.needs)
        files = checkpoints.fetch(job.checkpoint, progress, job.download)
        if job.approach.fetch is not None:
            job.approach.fetch(progress)
        return files

    @contextmanager
    def _ready(self, job: Job, progress: Progress) -> Generator[tuple[Upscaler, float]]:
        """The lane, with the approach loaded, and the seconds that fetching and loading took: 0 where it was loaded."""
        key = load_identity(job)
        while True:
            begun = time.perf_counter()
            files = self.fetch(job, progress)
            fetch_seconds = time.perf_counter() - begun
            while not self._lane.acquire(timeout=0.2):
                progress.check()
            try:
                begun = time.perf_counter()
                upscaler = self._kept.use(key)
                if upscaler is not None:
                    yield upscaler, 0.0
                    return
                if files is not None:
                    upscaler = self._load(job, files, progress)
                    yield upscaler, fetch_seconds + time.perf_counter() - begun
                    return
                # It was dropped while this waited for the lane: its files are looked for again, outside of it.
            finally:
                self._lane.release()

    def _load(self, job: Job, files: tuple[Path, ...], progress: Progress) -> Upscaler:
        """Load the approach from its verified `files`, and keep it."""
        key = load_identity(job)
        progress(0.0, "loading")
        which = engine_identity(job)
        if job.precision == "int8":
            upscaler = int8.load(job, files, progress)
        else:
            upscaler = selection.open_stored(which) if which else None
        if upscaler is None:
            upscaler = load_approach(job, files, progress)
            if which and self._preparer:
                self._preparer.begin(
                    which,
                    upscaler,
                    lambda: load_approach(replace(job, precision="fp32"), files, SILENT),
                    self._lane,
                    lambda verdict: self._prepared(job, verdict),
                )
        self._kept.keep(key, upscaler, footprint(job.checkpoint))
        return upscaler

    def _prepared(self, job: Job, verdict: selection.Verdict) -> None:
        """A faster engine is ready: the next run opens it, and the price is its own."""
        if verdict.backend != "torch":
            with self._lane:
                self._kept.drop(load_identity(job))
            size = (selection.SIDE, selection.SIDE)
            self._estimates.learn(job, size, verdict.seconds_openvino, engine=verdict.backend, anew=True)


def _throttled(job: Job, put: Callable[[RunEvent], None]) -> Callable[[float, str], None]:
    """Reports at most ten times a second, with the time left once enough is known to tell."""
    begun, last, noted = time.monotonic(), 0.0, ""

    def report(fraction: float, note: str) -> None:
        nonlocal begun, last, noted
        now = time.monotonic()
        if fraction == 0.0 and note in ("loading", ""):
            begun = now
        if now - last < 0.1 and note == noted:
            return
        last, noted = now, note
        elapsed = now - begun
        left = elapsed * (1 - fraction) / fraction if fraction > 0.04 and elapsed > 0.4 else None
        put(Progressed(job, fraction, note, left))

    return report


def _check_truth(job: Job, small: Image, truth: Image | None) -> None:
    """Raise BadInput where the result could not be compared with the truth: for methods whose scale can be chosen."""
    expected = job.approach.size_with(job.options, *small.shape[:2])
    if truth is not None and truth.shape[:2] != expected:
        raise BadInput(
            f"{job.title} was asked for {job.scale:g}x, and the true picture is {truth.shape[0] / small.shape[0]:g} times "
            "as large as the input: the two cannot be compared. Set the scale to that, or enlarge without a test."
        )
