"""`python -m sr_demo evaluate`: scores of approaches on images with known references."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from sr_demo.cli.console import (
    add_download,
    add_overwrite,
    add_precision,
    add_set,
    assignments,
    print_error,
    terminal,
    write_text,
)
from sr_demo.cli.models import add_model, some_jobs
from sr_demo.errors import BadInput
from sr_demo.system.outputs import new_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "PSNR and SSIM on BT.601 Y after rounding to 8 bit, as many pixels cut at the border as the scale: as in "
        "published tables. LR: PSNR of the "
        "result, scaled down again, to the picture that went in, in dB. NIQE (own fit): lower looks more natural to it; "
        "needs no reference."
    )
    parser.add_argument(
        "--hr", required=True, type=Path, metavar="DIR", help="the original pictures (HR references), or one picture"
    )
    parser.add_argument(
        "--lr",
        type=Path,
        metavar="DIR",
        help="their small versions, named as in published test sets; without it they are looked for in --hr, or made",
    )
    parser.add_argument(
        "--degradation", choices=("bicubic", "realistic"), default="bicubic",
        help="how they are made: bicubic downscaling, or blur, noise and JPEG as well",
    )  # fmt: skip
    parser.add_argument(
        "--approach", action="append", default=[], metavar="ID[:CHECKPOINT]", help="may be repeated: one row each"
    )
    parser.add_argument(
        "--scale", type=int, metavar="N",
        help="a whole number up to 8; without it, that of the approach. A network without that scale is run at another "
        "one, and its result is resampled",
    )  # fmt: skip
    add_model(parser)
    parser.add_argument(
        "--brought", action="append", default=[], type=Path, metavar="DIR",
        help="what another tool made of the small versions, named like --hr; for one picture, its result; may be repeated",
    )  # fmt: skip
    add_set(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    add_overwrite(parser)
    add_precision(parser)
    add_download(parser)


def run(args: argparse.Namespace) -> int:
    """Print a row for each approach when it is scored; return 2 when one of them failed."""
    from sr_demo.imaging.degradation import Realistic
    from sr_demo.inference.jobs import Failed
    from sr_demo.inference.runner import Runner
    from sr_demo.metrics.scores import unavailable_measures
    from sr_demo.reports.evaluation import evaluate, pairs_by_scale
    from sr_demo.reports.external_results import results_of

    values = assignments(args.set)
    jobs = some_jobs(args, args.approach, values, download=args.download)
    if args.lr is not None and args.degradation == "realistic":
        raise BadInput("--lr names the LR pictures, --degradation realistic makes them: choose one of the two.")
    made = args.degradation == "realistic"
    scales = [job.test_scale for job in jobs]
    found = pairs_by_scale(args.hr, args.lr, scales, keep_lr=not made)
    others = results_of(args.brought, [pair.hr for pair in found[scales[0]]], scales[0])
    realistic = Realistic() if made else None
    rows: list[dict[str, Any]] = []
    failed = False
    said: set[str] = set()
    with new_files(args.json, overwrite=args.overwrite):
        for row in evaluate(Runner(), jobs, found, realistic, terminal("evaluate"), others):
            if isinstance(row, Failed):
                print_error(f"{row.job.key}: {row.message}")
                failed = True
                continue
            if not rows:
                scores = f"{'PSNR-Y':>8}{'SSIM-Y':>9}{'PSNR-RGB':>10}{'LR':>7}{'NIQE':>7}"
                print(f"{'approach':<24}{scores}{'s/image':>9}{'MB':>8}  precision")
            print(_row_text(row, with_scale=len(found) > 1), flush=True)
            for note in row["notes"]:
                if note not in said:
                    print_error(note)
            said.update(row["notes"])
            rows.append(row)
            if args.json is not None:
                write_text(args.json, json.dumps(rows, indent=2) + "\n")
        if args.json is not None and not rows:
            write_text(args.json, "[]\n")
    if rows and (missing := unavailable_measures()):
        print("not here: " + "; ".join(f"{column.title} (`{column.needs}`)" for column in missing))
    return 2 if failed else 0


def _row_text(row: dict[str, Any], *, with_scale: bool) -> str:
    from sr_demo.reports.formatting import precision

    def number(key: str, width: int, digits: int, none: str = "identical") -> str:
        value = row[key]
        return f"{none:>{width}}" if value is None else f"{value:>{width}.{digits}f}"

    name = f"{row['approach']}:{row['checkpoint']}" + (f", {row['scale']}x" if with_scale else "")
    return (
        f"{name:<24}{number('psnr_y', 8, 2)}{number('ssim_y', 9, 4)}"
        f"{number('psnr_rgb', 10, 2)}{number('lr_consistency', 7, 2, 'same')}{number('niqe', 7, 2, '–')}"
        f"{number('seconds_per_image', 9, 3, '–')}{number('peak_memory_mb', 8, 0, '–')}  "
        f"{'–' if row['precision'] is None else precision(row['precision'], row['precision_loss_db'])}"
    )
