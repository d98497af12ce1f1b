"""Arguments that several subcommands of `bench` take."""

from __future__ import annotations

import argparse
from math import inf

from sr_demo.cli.models import add_model
from sr_demo.errors import quoted


def add_methods(parser: argparse.ArgumentParser, which: str) -> None:
    """Add `METHOD…`; `which` describes the methods that are measured if none is named."""
    parser.add_argument("methods", nargs="*", metavar="ID[:CHECKPOINT]", help=f"only these (default: {which})")
    add_model(parser)


def add_rounds(parser: argparse.ArgumentParser) -> None:
    """Add `--rounds`."""
    parser.add_argument("--rounds", type=count, default=5, metavar="N", help="runs of each measurement (5)")


def add_megapixels(parser: argparse.ArgumentParser, default: str) -> None:
    """Add `--megapixels`, which may be repeated."""
    parser.add_argument(
        "--megapixels",
        type=positive,
        action="append",
        metavar="N",
        help=f"size of the result; may be repeated ({default})",
    )


def count(text: str) -> int:
    """Return a whole number from 1. Raises ArgumentTypeError for everything else."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a whole number from 1")
    return int(text)


def positive(text: str) -> float:
    """Return a finite number above 0. Raises ArgumentTypeError for everything else."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < inf:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a number above 0")
    return value
