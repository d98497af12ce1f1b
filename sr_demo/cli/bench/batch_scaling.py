"""`python -m sr_demo bench batch-scaling`: speedup of a batch on Ray with several workers."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from sr_demo.cli.bench.arguments import count


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Measures the second half of a batch, so that the start of Ray and of the workers is left out. Needs "
        "requirements-ray.txt."
    )
    parser.add_argument(
        "source", nargs="?", type=Path, metavar="IN_DIR", help="folder of pictures (default: 24 of 128 x 128 pixels)"
    )
    parser.add_argument("--approach", default="edsr", metavar="ID[:CHECKPOINT]", help="which approach (edsr)")
    parser.add_argument("--workers", type=count, default=2, metavar="N", help="compared with one (2)")


def run(args: argparse.Namespace) -> int:
    """Print the rate with one worker, then with several."""
    from sr_demo.benchmarks.batch_scaling import rates
    from sr_demo.catalogue import APPROACHES
    from sr_demo.inference.jobs import job_for

    first = 0.0
    for workers, rate in rates(job_for(APPROACHES, args.approach), args.source, (1, args.workers)):
        first = first or rate
        print(f"{args.approach}: {rate:.2f} pictures/s with {workers} workers, {rate / first:.2f} times", flush=True)
    print(f"{os.cpu_count()} cores here; each worker has one core and one thread")
    return 0
