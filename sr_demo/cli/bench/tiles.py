"""`python -m sr_demo bench tiles`: seconds per megapixel by tile size."""

from __future__ import annotations

import argparse

from sr_demo.cli.bench.arguments import add_methods, add_rounds
from sr_demo.cli.console import terminal
from sr_demo.cli.models import models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_methods(parser, "all that are embedded and cut into tiles")
    add_rounds(parser)


def run(args: argparse.Namespace) -> int:
    """Measure and print two lines for each method."""
    from sr_demo.benchmarks.tiles import SIDES, rates

    print(
        "seconds per megapixel of a tile's result, by the tile's side in LR pixels; in the second line, per megapixel of a"
    )
    print("large result that is made of such tiles, whose halos are computed too")
    print(f"{'method':<24}" + "".join(f"{side:>8}" for side in SIDES), flush=True)
    found = rates(args.methods, args.rounds, terminal("tiles"), models(args.model))
    for row in zip(*[found] * len(SIDES), strict=True):
        print(f"{row[0].key:<24}" + "".join(f"{rate.per_megapixel:>8.4f}" for rate in row))
        how = f"  in {row[0].backend or 'no backend'}, {row[0].precision}"
        print(f"{how:<24}" + "".join(f"{rate.in_tiles:>8.4f}" for rate in row), flush=True)
    return 0
