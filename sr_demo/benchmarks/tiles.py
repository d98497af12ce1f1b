"""How long a pixel takes in pieces of several sizes: `python -m sr_demo bench --tiles`. What `Tiling.seen` rests on.

Larger tiles waste less on halos, but their layers no longer fit the processor's cache, and libraries of convolutions
change their way of working at certain widths. Each method runs in the engine that is the faster one here, all sizes in
turns; the least of each counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sr_demo.backends.selection import known_picture
from sr_demo.benchmarks.growth import in_its_engine
from sr_demo.benchmarks.halos import every
from sr_demo.inference.jobs import Job, named
from sr_demo.progress import SILENT, Progress

SIDES = (128, 192, 224, 240, 254, 256, 288, 320, 384, 448)
"""LR pixels of what the network is given, halo included."""


@dataclass(frozen=True)
class Rate:
    """One method at one size of piece."""

    key: str
    engine: str
    precision: str
    side: int
    per_megapixel: float
    """Seconds per megapixel of the piece's result."""
    in_tiles: float
    """Seconds per megapixel of a large result made of such tiles: their halos are computed and thrown away."""


def rates(names: Sequence[str] = (), rounds: int = 3, progress: Progress = SILENT) -> Iterator[Rate]:
    """Every embedded method that is cut into tiles, or those named, at each of SIDES. Raises BadInput on other names."""
    jobs = named(every(), names, "embedded method with tiles called")
    for number, job in enumerate(jobs):
        progress(number / len(jobs), job.key)
        yield from _rates(job, rounds)
    progress(1.0)


def _rates(job: Job, rounds: int) -> Iterator[Rate]:
    halo = job.approach.tiling_of(job.checkpoint).halo
    least = dict.fromkeys(SIDES, float("inf"))
    with in_its_engine(job) as upscaler:
        for turn in range(rounds + 1):
            for side in SIDES:
                picture = known_picture(side)
                begun = time.perf_counter()
                upscaler.upscale(picture, job.options, SILENT)
                if turn:  # the first sets things up
                    least[side] = min(least[side], time.perf_counter() - begun)
        for side, seconds in least.items():
            megapixel = (side * job.scale) ** 2 / 1e6
            kept = max(side - 2 * halo, 0) ** 2 / side**2
            yield Rate(
                job.key, getattr(upscaler, "backend", ""), upscaler.precision, side, seconds / megapixel,
                seconds / megapixel / kept if kept else float("inf"),
            )  # fmt: skip
