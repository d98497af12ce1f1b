"""`python -m sr_demo bench page`: the table of docs/performance.md from several runs of `bench speed --json`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = "Writes medians of several runs between the marks in the page; takes a second."
    parser.add_argument("page", type=Path, metavar="PAGE", help="such as docs/performance.md")
    parser.add_argument("runs", type=Path, nargs="+", metavar="JSON", help="files of `bench speed --json`")


def run(args: argparse.Namespace) -> int:
    """Write the table."""
    from sr_demo.benchmarks.performance_page import read_runs, write_page
    from sr_demo.benchmarks.speed import medians

    write_page(args.page, medians(read_runs(args.runs)))
    print(f"{args.page}: table of {len(args.runs)} runs")
    return 0
