"""How time, memory and the truth of estimates change with the size of the picture.

For each method: a first small run, from which the machine learns its price; then larger and larger pictures, each with what
was expected, what it took, and how much memory grew.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sr_demo.engines import known_picture
from sr_demo.enlarging import Method, budget, enlarge
from sr_demo.estimates import Estimates
from sr_demo.image import Picture
from sr_demo.jobs import Job
from sr_demo.memory import PeakMemory
from sr_demo.progress import SILENT
from sr_demo.runner import Runner

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
    processor_seconds: float
    """Of all threads."""
    expected: float
    """Seconds, by the estimate after a single run at 96 x 96."""
    peak_memory_mb: float
    budget_mb: float
    """What one tile was allowed to take; the result itself comes on top."""
    how: str

    @property
    def per_megapixel(self) -> float:
        """Seconds per megapixel of the result."""
        return self.seconds / self.megapixels

    @property
    def off(self) -> float:
        """How far the estimate was from the truth: +0.3 expected 30 % too much."""
        return self.expected / self.seconds - 1


def grown(jobs: Sequence[Job], megapixels: Sequence[int] = MEGAPIXELS, rounds: int = 1) -> Iterator[Grown]:
    """Each job at each size, the fastest of `rounds` runs. Metrics are not counted. Raises SRError."""
    for job in jobs:
        estimates = Estimates()
        runner = Runner(estimates)
        runner.warm(job)
        for _ in range(2):  # the first sets things up: a server's warm-up does the same
            runner.run(job, Picture(known_picture(16)))
        runner.run(job, Picture(known_picture(FIRST_SIDE)))
        for size in megapixels:
            side = round((size * 1e6) ** 0.5 / job.scale)
            picture = Picture(known_picture(side))
            expected = estimates.seconds(job.approach, job.checkpoint, job.price_key, side * side)
            best: Grown | None = None
            with runner.loaded(job) as upscaler:
                method = Method(job.approach, job.checkpoint, job.options, upscaler)
                how = f"{getattr(upscaler, 'engine', '')} {upscaler.precision}".strip()
                for _ in range(rounds):
                    allowed = budget()
                    with PeakMemory() as peak:
                        begun, processor_begun = time.perf_counter(), time.process_time()
                        enlarge(method, picture, SILENT)
                        seconds, processor = time.perf_counter() - begun, time.process_time() - processor_begun
                    actual = (side * job.scale) ** 2 / 1e6
                    now = Grown(job.key, actual, seconds, processor, expected, peak.bytes / 1e6, allowed / 1e6, how)
                    best = now if best is None or now.seconds < best.seconds else best
            assert best is not None
            yield best
