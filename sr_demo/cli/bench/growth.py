"""`python -m sr_demo bench growth`: time, memory and the error of the time estimate by the size of the result."""

from __future__ import annotations

import argparse

from sr_demo.cli.bench.arguments import add_megapixels, add_rounds
from sr_demo.cli.models import add_model, some_jobs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("methods", nargs="*", metavar="ID[:CHECKPOINT]", help="which approaches (see `list`)")
    add_model(parser)
    add_megapixels(parser, "1, 4, 16 and 64")
    add_rounds(parser)


def run(args: argparse.Namespace) -> int:
    """Measure and print each method at each size."""
    from sr_demo.benchmarks.growth import MEGAPIXELS, measurements

    found = some_jobs(args, args.methods)
    print(
        "error of the time estimate: of the first run of a size after the warm-up at 96 x 96, by the clock (first) and in"
    )
    print("processor time (CPU); of later runs, after the estimates have learned from the first ones (again)")
    print(
        f"{'method':<20}{'Mpx':>6}{'seconds':>9}{'s/Mpx':>8}{'CPU s/Mpx':>11}{'first':>7}{'CPU':>6}{'again':>7}"
        f"{'MB':>7}{'budget':>8}  how",
        flush=True,
    )
    for row in measurements(found, args.megapixels or MEGAPIXELS, args.rounds):
        print(
            f"{row.key:<20}{row.megapixels:>6.2f}{row.seconds:>9.3f}{row.per_megapixel:>8.4f}"
            f"{row.processor_seconds / row.megapixels:>11.4f}{_percent(row.error):>7}{_percent(row.error_processor):>6}"
            f"{_percent(row.error_again):>7}{row.peak_memory_mb:>7.0f}{row.budget_mb:>8.0f}  {row.how}",
            flush=True,
        )
    return 0


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:+.0%}"
