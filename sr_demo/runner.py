"""Running approaches: fetch, load, tile, guarantee, measure.

`Runner.run` does one job and returns its result; `Runner.compare` does several, one after the other, and yields what
happens as it happens. One failing approach never hides the others. All computing goes through one lane: two torch jobs at
once on two cores are five to ten times slower each.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from queue import SimpleQueue
from threading import Event, Lock, Thread

import numpy as np

from sr_demo import memory, tiling, weights
from sr_demo.errors import BadInput, Cancelled, OutOfMemory, SRError, unexpected
from sr_demo.estimates import Estimates
from sr_demo.image import Image, Picture, readonly
from sr_demo.metrics import Scores, score
from sr_demo.options import Options, as_dict
from sr_demo.progress import SILENT, Progress
from sr_demo.resize import resize
from sr_demo.spec import Approach, Checkpoint, Precision, Request, Tiling, Upscaler

_KEPT_WEIGHT_BYTES = 600 * 2**20
"""Loaded approaches are kept, least recently used dropped first, up to this much of weight files."""
_MEMORY_SHARE, _MEMORY_CAP = 0.4, 2 * 2**30
"""Working memory of one tile: at most this share of what is free, and at most this many bytes."""


@dataclass(frozen=True)
class Job:
    """One approach to run, with everything that was chosen for it."""

    approach: Approach
    checkpoint: Checkpoint
    options: Options
    precision: Precision = "auto"

    @property
    def key(self) -> str:
        """`rdn` or `rdn:mse`: how the job is named in events, files and tables."""
        default = self.approach.checkpoints[0].name
        return self.approach.id if self.checkpoint.name == default else f"{self.approach.id}:{self.checkpoint.name}"

    @property
    def scale(self) -> float:
        """How many times larger the result is."""
        return self.approach.scale_with(self.options)

    @property
    def title(self) -> str:
        """The name people read."""
        default = self.approach.checkpoints[0].name
        return self.approach.title + ("" if self.checkpoint.name == default else f" ({self.checkpoint.title})")


@dataclass(frozen=True)
class Result:
    """A finished picture and what it cost. Everything that changes the numbers is recorded with them."""

    job: Job
    picture: Picture
    """`scale` times the size of the input; alpha, gray, depth and profile as in the input."""
    scores: Scores
    seconds: float
    """Time to enlarge, without loading."""
    load_seconds: float
    """Time to fetch and load; 0 when it was loaded already."""
    peak_memory_mb: float
    """Growth of the resident set while enlarging, over the process before it, in MB (10^6 bytes)."""
    precision: str
    tile: int
    """Side of the tiles in LR pixels, halo not counted; 0 when the picture went through in one piece."""
    tiles: int
    halo: int
    cpu_seconds: float = 0.0
    """Processor time of all threads while enlarging."""


@dataclass(frozen=True)
class Started:
    job: Job


@dataclass(frozen=True)
class Working:
    job: Job
    fraction: float
    """0..1 of what `note` names: downloading, loading and enlarging each count from 0."""
    note: str
    seconds_left: float | None


@dataclass(frozen=True)
class Done:
    job: Job
    result: Result


@dataclass(frozen=True)
class Failed:
    job: Job
    message: str
    """A sentence for the person."""


@dataclass(frozen=True)
class Stopped:
    job: Job


Happening = Started | Working | Done | Failed | Stopped


class Runner:
    """Keeps loaded approaches and runs jobs, one at a time."""

    def __init__(self, estimates: Estimates | None = None) -> None:
        self._estimates = estimates or Estimates()
        self._loaded: OrderedDict[tuple[object, ...], tuple[Upscaler, int]] = OrderedDict()
        self._lane = Lock()

    @property
    def estimates(self) -> Estimates:
        """What runs on this machine were measured to take."""
        return self._estimates

    def compare(
        self, jobs: Sequence[Job], picture: Picture, truth: Image | None = None, stop: Event | None = None
    ) -> Iterator[Happening]:
        """Run `jobs` on `picture` in order; yield each happening. `truth` (if any) is what the results should be.

        After Stop, the running job and those not begun yield Stopped. Closing the iterator stops the work.
        """
        stop = stop or Event()
        happenings: SimpleQueue[Happening | None] = SimpleQueue()

        def work() -> None:
            try:
                for job in jobs:
                    happenings.put(Started(job))
                    happenings.put(self._outcome(job, picture, truth, _throttled(job, happenings.put), stop))
            finally:
                happenings.put(None)

        Thread(target=work, name="compare", daemon=True).start()
        try:
            while (happening := happenings.get()) is not None:
                yield happening
        finally:
            stop.set()

    def _outcome(
        self, job: Job, picture: Picture, truth: Image | None, report: Callable[[float, str], None], stop: Event
    ) -> Happening:
        """Run one job and turn whatever comes of it into a happening."""
        try:
            return self.attempt(job, picture, truth, Progress(report, stop))
        except Cancelled:
            return Stopped(job)

    def attempt(
        self, job: Job, picture: Picture, truth: Image | None = None, progress: Progress = SILENT
    ) -> Done | Failed:
        """`run`, with what goes wrong turned into a sentence. Raises only Cancelled."""
        try:
            return Done(job, self.run(job, picture, truth, progress))
        except Cancelled:
            raise
        except SRError as exc:
            return Failed(job, str(exc))
        except Exception as exc:
            return Failed(job, unexpected(exc, f"running {job.key}"))

    def run(self, job: Job, picture: Picture, truth: Image | None = None, progress: Progress = SILENT) -> Result:
        """Enlarge `picture` with one approach. Raises SRError, or Cancelled."""
        progress.check()
        _check_truth(job, picture.rgb, truth)
        fetch_seconds = self._fetch(job, progress)
        while not self._lane.acquire(timeout=0.2):
            progress.check()
        try:
            begun = time.perf_counter()
            upscaler, fresh = self._load(job, progress)
            load_seconds = fetch_seconds + time.perf_counter() - begun if fresh else 0.0
            with memory.PeakMemory() as peak:
                begun, cpu_begun = time.perf_counter(), time.process_time()
                enlarged, side, tiles = _enlarge(job, upscaler, picture, progress)
                seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu_begun
        except MemoryError as exc:  # of the result itself, whatever the tiles
            raise OutOfMemory from exc
        finally:
            self._lane.release()
        self._estimates.learn(job.key, picture.rgb.shape[0] * picture.rgb.shape[1], seconds)
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
        )

    def warm(self, job: Job, progress: Progress = SILENT) -> None:
        """Load an approach ahead of its first use, in the lane; raises what loading raises."""
        self._fetch(job, progress)
        with self._lane:
            self._load(job, progress)

    def _fetch(self, job: Job, progress: Progress) -> float:
        """Bring the files here; returns the seconds it took. Outside the lane: a download keeps nobody from computing."""
        if _identity(job) in self._loaded:
            return 0.0
        begun = time.perf_counter()
        weights.fetch(job.checkpoint, progress)
        return time.perf_counter() - begun

    def _load(self, job: Job, progress: Progress) -> tuple[Upscaler, bool]:
        """The loaded approach, and whether it had to be loaded now."""
        key = _identity(job)
        if key in self._loaded:
            self._loaded.move_to_end(key)
            return self._loaded[key][0], False
        files = weights.fetch(job.checkpoint, progress)
        progress(0.0, "loading")
        upscaler = job.approach.load(Request(job.checkpoint, files, job.options, job.precision, progress))
        self._loaded[key] = (upscaler, job.checkpoint.bytes)
        while len(self._loaded) > 1 and sum(size for _, size in self._loaded.values()) > _KEPT_WEIGHT_BYTES:
            self._loaded.popitem(last=False)
        return upscaler, True


def _identity(job: Job) -> tuple[object, ...]:
    """What must be equal for a loaded approach to serve another job."""
    wanted = as_dict(job.options)
    choices = tuple(wanted[name] for name in job.approach.load_options)
    return (job.approach.id, job.approach.load, job.checkpoint, job.precision, choices)


def _throttled(job: Job, put: Callable[[Happening], None]) -> Callable[[float, str], None]:
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
        put(Working(job, fraction, note, left))

    return report


def _enlarge(job: Job, upscaler: Upscaler, picture: Picture, progress: Progress) -> tuple[Picture, int, int]:
    """The whole picture: colours, and alpha apart. Returns it with the tile side and the number of tiles."""
    own_alpha = picture.alpha is not None and not job.approach.invents_with(job.checkpoint)
    rgb, side, tiles = _guaranteed(job, upscaler, picture.rgb, progress.part(0, 0.5) if own_alpha else progress)
    if picture.gray:
        rgb = readonly(np.repeat(rgb.mean(axis=2, keepdims=True, dtype=np.float32), 3, axis=2))
    alpha = picture.alpha
    if alpha is not None and own_alpha:
        stacked = readonly(np.repeat(alpha[..., None], 3, axis=2))
        drawn = _guaranteed(job, upscaler, stacked, progress.part(0.5, 1))[0].mean(axis=2, dtype=np.float32)
        # Networks are off by a few thousandths; what is opaque must stay so, and what is invisible too.
        plain = resize(alpha, rgb.shape[:2])
        alpha = readonly(np.where((plain == 0) | (plain == 1), plain, drawn))
    elif alpha is not None:
        # An opacity mask must not be invented: generative methods leave it to the plain kernel.
        alpha = resize(alpha, rgb.shape[:2])
    return replace(picture, rgb=rgb, alpha=alpha), side, tiles


def _guaranteed(job: Job, upscaler: Upscaler, image: Image, progress: Progress) -> tuple[Image, int, int]:
    """`upscale` as the contract promises it: tiled as declared, exact size, float32 in [0, 1], finite, read-only.

    Out of memory: plan again with tiles of half the side and start over, down to the smallest.
    """
    rule = job.approach.tiling_of(job.checkpoint)

    def upscale(part: Image, part_progress: Progress) -> Image:
        try:
            return _checked(upscaler.upscale(part, job.options, part_progress), part, job)
        except MemoryError as exc:
            raise OutOfMemory from exc

    if rule.mode != "tiles":
        progress(0.0)
        result = upscale(image, progress)
        progress(1.0)
        return result, 0, 1
    side = tiling.side_for(rule, job.checkpoint.bytes_per_pixel, _budget())
    while True:
        tiles = _plan(image, rule, side)
        try:
            return tiling.run(image, tiles, job.approach.scale, rule.blend, upscale, progress), side, len(tiles)
        except OutOfMemory:
            # Halving a side that is longer than the picture would try the same plan again.
            side = min(side, max(image.shape[:2]))
            if side <= tiling.SMALLEST:
                raise
            side = max(side // 2 // rule.multiple_of * rule.multiple_of, tiling.SMALLEST)


def _plan(image: Image, rule: Tiling, side: int) -> tuple[tiling.Tile, ...]:
    return tiling.plan(image.shape[0], image.shape[1], rule, side)


def _budget() -> int:
    return min(int(memory.available_bytes() * _MEMORY_SHARE), _MEMORY_CAP)


def _check_truth(job: Job, small: Image, truth: Image | None) -> None:
    """Raise BadInput where the result could not be compared with the truth: for methods whose scale can be chosen."""
    expected = job.approach.size_with(job.options, *small.shape[:2])
    if truth is not None and truth.shape[:2] != expected:
        raise BadInput(
            f"{job.title} was asked for {job.scale:g}x, and the true picture is {truth.shape[0] / small.shape[0]:g} times "
            "as large as the input: the two cannot be compared. Set the scale to that, or enlarge without a test."
        )


def _checked(result: Image, source: Image, job: Job) -> Image:
    """`result` within [0, 1] and read-only; anything else that is against the contract is a bug of the approach."""
    approach = job.approach
    expected = (*approach.size_with(job.options, *source.shape[:2]), 3)
    assert result.shape == expected, f"{approach.id} returned {result.shape}, not {expected}"
    assert result.dtype == np.float32, f"{approach.id} returned {result.dtype}"
    low, high = float(result.min()), float(result.max())
    assert isfinite(low) and isfinite(high), f"{approach.id} returned values that are not numbers"
    return readonly(result if low >= 0 and high <= 1 else np.clip(result, 0, 1))


def job_for(
    approaches: Sequence[Approach], name: str, values: dict[str, object] | None = None, precision: Precision = "auto"
) -> Job:
    """The job for `ID` or `ID:CHECKPOINT`. Raises BadInput on an unknown name, checkpoint or option."""
    from sr_demo.options import build

    identifier, _, checkpoint = name.partition(":")
    for approach in approaches:
        if approach.id == identifier:
            options = build(approach.options, values or {})
            return Job(approach, approach.checkpoint(checkpoint or None), options, precision)
    raise BadInput(f"There is no approach {identifier!r}. There are: {', '.join(a.id for a in approaches)}.")
