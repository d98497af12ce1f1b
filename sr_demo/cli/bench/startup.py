"""`python -m sr_demo bench startup`: the time that visitors wait after the server is started."""

from __future__ import annotations

import argparse
from pathlib import Path

from sr_demo.cli.bench.arguments import add_rounds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Starts the server twice with the same cache folder, and prints seconds until the page is served and seconds of the "
        "first results of real-esrgan through its HTTP API."
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="cache folder, kept; without it an empty one that is removed again"
    )
    add_rounds(parser)


def run(args: argparse.Namespace) -> int:
    """Start the server twice, and print the seconds until the page and the first results."""
    from sr_demo.benchmarks.startup import starts

    for start in starts(args.cache, args.rounds):
        print(f"{start.name}: page served after {start.page:.2f} s", flush=True)
        for name, result in (("first result", start.first), ("median of those after it", start.later)):
            print(f"    {name:<26}{result.seconds:>7.2f} s  {result.backend or 'no backend'}, {result.precision}")
    return 0
