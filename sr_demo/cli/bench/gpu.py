"""`python -m sr_demo bench gpu`: speed and memory of four networks on a GPU."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sr_demo.cli.console import add_overwrite, print_error, write_text
from sr_demo.system.outputs import new_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="rows for programs, to FILE or standard output"
    )
    add_overwrite(parser)


def run(args: argparse.Namespace) -> int:
    """Measure and print each row; return 2 without a GPU."""
    import torch

    if not torch.cuda.is_available():
        print_error("there is no GPU that torch can use here.")
        return 2
    with new_files(None if args.json in (None, "-") else Path(args.json), overwrite=args.overwrite):
        return _measure(args)


def _measure(args: argparse.Namespace) -> int:
    import torch

    from sr_demo.benchmarks.gpu import HEADING, cases, line, measure

    rows: list[dict[str, object]] = []
    if args.json != "-":
        print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}\n{HEADING}", flush=True)
    for row in measure(cases()):
        rows.append(row)
        if args.json != "-":
            print(line(row), flush=True)
    listed = json.dumps(rows, indent=2)
    if args.json == "-":
        print(listed)
    elif args.json is not None:
        write_text(Path(args.json), listed + "\n")
    return 0
