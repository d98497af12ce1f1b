"""`python -m sr_demo bench halos`: the context that the tiles of each embedded network need."""

from __future__ import annotations

import argparse

from sr_demo.cli.bench.arguments import add_methods
from sr_demo.cli.console import terminal
from sr_demo.cli.models import models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_methods(parser, "all that are embedded and cut into tiles")


def run(args: argparse.Namespace) -> int:
    """Measure and print each method; return 2 when a declared halo is too small."""
    from sr_demo.benchmarks.halos import BlendedHalo, halos

    print(
        "largest difference to the result without tiles, in 8-bit steps, by halo; for blended tiles the PSNR to it, in dB"
    )
    print(f"{'method':<24}{'halo':>6}{'needed':>8}", flush=True)
    short = False
    for found in halos(args.methods, terminal("halos"), models(args.model)):
        if isinstance(found, BlendedHalo):
            decibels = "  ".join(f"{halo}: {psnr:.1f} dB" for halo, psnr in found.decibels)
            print(f"{found.key:<24}{found.declared:>6}{'blended':>8}   {decibels}", flush=True)
            continue
        short = short or found.needed > found.declared
        errors = "  ".join(f"{halo}: {error * 255:.3f}" for halo, error in found.errors)
        print(f"{found.key:<24}{found.declared:>6}{found.needed:>8}   {errors}", flush=True)
    return 2 if short else 0
