"""`python -m sr_demo bench speed`: seconds, GFLOP/s and memory, compared with common alternatives."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from sr_demo.cli.bench.arguments import add_rounds
from sr_demo.cli.console import add_overwrite, print_error, write_text
from sr_demo.cli.models import add_model, models
from sr_demo.system.outputs import new_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Same weights, same picture, same threads, medians of runs that take turns. The comparison with ONNX Runtime needs "
        "requirements-export.txt."
    )
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="rows for programs, to FILE or standard output"
    )
    parser.add_argument("--case", action="append", default=[], metavar="NAME", help="only this case; may be repeated")
    add_model(parser)
    parser.add_argument("--path", action="append", default=[], metavar="NAME", help="only this path; may be repeated")
    parser.add_argument(
        "--slow", action="store_true",
        help="also what takes minutes more, such as attention networks in ONNX Runtime",
    )  # fmt: skip
    add_rounds(parser)
    add_overwrite(parser)
    parser.add_argument("--page", type=Path, metavar="FILE", help="also write the table into this page of docs/")


def run(args: argparse.Namespace) -> int:
    """Measure each case and print it when it is done; return 2 when a path could not be run."""
    with new_files(None if args.json in (None, "-") else Path(args.json), overwrite=args.overwrite):
        return _measure(args)


def _measure(args: argparse.Namespace) -> int:
    from sr_demo.benchmarks.performance_page import machine, write_page
    from sr_demo.benchmarks.speed import HEADING, Row, bench, lines, records
    from sr_demo.benchmarks.speed_cases import of_model

    rows, failed = list[Row](), False
    more = [of_model(job) for job in models(args.model)]
    out = sys.stderr if args.json == "-" else sys.stdout

    def report(line: str) -> None:
        print(line, file=out, flush=True)

    report(machine())
    for result in bench(args.case, args.path, args.rounds, report, more, args.slow):
        rows += result.rows
        report("\n".join((HEADING, *lines(result.rows))))
        for note in result.notes:
            print_error(note)
            failed = True
    listed = json.dumps(records(rows), indent=2)
    if args.json == "-":
        print(listed)
    elif args.json is not None:
        write_text(Path(args.json), listed + "\n")
    if args.page is not None:
        write_page(args.page, rows)
    return 2 if failed else 0
