"""How much faster is a batch on Ray with two workers than with one? `python -m sr_demo.benchmarks.batch_scaling [IN_DIR]`.

Without a folder: 24 pictures of 128 x 128 pixels. The second half of the batch is counted, so that the starting of Ray
and of the workers is left out. On a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from sr_demo.batch.ray_workers import OnRay
from sr_demo.batch.run import Batch, Event, run
from sr_demo.deploy.quality import filled
from sr_demo.image import ImageData, write_png
from sr_demo.inference.jobs import Job, job_for

_COUNT, _SIDE = 24, 128


def rate(job: Job, source: Path, workers: int) -> float:
    """Pictures per second with so many workers, after all of them have begun: the second half of the batch."""
    ends: list[float] = []

    def tell(event: Event) -> None:
        ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as out:
        run(Batch(job, source, Path(out)), OnRay(workers), tell)
    half = len(ends) // 2
    return (len(ends) - 1 - half) / (ends[-1] - ends[half])


def main() -> int:
    """Measure, print."""
    from sr_demo.catalogue import APPROACHES

    parser = argparse.ArgumentParser(prog="python -m sr_demo.benchmarks.batch_scaling", description=__doc__)
    parser.add_argument("source", nargs="?", type=Path, metavar="IN_DIR")
    parser.add_argument("--approach", default="edsr", metavar="ID[:CHECKPOINT]")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="compared with one (2)")
    args = parser.parse_args()
    job = job_for(APPROACHES, args.approach)
    with tempfile.TemporaryDirectory() as made:
        source = args.source or Path(made)
        if args.source is None:
            for number in range(_COUNT):
                write_png(ImageData(filled((_SIDE, _SIDE))), source / f"{number:03d}.png")
        one, many = (rate(job, source, workers) for workers in (1, args.workers))
    sys.stdout.write(
        f"{args.approach}: {one:.2f} pictures/s with 1 worker, {many:.2f} with {args.workers}: {many / one:.2f} times\n"
        f"{os.cpu_count()} cores here; each worker has one core and one thread\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
