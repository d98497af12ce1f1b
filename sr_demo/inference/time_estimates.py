"""Time estimates: the expected seconds of a job on this hardware, before it runs.

The shape of the curve comes from the card: seconds at a few sizes, of first and later runs, with each backend
(`Checkpoint.timings`), summed over the tiles of an image, halo included. The level comes from this hardware: each run gives
the ratio of its seconds to those of the card. Methods that never ran here use the median factor of those that did. Factors
are stored per size, since the curve may have a different shape on other hardware (`timing_store`).
"""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isclose, log2
from pathlib import Path
from statistics import median
from threading import Lock

from sr_demo.backends import shipped_int8
from sr_demo.image import Size as ImageSize
from sr_demo.imaging import tiling
from sr_demo.inference import faithful, timing_store
from sr_demo.inference.jobs import Job
from sr_demo.inference.size_plan import relative_work
from sr_demo.inference.timing_store import Factors
from sr_demo.system import hardware, memory
from sr_demo.system.contention import BUSY
from sr_demo.timing import Timing, plain

Size = tuple[int, int]
"""Height and width in LR pixels."""

_CPU, _GPU = "operations", "operations on a GPU"
_ASSUMED = {_CPU: 4e11, _GPU: 4e13}
"""Assumed FLOP/s without measurements: a little over fp32 on two AVX-512 cores; for methods that need a GPU, a fair part of
the 16-bit rate of a recent GPU."""
_LEAST_FLOPS = 1e4
"""Lower bound of operations per LR pixel, since copying alone takes as long; it also applies if none are declared."""
_MOST_THREADS = 4
"""Number of threads above which estimates do not fall further."""
_FLOOR_SECONDS = 0.01
_RESAMPLING_SECONDS = 3e-8
"""Seconds of resampling per pixel of the larger image."""
_WEIGHT_OF_SLOWER = 0.5
"""Weight of a slower measurement, since other programs may have disturbed it; a faster one counts in full."""
_ENOUGH_PIXELS = 64 * 64
"""Pixels below which runs are not learned from, since they measure overhead rather than the network."""
_BRIEF_SECONDS = 0.1
"""Seconds below which a run is repeated more often, since a time slice of another program makes it half as long again."""
_BUSY_SECONDS = 120.0
"""Seconds for which `is_busy` holds after a run that had to share the processor."""
_FEWEST_RUNS, _MOST_RUNS = 2, 6
_MOST_KEYS = 500
"""Largest number of timing keys, of which the latest are kept. Each combination of options has a key."""


@dataclass(frozen=True)
class _Work:
    """The tiles that are computed for one image."""

    tiles: Counter[Size]
    """Number of tiles by size, halo included; one tile for an image that is not cut."""

    @property
    def size_class(self) -> int:
        """See `Factors.factors`."""
        return round(log2(sum(count * height * width for (height, width), count in self.tiles.items())) / 2)

    @property
    def largest(self) -> int:
        """LR pixels of the largest tile."""
        return max(height * width for height, width in self.tiles)

    def seconds(self, timing: Timing, factor: float, *, again: bool) -> float:
        """Return the seconds of the work if the network takes `factor` times the card's seconds."""
        later, new = self._parts(timing, again)
        return factor * later + min(factor, 1.0) * new

    def factor(self, timing: Timing, seconds: float, *, again: bool) -> float:
        """Return the factor with which the work takes `seconds`; the inverse of the method `seconds`."""
        later, new = self._parts(timing, again)
        return (seconds - new) / later if seconds > later + new else seconds / (later + new)

    def _parts(self, timing: Timing, again: bool) -> tuple[float, float]:
        """Return the card's seconds, and the seconds that are added if a tile of the largest size runs for the first time.

        The latter prepare kernels and memory rather than compute, so that they do not grow if the network is slower.
        """
        later = sum(count * timing.seconds(h * w, again=True) for (h, w), count in self.tiles.items())
        new = 0.0 if again else timing.seconds(self.largest, again=False) - timing.seconds(self.largest, again=True)
        return later, new


class TimeEstimates:
    """Time estimates that improve with every run. Thread-safe."""

    def __init__(self, file: Path | None = None) -> None:
        """Create estimates; with a `file`, measurements are stored there between processes."""
        self._file = file
        self._lock = Lock()
        self._learned: dict[str, dict[str, Factors]] = timing_store.read(file) if file else {}
        self._largest: dict[str, int] = {}
        """LR pixels of the largest tile computed since the model was loaded, by timing key."""
        self._unwritten: set[str] = set()
        """Timing keys of users' files, which are not written, so that the file does not reveal removed ones."""
        self._busy = -inf
        """Time of `time.monotonic` at which a run last had to share the processor."""

    def note_contention(self, share: float) -> None:
        """Record the share of its time that a run has waited for a core."""
        self._busy = time.monotonic() if share > BUSY else -inf

    @property
    def is_busy(self) -> bool:
        """Whether a recent last run had to share the processor, so that others may take longer than estimated."""
        return time.monotonic() - self._busy < _BUSY_SECONDS

    def seconds(self, job: Job, size: Size, *, again: bool | None = None) -> float:
        """Return the expected seconds of upscaling, without loading.

        Args:
            job: The job; combinations of options that never ran are estimated like the defaults.
            size: Height and width of the input in LR pixels.
            again: Whether tiles of this size were computed before; None if that is to be looked up.

        Returns:
            The seconds of all steps of the size plan, and of the faithful partner if the job has one.

        Raises:
            BadInput: The requested size is out of range for this input.
        """
        other = faithful.partner(job)
        plan = job.plan(ImageSize(*size))
        resampled = sum(max(s.before.height * s.before.width, s.after.height * s.after.width) for s in plan.resamplings)
        total = _RESAMPLING_SECONDS * resampled + sum(
            self._run_seconds(job, run.before, again) * relative_work(job.approach, job.checkpoint, job.options, run)
            for run in plan.runs
        )
        return max(total, _FLOOR_SECONDS) + (self.seconds(other, size, again=again) if other is not None else 0)

    def _run_seconds(self, job: Job, size: Size, again: bool | None) -> float:
        """Return the expected seconds of one run at the method's own scale."""
        work = _work(job, size)
        with self._lock:
            if again is None:
                again = work.largest <= self._largest.get(job.timing_key, 0)
            timing, factor = self._level(job, work.size_class)
        return work.seconds(timing, factor, again=again)

    def learn(
        self, job: Job, size: Size, seconds: float, *, backend: str = "", cold: bool = False, anew: bool = False
    ) -> None:
        """Learn from one measured run.

        Args:
            job: The job.
            size: Height and width of the input in LR pixels.
            seconds: Seconds of one run of the method at its own scale.
            backend: The backend that ran the network.
            cold: Whether the model was loaded for this run, which makes it slower.
            anew: Whether `seconds` is the minimum of several runs and replaces earlier runs with this backend.
        """
        with self._lock:
            work, before = _work(job, size), 0 if cold else self._largest.get(job.timing_key, 0)
            again = anew or work.largest <= before
            self._largest[job.timing_key] = 0 if anew else max(work.largest, before)  # `anew`: another backend follows
            if size[0] * size[1] < _ENOUGH_PIXELS:
                return
            timing = _timing(job, backend)
            known = None if anew else self._valid(job.timing_key, backend, timing)
            new = work.factor(timing, seconds, again=again)
            if known and new > (old := known.at(work.size_class)):
                new = old if cold else old + _WEIGHT_OF_SLOWER * (new - old)
            factors = {**(known.factors if known else {}), work.size_class: new}
            backends = self._learned.pop(job.timing_key, {})  # reinserted, so that the latest job and backend are last
            backends.pop(backend, None)
            backends[backend] = Factors(timing.backend, _reference(timing), factors)
            self._learned[job.timing_key] = backends
            for known in (self._learned, self._largest):
                for key in list(known)[:-_MOST_KEYS]:
                    del known[key]
            if job.checkpoint.is_file_of_user:
                self._unwritten.add(job.timing_key)
            self._unwritten.intersection_update(self._learned)
            if self._file:
                written = {key: value for key, value in self._learned.items() if key not in self._unwritten}
                timing_store.write(self._file, written)

    def _level(self, job: Job, size_class: int) -> tuple[Timing, float]:
        """Return the card's timing for the backend that ran last, and the factor measured here."""
        for key in (job.timing_key, job.key):
            for backend in reversed(list(self._learned.get(key, {}))):
                timing = _timing(job, backend)
                learned = self._valid(key, backend, timing)
                if learned:
                    return timing, learned.at(size_class)
        timing = _timing(job, "torch" if shipped_int8.by_default(job.identity) is None else "OpenVINO")
        return timing, self._of_others(timing.backend, size_class)

    def _valid(self, key: str, backend: str, timing: Timing) -> Factors | None:
        """Return the factors of a job with one backend; drop them if the card has changed since."""
        learned = self._learned.get(key, {}).get(backend)
        if learned and not isclose(learned.reference, _reference(timing), rel_tol=1e-6):
            del self._learned[key][backend]
            return None
        return learned

    def _of_others(self, kind: str, size_class: int) -> float:
        """Return the median factor of other jobs with the same kind of backend, else with any; 1 if there are none."""
        default = [
            learned for key, backends in self._learned.items() if " " not in key for learned in backends.values()
        ]
        same = [learned for learned in default if learned.kind == kind]
        if kind not in _ASSUMED:
            same = same or [learned for learned in default if learned.kind not in _ASSUMED]
        return median([learned.at(size_class) for learned in same] or [1.0])


def _work(job: Job, size: Size) -> _Work:
    """Return the tiles that an image is cut into with the currently free memory."""
    rule = job.approach.tiling_of(job.checkpoint)
    if rule.mode != "tiles":
        return _Work(Counter([size]))
    plan = tiling.plan_tiles(rule, job.checkpoint.bytes_per_pixel, _tile_budget(job), size)
    rows, columns = (Counter(span.high - span.low for span in spans) for spans in (plan.rows, plan.columns))
    return _Work(Counter({(h, w): rows[h] * columns[w] for h in rows for w in columns}))


def _tile_budget(job: Job) -> int:
    """Return the bytes that one batch of tiles of `job` may take: on the GPU if there is one, else in RAM."""
    if job.checkpoint.parameters and job.checkpoint.needs is None and hardware.gpu_bytes():
        from sr_demo.backends import torch_backend

        return torch_backend.budget(torch_backend.device())
    return memory.budget()


def _timing(job: Job, backend: str) -> Timing:
    """Return the card's timing for `backend`, else for another backend, scaled to the number of threads.

    If the card has none, use that of another checkpoint of the approach, scaled by FLOPs; else FLOPs at an assumed rate.
    """
    checkpoint = job.checkpoint
    for other in (checkpoint, *job.approach.checkpoints):
        if other.timings and (other is checkpoint or (other.flops_per_pixel and checkpoint.flops_per_pixel)):
            timing = next((t for t in other.timings if t.backend == backend), other.timings[0])
            ratio = 1.0 if other is checkpoint else checkpoint.flops_per_pixel / other.flops_per_pixel
            return timing.scaled(ratio * (timing.threads / threads() if timing.threads else 1.0))
    kind = _CPU if checkpoint.needs is None else _GPU
    return plain(kind, max(checkpoint.flops_per_pixel, _LEAST_FLOPS) / _ASSUMED[kind])


def _reference(timing: Timing) -> float:
    return timing.seconds(256 * 256, again=True)


def record_timing(run: Callable[[], float | None]) -> None:
    """Run a method at one size until its time estimate has settled.

    The first run is the slowest. Brief runs are repeated more often, since they are easily disturbed.

    Args:
        run: Runs the method once and returns its seconds; None if it failed, which ends the measurement.
    """
    for count in itertools.count(1):
        seconds = run()
        if seconds is None or count >= (_FEWEST_RUNS if seconds > _BRIEF_SECONDS else _MOST_RUNS):
            return


def threads() -> int:
    """Return the number of threads that a network is assumed to use efficiently."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    here = int(limit) if limit.isdecimal() and int(limit) else os.cpu_count() or 1
    return min(here, _MOST_THREADS)
