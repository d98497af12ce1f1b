"""`python -m sr_demo bench overhead`: seconds per megapixel of all steps except the network."""

from __future__ import annotations

import argparse

from sr_demo.cli.bench.arguments import add_megapixels, add_rounds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_megapixels(parser, "16")
    add_rounds(parser)


def run(args: argparse.Namespace) -> int:
    """Measure and print each step."""
    from sr_demo.benchmarks.overhead import TARGET, steps

    print(f"{'seconds per megapixel':<36}{'wall':>8}{'processor':>11}", flush=True)
    for size in args.megapixels or [16]:
        for step in steps(size, args.rounds):
            print(f"{step.name:<36}{step.seconds:>8.4f}{step.processor_seconds:>11.4f}", flush=True)
        print(f"{'(target)':<36}{TARGET:>8.4f}   at {size:g} megapixels", flush=True)
    return 0
