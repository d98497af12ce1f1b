"""Seconds per megapixel by tile size (`python -m sr_demo bench tiles`), from which `Tiling.max_input_width` was chosen.

Larger tiles spend less on halos, but their layers no longer fit into the processor's cache, and convolution libraries change
their algorithm at certain widths. Each method runs in the backend that is faster on this machine. The sizes alternate in
rounds; the minimum of each size counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sr_demo.backends.selection import synthetic_image
from sr_demo.benchmarks.growth import in_its_backend
from sr_demo.benchmarks.halos import tiled_methods
from sr_demo.inference.jobs import Job, select_jobs
from sr_demo.progress import SILENT, Progress

SIDES = (128, 192, 224, 240, 254, 256, 288, 320, 384, 448)
"""Sides of the network's input in LR pixels, halo included."""


@dataclass(frozen=True)
class Rate:
    """One method at one tile size."""

    key: str
    backend: str
    precision: str
    side: int
    per_megapixel: float
    """Seconds per megapixel of the tile's result, halo included."""
    in_tiles: float
    """Seconds per megapixel of a large result in such tiles; the halos are computed and cut off."""


def rates(
    names: Sequence[str] = (), rounds: int = 3, progress: Progress = SILENT, more: Sequence[Job] = ()
) -> Iterator[Rate]:
    """Measure every embedded tiled method, or those in `names`, and `more`, at each of SIDES.

    Raises BadInput on other names.
    """
    jobs = select_jobs(tiled_methods(), names, "embedded method with tiles called", more)
    for number, job in enumerate(jobs):
        progress(number / len(jobs), job.key)
        yield from _rates(job, rounds)
    progress(1.0)


def _rates(job: Job, rounds: int) -> Iterator[Rate]:
    halo = job.approach.tiling_of(job.checkpoint).halo
    fastest = dict.fromkeys(SIDES, float("inf"))
    with in_its_backend(job) as model:
        for turn in range(rounds + 1):
            for side in SIDES:
                image = synthetic_image(side)
                begun = time.perf_counter()
                model.upscaler.upscale(image, job.options, SILENT)
                if turn:  # the first turn warms up
                    fastest[side] = min(fastest[side], time.perf_counter() - begun)
        for side, seconds in fastest.items():
            megapixel = (side * job.scale) ** 2 / 1e6
            kept = max(side - 2 * halo, 0) ** 2 / side**2
            yield Rate(
                job.key, model.upscaler.backend, model.upscaler.precision, side, seconds / megapixel,
                seconds / megapixel / kept if kept else float("inf"),
            )  # fmt: skip
