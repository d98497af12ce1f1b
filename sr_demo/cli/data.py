"""`python -m sr_demo data`: inspection of a data set before training."""

from __future__ import annotations

import argparse
import json
import signal
from dataclasses import replace
from pathlib import Path

from sr_demo.cli.console import add_overwrite, complain, stoppable, terminal, write_text
from sr_demo.errors import first_few
from sr_demo.system.outputs import new_files

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
    from sr_demo.datasets.findings import findings
    from sr_demo.datasets.html_report import data_html
    from sr_demo.datasets.report import Against, examine, facts

    what, found = entries(args.path)
    against = Against(_name(args.against), entries(args.against)[1]) if args.against is not None else None
    with new_files(args.json, args.html, overwrite=args.overwrite):
        with stoppable(signal.SIGINT) as stop:
            report = examine(_name(args.path), what, found, against, replace(terminal("data"), stop=stop))
        if args.json is not None:
            write_text(args.json, json.dumps(facts(report), indent=1) + "\n")
        if args.html is not None:
            write_text(args.html, data_html(report))
    for line in first_few([f"skipped: {line}" for line in report.skipped]):
        complain(line)
    print(f"{what[:1].upper() + what[1:]}.")
    for sentence in findings(report):
        print(sentence)
    for leak in report.leaks[:_LISTED]:
        print(f"  {report.images[leak.first].name} and {report.against_names[leak.second]}: {leak.how}")
    return 0


def _name(path: Path) -> str:
    return "/".join(path.parts[-2:])
