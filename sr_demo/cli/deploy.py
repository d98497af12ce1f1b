"""`python -m sr_demo deploy`: measurement of methods on this machine, with verdicts by a budget."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sr_demo.cli.console import (
    add_download,
    add_overwrite,
    add_precision,
    assignments,
    print_error,
    terminal,
    write_reports,
)
from sr_demo.cli.models import add_licence, add_model, jobs
from sr_demo.errors import BadInput
from sr_demo.system.outputs import new_files

if TYPE_CHECKING:
    from sr_demo.reports.evaluation import Pair


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from sr_demo.options import controls
    from sr_demo.reports.verdicts import THRESHOLDS, Budget

    command.description = (
        "Each method runs in a process of its own: latency, memory, quality, resolving power, licences. "
        "Without an ID, everything that needs no download is measured."
    )
    command.add_argument("approaches", nargs="*", metavar="ID[:CHECKPOINT]", help="what to measure (see `list`)")
    add_model(command)
    add_licence(command)
    command.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON")
    command.add_argument("--html", type=Path, metavar="FILE", help="write the report as HTML")
    command.add_argument("--csv", type=Path, metavar="FILE", help="write a line per method and size as CSV")
    command.add_argument(
        "--pairs", "--hr", dest="pairs", type=Path, metavar="HR_DIR",
        help="folder of originals to score on (default: four bundled photos)",
    )  # fmt: skip
    command.add_argument("--lr", type=Path, metavar="LR_DIR", help="their small versions (default: downscaled here)")
    command.add_argument(
        "--size",
        action="append",
        metavar="WxH",
        help="size of an input picture; may be repeated (default: 64x64, 128x128 and 256x256)",
    )
    command.add_argument(
        "--budget", action="append", default=[], metavar="NAME=VALUE",
        help=f"{', '.join(control.name for control in controls(Budget))}; may be repeated. "
        f"{', '.join(one.limit for one in THRESHOLDS)} are thresholds for measures=yes, where people measure in the results",
    )  # fmt: skip
    add_overwrite(command)
    add_precision(command)
    add_download(command)


def run(args: argparse.Namespace) -> int:
    """Measure, print the verdicts and write the reports; return 2 when a method or a report failed."""
    from sr_demo.catalogue import APPROACHES
    from sr_demo.deploy.csv_report import deploy_csv
    from sr_demo.deploy.html_report import deploy_html
    from sr_demo.deploy.measurement import Plan
    from sr_demo.deploy.report import budget_from, deploy, embedded_jobs, sizes
    from sr_demo.inference.jobs import refuse_repeated

    budget = budget_from(assignments(args.budget, "--budget"))
    plan = Plan(sizes=sizes(args.size)) if args.size else Plan()
    if args.lr is not None and args.pairs is None:
        raise BadInput("--lr needs --hr: results are compared with the originals.")
    chosen = jobs(args, args.approaches, download=args.download)
    refuse_repeated(chosen)
    chosen = chosen or [replace(job, precision=args.precision) for job in embedded_jobs(APPROACHES)]
    failed = False
    if args.pairs is not None:
        found, unpaired = _pairs(args.pairs, args.lr, [job.default_scale for job in chosen])
        for job in chosen:
            if job.default_scale in unpaired:
                print_error(f"{job.key}: {unpaired[job.default_scale]}")
                failed = True
        chosen = [job for job in chosen if job.default_scale in found]
        first = next(iter(found.values()))
        name = f"the {len(first)} pictures of {args.pairs}" if len(first) > 1 else str(first[0].hr)
        plan = replace(plan, pairs=found, pairs_name=name)
    with new_files(args.json, args.html, args.csv, overwrite=args.overwrite):
        report = deploy(chosen, plan, budget, terminal("deploy"))
        for row in report["approaches"]:
            if row["failed"]:
                print_error(f"{row['key']}: {row['failed']}")
                failed = True
            else:
                print(f"{row['key']:<24}{row['verdict']['sentence']}", flush=True)
        written = write_reports(
            (args.json, lambda: json.dumps(report, indent=2) + "\n"),
            (args.html, lambda: deploy_html(report)),
            (args.csv, lambda: deploy_csv(report)),
        )
    return 2 if failed or not written else 0


def _pairs(hr: Path, lr: Path | None, scales: Iterable[int]) -> tuple[dict[int, list[Pair]], dict[int, BadInput]]:
    """Return the pairs by scale, and why there are none for the other scales. Raises BadInput if there are none at all."""
    from sr_demo.reports.evaluation import pairs

    found: dict[int, list[Pair]] = {}
    unpaired: dict[int, BadInput] = {}
    for scale in dict.fromkeys(scales):
        try:
            found[scale] = pairs(hr, lr, scale)
        except BadInput as exc:
            unpaired[scale] = exc
    if not found:
        raise next(iter(unpaired.values()))
    return found, unpaired
