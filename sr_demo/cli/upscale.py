"""`python -m sr_demo upscale`: pictures enlarged with one approach."""

from __future__ import annotations

import argparse
import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sr_demo.cli.console import (
    add_download,
    add_overwrite,
    add_precision,
    add_set,
    assignments,
    complain_about,
    folder,
    terminal,
)
from sr_demo.cli.models import add_model, some_jobs
from sr_demo.cli.output_size import add_size
from sr_demo.codecs.sniff import shown
from sr_demo.errors import BadInput, SRError, unexpected
from sr_demo.system.outputs import Identity, fitting, identities, new_files, reserved

if TYPE_CHECKING:
    from sr_demo.inference.jobs import ImageResult, Job
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
    add_size(parser)
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the results (PNG)")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="also write one HTML page that shows picture and results (one picture)",
    )
    add_overwrite(parser)
    add_precision(parser)
    add_download(parser)


def run(args: argparse.Namespace) -> int:
    """Enlarge each file with each network; 2 when one of them could not be enlarged."""
    from sr_demo.inference.runner import Runner

    names = [args.approach] if args.approach else []
    jobs = some_jobs(args, names, assignments(args.set), download=args.download)
    out, files = folder(args.out), _expanded(args.files)
    if args.report is not None and len(files) != 1:
        raise BadInput(f"--report makes a page of one picture, and {len(files)} are named. Run the command for each.")
    runner, kept = Runner(), set(identities(files))
    shown: list[ImageResult] | None = None if args.report is None else []
    with new_files(args.report, overwrite=args.overwrite):
        status = max(_upscale(runner, job, files, out, kept, shown, overwrite=args.overwrite) for job in jobs)
        if shown and args.report is not None:
            _write_report(files[0], shown, args.report)
    return status


def _write_report(file: Path, results: Sequence[ImageResult], target: Path) -> None:
    from sr_demo.image import read
    from sr_demo.reports.formatting import megabytes
    from sr_demo.ui.viewer.shared_page import write_results_page

    write_results_page(read(file), results, target)
    print(f"{target}  {megabytes(target.stat().st_size)}")


def _upscale(
    runner: Runner, job: Job, files: Sequence[Path], out: Path, kept: set[Identity],
    shown: list[ImageResult] | None, *, overwrite: bool,
) -> int:  # fmt: skip
    """Enlarge each file with one network; return the exit status.

    Args:
        runner: does it.
        job: with what.
        files: the pictures.
        out: folder of the results.
        kept: the inputs and the results so far, which are never replaced; results are added.
        shown: results are added, where there will be a report.
        overwrite: whether other files may be replaced.
    """
    from sr_demo.image import read, write_png
    from sr_demo.reports.formatting import precision

    failed = False
    runner.warm(job, terminal(job.key))  # what fails here fails for every file: reported once
    for path in files:
        try:
            _refuse_others(path)
            image = read(path)
            result = runner.run(job, image, progress=terminal(path.name))
            wanted = out / fitting(path.stem, f"_{job.key.replace(':', '-')}.png")
            with reserved(wanted, kept, overwrite=overwrite) as target:
                write_png(result.image, target)
            kept |= identities([target])
            if shown is not None:
                shown.append(result)
        except SRError as exc:
            complain_about(path, str(exc))
            failed = True
            continue
        except Exception as exc:
            complain_about(path, unexpected(exc, f"upscaling {path}"))
            failed = True
            continue
        for note in result.notes:
            complain_about(path, note)
        height, width = result.image.rgb.shape[:2]
        facts = [f"{width} x {height}", f"{result.seconds:.2f} s", precision(result.precision, result.loss_db)]
        print("  ".join([str(target), *facts, *filter(None, [result.sizing])]))
    return 2 if failed else 0


def _expanded(paths: list[Path]) -> list[Path]:
    """Replace patterns such as `*.jpg`, which not every shell expands, by the files that match; keep those without any."""
    files: list[Path] = []
    for path in paths:
        matches = sorted(glob.glob(str(path))) if _is_pattern(path) else []
        files += map(Path, matches or [path])
    return files


def _is_pattern(path: Path) -> bool:
    return glob.has_magic(str(path)) and not os.path.lexists(path)


def _refuse_others(path: Path) -> None:
    """Raise BadInput for a folder, and for a pattern that matches nothing."""
    name = shown(path.name)
    if os.path.isdir(path):  # unlike Path.is_dir, never raises
        raise BadInput(
            f"{name} is a folder, and this command takes files. `python -m sr_demo batch {path} --out DIR` enlarges all "
            "pictures in it."
        )
    if _is_pattern(path):
        raise BadInput(f"{name} matches no file in {path.parent.absolute()}. Name the pictures, or check the folder.")
