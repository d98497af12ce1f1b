"""`python -m sr_demo upscale`: pictures enlarged with one approach."""

from __future__ import annotations

import argparse
import glob
import os
from pathlib import Path

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
from sr_demo.codecs.sniff import shown
from sr_demo.errors import BadInput, SRError, unexpected
from sr_demo.system.outputs import fitting, identities, reserved


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
    add_overwrite(parser)
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
    out, files = folder(args.out), _expanded(args.files)
    runner, kept, failed = Runner(), identities(files), False
    runner.warm(job, terminal(job.key))  # what fails here fails for every file: reported once
    for path in files:
        try:
            _refuse_others(path)
            image = read(path)
            result = runner.run(job, image, progress=terminal(path.name))
            wanted = out / fitting(path.stem, f"_{job.key.replace(':', '-')}.png")
            with reserved(wanted, kept, overwrite=args.overwrite) as target:
                write_png(result.image, target)
            kept |= identities([target])
        except SRError as exc:
            complain_about(path, str(exc))
            failed = True
            continue
        except Exception as exc:
            complain_about(path, unexpected(exc, f"upscaling {path}"))
            failed = True
            continue
        for note in image.notes:
            complain_about(path, note)
        height, width = result.image.rgb.shape[:2]
        print(f"{target}  {width} x {height}  {result.seconds:.2f} s  {precision(result.precision, result.loss_db)}")
        for note in result.notes:
            print(f"  note: {note}")
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
