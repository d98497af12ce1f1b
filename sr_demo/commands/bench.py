"""`python -m sr_demo bench`: how fast is it here, beside what people run today?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from sr_demo.commands.console import complain, terminal, write_text


def add(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "bench",
        help="seconds, GFLOP/s and memory beside plain torch, ONNX Runtime and OpenVINO",
        description="Same weights, same picture, same threads, medians of runs that take turns. Leave the machine alone "
        "meanwhile: ratios hold on a busy machine, seconds do not. The comparison with ONNX Runtime needs "
        "requirements-export.txt.",
    )
    command.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="rows for programs, to FILE or standard output"
    )
    command.add_argument("--case", action="append", default=[], metavar="NAME", help="only this case; may be repeated")
    command.add_argument("--path", action="append", default=[], metavar="NAME", help="only this path; may be repeated")
    command.add_argument("--rounds", type=int, default=5, metavar="N", help="turns that the medians are taken of (5)")
    command.add_argument("--page", type=Path, metavar="FILE", help="also write the table into this page of docs/")
    command.add_argument(
        "--precision-from",
        type=Path,
        metavar="DIR",
        help="instead: how far PSNR-Y moves from fp32 on the true pictures in DIR, for every embedded network",
    )
    command.add_argument(
        "--startup",
        action="store_true",
        help="instead: seconds until the page is served, and of the first results of real-esrgan through its HTTP API",
    )
    command.add_argument(
        "--startup-cache", type=Path, metavar="DIR",
        help="cache folder for --startup, kept; without it an empty one that is removed again",
    )  # fmt: skip
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and print; 2 when a path could not be run."""
    if args.precision_from is not None:
        return _precision(args)
    if args.startup:
        return _startup(args)
    from sr_demo.reports.bench import bench, records, text
    from sr_demo.reports.bench_page import write_page

    rows, notes = bench(args.case, args.path, max(args.rounds, 1), terminal("bench"))
    listed = json.dumps(records(rows), indent=2)
    if args.json == "-":
        print(listed)
    else:
        print(text(rows))
        if args.json is not None:
            write_text(Path(args.json), listed + "\n")
    if args.page is not None:
        write_page(args.page, rows)
    for note in notes:
        complain(note)
    return 2 if notes else 0


def _precision(args: argparse.Namespace) -> int:
    from sr_demo.reports.precision import MOST, moves

    failed = False
    print(f"{'network':<26}{'runs as':<18}{'fp32 dB':>9}{'moves by':>10}")
    for move in moves(args.precision_from, terminal("precision")):
        too_far = abs(move.by) > MOST
        failed = failed or too_far
        print(
            f"{move.key:<26}{move.how:<18}{move.exact:>9.3f}{move.by:>+10.4f}{'  too far' if too_far else ''}",
            flush=True,
        )
    return 2 if failed else 0


def _startup(args: argparse.Namespace) -> int:
    from sr_demo.reports.startup import starts

    for start in starts(args.startup_cache, max(args.rounds, 1)):
        print(f"{start.name}: page served after {start.page:.2f} s", flush=True)
        for name, result in (("first result", start.first), ("median of those after it", start.later)):
            print(f"    {name:<26}{result.seconds:>7.2f} s  {result.engine or 'no engine'}, {result.precision}")
    return 0
