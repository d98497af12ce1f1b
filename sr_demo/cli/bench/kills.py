"""`python -m sr_demo bench kills`: whether the next server recovers from killed servers and full disks."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Starts real servers, ends them with SIGKILL at the worst moment, and starts the next one on the same folders. Small "
        "and read-only disks are mounted where this user may mount."
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help="only these, such as during_a_run (default: all)")


def run(args: argparse.Namespace) -> int:
    """Print the outcome of each step; return 1 when one of them failed."""
    from sr_demo.benchmarks.kills import STEPS, results
    from sr_demo.errors import BadInput, quoted

    names = [step.__name__ for step in STEPS]
    if unknown := [name for name in args.steps if name not in names]:
        raise BadInput(f"There is no step {quoted(unknown[0])}. There are: {', '.join(names)}.")
    failed = False
    for title, outcome in results(args.steps):
        status, _, reason = outcome.partition(":")
        failed = failed or status == "failed"
        print(f"{status:<8}{title}{':' + reason if reason else ''}", flush=True)
    return 1 if failed else 0
