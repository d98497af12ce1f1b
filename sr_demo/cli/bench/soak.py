"""`python -m sr_demo bench soak`: growth of a server's memory, files and threads over minutes of requests."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import astuple, fields
from pathlib import Path

from sr_demo.cli.bench.arguments import count, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Four kinds of visits take turns, each in a session of its own: an upload and bicubic through the API, the same "
        "with espcn, a visit of the page, and the list of methods. Growth is the slope over the second half of the run."
    )
    parser.add_argument("--minutes", type=positive, default=10.0, metavar="N", help="how long (10)")
    parser.add_argument(
        "--store-mb", type=count, default=64, metavar="N", help="SR_DEMO_MAX_STORE_MB of the server (64)"
    )
    parser.add_argument("--visitors", type=count, default=2, metavar="N", help="how many send requests at once (2)")


def run(args: argparse.Namespace) -> int:
    """Print a sample every ten seconds and the growth at the end; return 1 when a request failed."""
    from sr_demo.benchmarks.soak import Sample, growth, soak

    samples: list[Sample] = []
    print(" ".join(f"{field.name:>10}" for field in fields(Sample)), flush=True)
    with tempfile.TemporaryDirectory(prefix="sr_demo-soak-") as folder:
        for found in soak(args.minutes, args.store_mb, args.visitors, Path(folder)):
            if isinstance(found, str):
                print(f"error: {found}", flush=True)
                continue
            samples.append(found)
            print(
                " ".join(f"{value:>10.{0 if isinstance(value, int) else 1}f}" for value in astuple(found)), flush=True
            )
    print("growth per 100 requests, second half:")
    for name, slope in growth(samples).items():
        print(f"    {name:<12}{slope:+.3f}")
    return 1 if samples and samples[-1].errors else 0
