"""Images per second of a batch on Ray, by the number of workers."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sr_demo.batch.ray_workers import OnRay
from sr_demo.batch.run import Batch, Event, run
from sr_demo.deploy.quality import filled
from sr_demo.image import ImageData, Size, write_png
from sr_demo.inference.jobs import Job

_COUNT, _SIDE = 24, 128


def rates(job: Job, source: Path | None, workers: Sequence[int]) -> Iterator[tuple[int, float]]:
    """Measure a batch with each number of workers.

    Args:
        job: The method.
        source: Folder of images; None for 24 images of 128 x 128 pixels.
        workers: Numbers of workers.

    Yields:
        Each number of workers with its images per second.
    """
    with tempfile.TemporaryDirectory() as made:
        folder = source or Path(made)
        if source is None:
            for number in range(_COUNT):
                write_png(ImageData(filled(Size(_SIDE, _SIDE))), folder / f"{number:03d}.png")
        for number in workers:
            yield number, _rate(job, folder, number)


def _rate(job: Job, source: Path, workers: int) -> float:
    """Return the images per second over the second half of the batch, when all workers have started."""
    ends: list[float] = []

    def record(event: Event) -> None:
        ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as out:
        run(Batch(job, source, Path(out)), OnRay(workers), record)
    half = len(ends) // 2
    return (len(ends) - 1 - half) / (ends[-1] - ends[half])
