"""`python -m sr_demo bench mosaic`: time to build and search patch databases."""

from __future__ import annotations

import argparse
from pathlib import Path

from sr_demo.cli.bench.arguments import count


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--photos", type=Path, metavar="DIR", help="folder of photos (default: those of scikit-image)")
    parser.add_argument(
        "counts", type=count, nargs="*", metavar="COUNT", help="numbers of patches (10000 100000 1000000)"
    )


def run(args: argparse.Namespace) -> int:
    """Print a row for each number of patches."""
    from sr_demo.approaches.mosaic import photos
    from sr_demo.benchmarks import mosaic
    from sr_demo.training.data import image_files

    files = image_files(args.photos) if args.photos else photos.bundled()
    mosaic.print_table(files, args.counts or [10_000, 100_000, 1_000_000])
    return 0
