"""`python -m sr_demo upscale`: pictures enlarged with one approach."""

from __future__ import annotations

import argparse
from pathlib import Path

from sr_demo.cli.console import (
    add_download,
    add_precision,
    add_set,
    assignments,
    complain,
    complain_about,
    folder,
    terminal,
)
from sr_demo.errors import SRError, unexpected


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="pictures to enlarge")
    parser.add_argument(
        "--approach",
        required=True,
        metavar="ID[:CHECKPOINT]",
        help="which approach (see `list`); first checkpoint if none",
    )
    add_set(parser)
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the results (PNG)")
    add_precision(parser)
    add_download(parser)


def run(args: argparse.Namespace) -> int:
    """Enlarge each file; 2 when one of them could not be enlarged."""
    from sr_demo.catalogue import APPROACHES
    from sr_demo.image import read, write_png
    from sr_demo.inference.jobs import job_for
    from sr_demo.inference.runner import Runner
    from sr_demo.reports.formatting import precision

    job = job_for(APPROACHES, args.approach, assignments(args.set), args.precision, args.download)
    out = folder(args.out)
    runner, taken, failed = Runner(), set[Path](), False
    runner.warm(job, terminal(job.key))  # what fails here fails for every file: reported once
    for path in args.files:
        try:
            result = runner.run(job, read(path), progress=terminal(path.name))
            target = _free_name(out, f"{path.stem}_{job.key.replace(':', '-')}", taken)
            write_png(result.picture, target)
        except SRError as exc:
            complain_about(path, str(exc))
            failed = True
            continue
        except Exception as exc:
            complain(f"{path.name}: {unexpected(exc, f'upscaling {path}')}")
            failed = True
            continue
        height, width = result.picture.rgb.shape[:2]
        print(f"{target}  {width} x {height}  {result.seconds:.2f} s  {precision(result.precision, result.loss_db)}")
        for note in result.notes:
            print(f"  note: {note}")
    return 2 if failed else 0


def _free_name(folder: Path, stem: str, taken: set[Path]) -> Path:
    """A PNG name in `folder` that no earlier file of this call has; it is added to `taken`."""
    number, target = 1, folder / f"{stem}.png"
    while target in taken:
        number += 1
        target = folder / f"{stem}_{number}.png"
    taken.add(target)
    return target
