"""Time, memory and the error of the time estimate by the size of the result.

Each method runs in the backend that is faster on this machine: first small runs, as in the server's warm-up, from which the
estimates learn; then larger and larger images. Estimates are compared with wall time, and with processor time, which on one
thread does not depend on other programs.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from sr_demo.backends.selection import Preparer
from sr_demo.benchmarks.costs import timed
from sr_demo.inference.jobs import Job, LoadedModel
from sr_demo.inference.runner import Runner
from sr_demo.inference.time_estimates import TimeEstimates, record_timing
from sr_demo.system.memory import budget

MEGAPIXELS = (1, 4, 16, 64)
"""Sizes of the result."""
FIRST_SIDE = 96
"""Side in LR pixels of the first image that estimates learn from, as in the server's warm-up."""


@dataclass(frozen=True)
class Measurement:
    """One method at one size."""

    key: str
    megapixels: float
    seconds: float
    """Wall time of the fastest run."""
    processor_seconds: float
    """Processor time of all threads in that run."""
    error: float | None
    """Relative error of the estimate after the small runs, against the first run at this size; +0.3 is 30 % too much."""
    error_processor: float | None
    """The same for processor time."""
    error_again: float | None
    """Relative error of the estimate that has learned from all first runs so far, compared with the median of the later runs;
    None without later runs."""
    peak_memory_mb: float
    budget_mb: float
    """Memory that one tile was allowed to take; the result comes on top."""
    how: str

    @property
    def per_megapixel(self) -> float:
        """Seconds per megapixel of the result."""
        return self.seconds / self.megapixels


def measurements(
    jobs: Sequence[Job], megapixels: Sequence[float] = MEGAPIXELS, rounds: int = 1
) -> Iterator[Measurement]:
    """Measure each method at each size, without metrics. Convertible networks are converted first and stay in the cache.

    Args:
        jobs: The methods.
        megapixels: Sizes of the results.
        rounds: Runs at each size.

    Raises:
        SRError: A method could not be loaded or run.
    """
    for job in jobs:
        with in_its_backend(job) as model:
            for _ in range(2):  # the first run is slower; the server's warm-up does the same
                timed(model, 16)
            by_clock, by_processor, learning = _warmed_up(model, job)
            for size in megapixels:
                side = round((size * 1e6) ** 0.5 / job.scale)
                allowed = budget()
                runs = [timed(model, side) for _ in range(rounds)]
                best = min(runs, key=lambda run: run.clock)
                learning.learn(job, (side, side), runs[0].clock, backend=model.upscaler.backend)
                yield Measurement(
                    key=job.key,
                    megapixels=(side * job.scale) ** 2 / 1e6,
                    seconds=best.clock,
                    processor_seconds=best.processor,
                    error=_error(by_clock, job, side, [runs[0].clock], again=False),
                    error_processor=_error(by_processor, job, side, [runs[0].processor], again=False),
                    error_again=_error(learning, job, side, [run.clock for run in runs[1:]], again=True),
                    peak_memory_mb=max(run.peak_bytes for run in runs) / 1e6,
                    budget_mb=allowed / 1e6,
                    how=best.how,
                )


@contextmanager
def in_its_backend(job: Job) -> Generator[LoadedModel]:
    """Load the method in the backend that is faster on this machine; convert its network first if possible."""
    preparer = Preparer()
    runner = Runner(preparer=preparer)
    runner.warm(job)
    preparer.wait()
    with runner.loaded(job) as model:
        yield model


def _warmed_up(model: LoadedModel, job: Job) -> tuple[TimeEstimates, TimeEstimates, TimeEstimates]:
    """Return estimates learned at 96 x 96: of wall time, of processor time, and of wall time to learn further from."""
    by_clock, by_processor, learning = TimeEstimates(), TimeEstimates(), TimeEstimates()
    size, backend = (FIRST_SIDE, FIRST_SIDE), model.upscaler.backend

    def run() -> float:
        small = timed(model, FIRST_SIDE)
        by_clock.learn(job, size, small.clock, backend=backend)
        by_processor.learn(job, size, small.processor, backend=backend)
        learning.learn(job, size, small.clock, backend=backend)
        return small.clock

    record_timing(run)
    return by_clock, by_processor, learning


def _error(estimates: TimeEstimates, job: Job, side: int, taken: Sequence[float], *, again: bool) -> float | None:
    """Return the relative error of the estimate, compared with the median of the measured seconds; None without any."""
    return estimates.seconds(job, (side, side), again=again) / median(taken) - 1 if taken else None
