"""`python -m sr_demo bench costs`: memory and seconds of each method, printed or also written into its card."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from sr_demo.cli.bench.arguments import add_methods
from sr_demo.cli.console import terminal
from sr_demo.cli.models import models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Measures the working memory per LR pixel, and seconds at four sizes in torch and in OpenVINO, each in fresh "
        "processes. Tile sizes and time estimates are taken from these figures in the cards."
    )
    add_methods(parser, "all that need neither a download nor a GPU")
    parser.add_argument("--write", choices=("bytes", "all"), help="write memory, or memory and seconds, into the cards")
    parser.add_argument("--only", nargs=2, metavar=("METHOD", "WAY"), help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Measure and print each method. `--only` measures one of them in this process and prints JSON."""
    from sr_demo.benchmarks.costs import WAYS, costs, measure, write
    from sr_demo.catalogue import APPROACHES
    from sr_demo.inference.jobs import job_for

    if args.only is not None:
        method, name = args.only
        job = models(args.model)[0] if args.model else job_for(APPROACHES, method)
        found = measure(job, WAYS[WAYS.index(name)])
        print(json.dumps([found.bytes_per_pixel, found.timing and asdict(found.timing)]))
        return 0
    print(
        f"{'method':<24}{'bytes/px':>10}{'as used':>10}   seconds for the first and for later runs at each side",
        flush=True,
    )
    for cost in costs(args.methods, terminal("costs"), models(args.model)):
        most = "–" if cost.bytes_per_pixel is None else str(cost.bytes_per_pixel)
        print(f"{cost.key:<24}{most:>10}{cost.declared:>10}", flush=True)
        for timing in cost.timings:
            points = zip(timing.sides, timing.first, timing.again, strict=True)
            print(
                f"    {timing.backend or 'no backend':<12}{timing.threads or 'any':>4} threads   "
                + "   ".join(f"{side}: {first:.4f} {again:.4f}" for side, first, again in points),
                flush=True,
            )
        if args.write is not None:
            write(cost, args.write)
    return 0
