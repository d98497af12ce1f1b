"""`python -m sr_demo data`: inspection of a data set before training."""

from __future__ import annotations

import argparse
import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sr_demo.cli.console import add_overwrite, print_error, stoppable, terminal, write_reports
from sr_demo.errors import first_few
from sr_demo.system.folders import short_name
from sr_demo.system.outputs import new_files

if TYPE_CHECKING:
    from sr_demo.datasets.report import DataReport

_LISTED = 20


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    command.description = (
        "DIR is a folder of pictures, DIV2K as unpacked, or a folder of .npz files with arrays of pictures. "
        "Ctrl-C ends the measuring; what was measured until then is reported."
    )
    command.add_argument("path", type=Path, metavar="DIR", help="the data set")
    command.add_argument("--against", type=Path, metavar="DIR", help="test pictures that must not be in it")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON")
    command.add_argument("--html", type=Path, metavar="FILE", help="write the report as HTML")
    add_overwrite(command)


def run(args: argparse.Namespace) -> int:
    """Measure, print the findings, and write the reports; return the exit status."""
    from sr_demo.datasets.entries import entries
    from sr_demo.datasets.html_report import data_html
    from sr_demo.datasets.report import HeldOutSet, examine, facts

    what, found = entries(args.path)
    against = HeldOutSet(short_name(args.against), entries(args.against)[1]) if args.against is not None else None
    with new_files(args.json, args.html, overwrite=args.overwrite):
        with stoppable(signal.SIGINT) as stop:
            report = examine(short_name(args.path), what, found, against, replace(terminal("data"), stop=stop))
        _print(report)
        written = write_reports(
            (args.json, lambda: json.dumps(facts(report), indent=1) + "\n"), (args.html, lambda: data_html(report))
        )
    return 0 if written else 2


def _print(report: DataReport) -> None:
    """Print what was skipped, the findings and the leaks."""
    from sr_demo.datasets.findings import findings

    for line in first_few([f"skipped: {line}" for line in report.skipped]):
        print_error(line)
    print(f"{report.what[:1].upper() + report.what[1:]}.")
    for sentence in findings(report):
        print(sentence)
    for leak in report.leaks[:_LISTED]:
        print(f"  {report.images[leak.first].name} and {report.against_names[leak.second]}: {leak.how}")
