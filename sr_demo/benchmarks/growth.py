"""How time, memory and the truth of estimates change with the size of the picture.

For each method, in the engine that is the faster one here: first small runs, as in the server's warm-up, from which the
machine learns its price; then larger and larger pictures, each with what was expected, what it took, and how much memory
grew. Estimates are checked by the clock, and by processor time, which on one thread holds beside other programs too.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from sr_demo.backends.selection import Preparer
from sr_demo.benchmarks.costs import timed
from sr_demo.inference.jobs import Job
from sr_demo.inference.runner import Runner
from sr_demo.inference.time_estimates import Estimates, record_timing
from sr_demo.inference.upscale import Method, budget
from sr_demo.spec import Upscaler

MEGAPIXELS = (1, 4, 16, 64)
"""Of the result."""
FIRST_SIDE = 96
"""The side of the picture in LR pixels that estimates are learned from: that of the server's warm-up."""


@dataclass(frozen=True)
class Grown:
    """One method at one size."""

    key: str
    megapixels: float
    seconds: float
    """The fastest run."""
    processor_seconds: float
    """Of all threads in that run."""
    off: float | None
    """How far the estimate after small runs was from the first run at this size: +0.3 expected 30 % too much."""
    off_processor: float | None
    """The same in processor time."""
    off_again: float | None
    """How far what the page would say then, having learned from all first runs so far, was from the middle later run, by
    the clock; None where there was none."""
    peak_memory_mb: float
    budget_mb: float
    """What one tile was allowed to take; the result itself comes on top."""
    how: str

    @property
    def per_megapixel(self) -> float:
        """Seconds per megapixel of the result."""
        return self.seconds / self.megapixels


def grown(jobs: Sequence[Job], megapixels: Sequence[float] = MEGAPIXELS, rounds: int = 1) -> Iterator[Grown]:
    """Each job at each size. Metrics are not counted. What can be converted is converted first, and kept. Raises SRError."""
    for job in jobs:
        with in_its_engine(job) as upscaler:
            method = Method(job.approach, job.checkpoint, job.options, upscaler)
            for _ in range(2):  # the first sets things up: a server's warm-up does the same
                timed(method, 16)
            by_clock, by_processor, told = _warmed_up(method, job)
            for size in megapixels:
                side = round((size * 1e6) ** 0.5 / job.scale)
                allowed = budget()
                runs = [timed(method, side) for _ in range(rounds)]
                best = min(runs, key=lambda run: run.clock)
                told.learn(job, (side, side), runs[0].clock, engine=getattr(upscaler, "backend", ""))
                yield Grown(
                    key=job.key,
                    megapixels=(side * job.scale) ** 2 / 1e6,
                    seconds=best.clock,
                    processor_seconds=best.processor,
                    off=_off(by_clock, job, side, [runs[0].clock], again=False),
                    off_processor=_off(by_processor, job, side, [runs[0].processor], again=False),
                    off_again=_off(told, job, side, [run.clock for run in runs[1:]], again=True),
                    peak_memory_mb=max(run.peak_bytes for run in runs) / 1e6,
                    budget_mb=allowed / 1e6,
                    how=best.how,
                )


@contextmanager
def in_its_engine(job: Job) -> Generator[Upscaler]:
    """The method, loaded in the engine that is the faster one here: what can be converted is converted first, and kept."""
    preparer = Preparer()
    runner = Runner(preparer=preparer)
    runner.warm(job)
    preparer.wait()
    with runner.loaded(job) as upscaler:
        yield upscaler


def _warmed_up(method: Method, job: Job) -> tuple[Estimates, Estimates, Estimates]:
    """What runs at 96 x 96 teach: by the clock, in processor time, and by the clock once more, to go on learning."""
    by_clock, by_processor, told = Estimates(), Estimates(), Estimates()
    size, engine = (FIRST_SIDE, FIRST_SIDE), getattr(method.upscaler, "backend", "")

    def run() -> float:
        small = timed(method, FIRST_SIDE)
        by_clock.learn(job, size, small.clock, engine=engine)
        by_processor.learn(job, size, small.processor, engine=engine)
        told.learn(job, size, small.clock, engine=engine)
        return small.clock

    record_timing(run)
    return by_clock, by_processor, told


def _off(estimates: Estimates, job: Job, side: int, taken: Sequence[float], *, again: bool) -> float | None:
    """How far the estimate is from the middle one of what was taken."""
    return estimates.seconds(job, (side, side), again=again) / median(taken) - 1 if taken else None
