"""`python -m sr_demo upscale`: pictures enlarged with one approach."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

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
from sr_demo.cli.models import add_model, some_jobs
from sr_demo.errors import SRError, unexpected

if TYPE_CHECKING:
    from sr_demo.inference.jobs import Job
    from sr_demo.inference.runner import Runner


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="pictures to enlarge")
    parser.add_argument(
        "--approach",
        metavar="ID[:CHECKPOINT]",
        help="which approach (see `list`); first checkpoint if none",
    )
    add_model(parser)
    add_set(parser)
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the results (PNG)")
    add_precision(parser)
    add_download(parser)


def run(args: argparse.Namespace) -> int:
    """Enlarge each file with each network; 2 when one of them could not be enlarged."""
    from sr_demo.inference.runner import Runner

    names = [args.approach] if args.approach else []
    jobs = some_jobs(args, names, assignments(args.set), download=args.download)
    out = folder(args.out)
    runner, taken = Runner(), set[Path]()
    return max(_upscale(runner, job, args.files, out, taken) for job in jobs)


def _upscale(runner: Runner, job: Job, files: Sequence[Path], out: Path, taken: set[Path]) -> int:
    """Enlarge each file with one network; return the exit status.

    Args:
        runner: does it.
        job: with what.
        files: the pictures.
        out: folder of the results.
        taken: names of results so far.
    """
    from sr_demo.image import read, write_png
    from sr_demo.reports.formatting import precision

    failed = False
    runner.warm(job, terminal(job.key))  # what fails here fails for every file: reported once
    for path in files:
        try:
            result = runner.run(job, read(path), progress=terminal(path.name))
            target = _free_name(out, f"{path.stem}_{job.file_name}", taken)
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
    return 2 if failed else 0


def _free_name(folder: Path, stem: str, taken: set[Path]) -> Path:
    """A PNG name in `folder` that no earlier file of this call has; it is added to `taken`."""
    number, target = 1, folder / f"{stem}.png"
    while target in taken:
        number += 1
        target = folder / f"{stem}_{number}.png"
    taken.add(target)
    return target
