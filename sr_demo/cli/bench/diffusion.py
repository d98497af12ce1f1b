"""`python -m sr_demo bench diffusion`: seconds per step and memory of our own diffusion model."""

from __future__ import annotations

import argparse
import json
import os
import platform
from dataclasses import asdict
from typing import TYPE_CHECKING

from sr_demo.cli.bench.arguments import add_rounds

if TYPE_CHECKING:
    from sr_demo.spec import Precision


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = "Every size and precision runs in a process of its own, so that memory is that of one run."
    add_rounds(parser)
    parser.add_argument("--only", nargs=2, metavar=("SIDE", "PRECISION"), help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Print a Markdown table line by line. `--only` measures one size in this process and prints JSON."""
    from sr_demo.benchmarks.diffusion import HEADING, line, measure, speeds

    if args.only is not None:
        precision: Precision = "bf16" if args.only[1] == "bf16" else "fp32"
        print(json.dumps(asdict(measure(int(args.only[0]), precision, args.rounds))))
        return 0
    for number, speed in enumerate(speeds(args.rounds)):
        if not number:
            cores = f"{platform.machine()}, {os.cpu_count()} cores, {speed.threads} threads"
            print(f"{cores}, medians of {args.rounds}\n\n{HEADING}", flush=True)
        print(line(speed), flush=True)
    return 0
