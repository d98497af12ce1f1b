"""`python -m sr_demo upscale`: upscales image files with one approach and with model files."""

from __future__ import annotations

import argparse
import glob
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sr_demo.cli.console import (
    add_download,
    add_output,
    add_overwrite,
    add_precision,
    add_set,
    assignments,
    folder,
    output_of,
    print_file_error,
    terminal,
)
from sr_demo.cli.models import add_model, some_jobs
from sr_demo.cli.output_size import add_size
from sr_demo.codecs.formats import Output, format_of
from sr_demo.codecs.image_files import SUFFIXES
from sr_demo.codecs.sniff import display_name, kind_of
from sr_demo.errors import BadInput, SRError, log_unexpected
from sr_demo.system.outputs import (
    Identity,
    identities,
    new_files,
    refuse_equal,
    refuse_existing,
    reserve_path,
    truncated_name,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sr_demo.inference.jobs import ImageResult, Job
    from sr_demo.inference.runner import Runner


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="pictures to enlarge")
    parser.add_argument(
        "--approach", action="append", default=[], metavar="ID[:CHECKPOINT]",
        help="which approach (see `list`); first checkpoint if none; may be repeated: one result each",
    )  # fmt: skip
    add_model(parser)
    add_set(parser)
    add_size(parser)
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR",
        help="folder for the results; or, for one picture, a file such as big.jpg, whose ending is the format",
    )  # fmt: skip
    add_output(parser)
    parser.add_argument(
        "--mask", type=Path, metavar="FILE",
        help="a picture that is white where nothing may be invented (one picture, and a method that invents detail)",
    )  # fmt: skip
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
    """Upscale each file with each network; return 2 when one of them failed."""
    from sr_demo.inference.runner import Runner

    jobs = some_jobs(args, args.approach, assignments(args.set), download=args.download)
    files = _expanded(args.files)
    if args.report is not None and len(files) != 1:
        raise BadInput(f"--report makes a page of one picture, and {len(files)} are named. Run the command for each.")
    allowed = None if args.mask is None else _allowed(args.mask, files)
    kept = set(identities([*files, *([args.mask] if args.mask else [])]))
    if args.report is not None and identities([args.report]) & kept:
        raise BadInput(
            f"{args.report} is the picture itself, which is never replaced. Choose another name for --report."
        )
    out = _results(args, kept, len(files) * len(jobs))
    refuse_equal(args.report, args.out if out.name else None)
    runner = Runner()
    shown: list[ImageResult] | None = None if args.report is None else []
    with new_files(args.report, overwrite=args.overwrite):
        for job in jobs:
            runner.warm(job, terminal(job.key))  # an error here would occur for every file; report it once
        failed = [path for path in files if not _upscale(runner, jobs, path, out, kept, shown, allowed)]
        if shown and args.report is not None:
            _write_report(files[0], shown, args.report)
    return 2 if failed else 0


@dataclass(frozen=True)
class _Results:
    """Destination and format of the results."""

    folder: Path
    name: str
    """Name of the only result; empty if names are derived from those of the images."""
    output: Output
    overwrite: bool
    """Whether other files than inputs and results of this run may be replaced."""

    def wanted(self, path: Path, job: Job, output: Output) -> Path:
        """Return the preferred path for the result of an image."""
        return self.folder / (
            self.name or truncated_name(path.stem, f"_{job.key.replace(':', '-')}{output.file_format.suffix}")
        )


def _results(args: argparse.Namespace, kept: set[Identity], count: int) -> _Results:
    """Return the destination of `count` results. Raises BadInput if `--out` names a file that does not fit."""
    named = None if args.out.is_dir() else format_of(args.out)
    if named is None and args.out.suffix.lower() in SUFFIXES and not args.out.is_dir():
        raise BadInput(f"--out {args.out}: results are not written as {args.out.suffix}. Name a .png, or a folder.")
    if named is None:
        return _Results(folder(args.out), "", output_of(args), args.overwrite)
    if count > 1:
        raise BadInput(f"--out {args.out} names one file, and there are {count} results. Name a folder.")
    if args.format not in (None, named):
        raise BadInput(f"--out {args.out} is a {named} file, and --format is {args.format}. Leave one of them out.")
    if identities([args.out]) & kept:
        raise BadInput(f"{args.out} is the picture itself, which is never replaced. Choose another name.")
    refuse_existing([args.out], overwrite=args.overwrite)
    return _Results(folder(args.out.parent), args.out.name, output_of(args, named), args.overwrite)


def _allowed(mask: Path, files: Sequence[Path]) -> NDArray[np.float32]:
    """Return the share of detail that a method may add, (h, w) in [0, 1], from a mask image; white allows none.

    Raises SRError if the mask cannot be read, or if there are several images.
    """
    from sr_demo.image import read
    from sr_demo.inference.faithful import allowed_detail

    if len(files) != 1:
        raise BadInput(f"--mask belongs to one picture, and {len(files)} are named. Run the command for each.")
    return allowed_detail(read(mask).rgb)


def _write_report(file: Path, results: Sequence[ImageResult], target: Path) -> None:
    from sr_demo.image import read
    from sr_demo.system.file_sizes import file_size
    from sr_demo.ui.viewer.shared_page import write_results_page

    write_results_page(read(file), results, target)
    print(f"{target}  {file_size(target.stat().st_size)}")


def _upscale(
    runner: Runner, jobs: Sequence[Job], path: Path, out: _Results, kept: set[Identity],
    shown: list[ImageResult] | None, allowed: NDArray[np.float32] | None,
) -> bool:  # fmt: skip
    """Upscale one file with each network, and print the paths of the results; return whether all networks succeeded.

    Args:
        runner: Runs the jobs.
        jobs: The networks; intermediate results that several of them need are computed once.
        path: The image file.
        out: Destination of the results.
        kept: The inputs and the results so far, which are never replaced; new results are added.
        shown: The results for the report, to which new results are added; None without a report.
        allowed: See `Runner.run`.
    """
    from sr_demo.image import for_output, read
    from sr_demo.inference.shared_work import SharedWork

    failed: list[Path] = []
    shared = SharedWork()
    with _complaints(path, failed):
        _refuse_others(path)
        output = out.output.like(kind_of(path))
        image = for_output(read(path), output)
        for job in jobs:
            with _complaints(path, failed):
                result = runner.run(job, image, progress=terminal(path.name), allowed=allowed, shared=shared)
                _write(result, path, out, output, kept)
                if shown is not None:
                    shown.append(result)
    return not failed


@contextmanager
def _complaints(path: Path, failed: list[Path]) -> Generator[None]:
    """Print errors instead of raising them, and add the file to `failed`."""
    try:
        yield
    except SRError as exc:
        print_file_error(path, str(exc))
        failed.append(path)
    except BrokenPipeError:  # of the output: results of the other files would not be read either
        raise
    except Exception as exc:
        print_file_error(path, log_unexpected(exc, f"upscaling {path}"))
        failed.append(path)


def _write(result: ImageResult, path: Path, out: _Results, output: Output, kept: set[Identity]) -> None:
    """Write the result for the image `path` as `output`, and print its path. See `_upscale` for the other arguments."""
    from sr_demo.image import write
    from sr_demo.reports.formatting import MASKED, precision

    with reserve_path(out.wanted(path, result.job, output), kept, overwrite=out.overwrite) as target:
        written = write(result.image, target, output)
    kept |= identities([target])
    for note in (*result.all_notes, *written.notes):
        print_file_error(path, note)
    height, width = result.image.size
    facts = [f"{width} x {height}", f"{result.seconds:.2f} s", precision(result.precision, result.loss_db)]
    also = [result.sizing, MASKED if result.masked else "", result.faces_sentence, written.sentence]
    print("  ".join([str(target), *facts, *filter(None, also)]))


def _expanded(paths: list[Path]) -> list[Path]:
    """Expand patterns such as `*.jpg`, which not every shell expands; keep patterns without matching files.

    Brackets in the name of a folder that exists are no pattern.
    """
    files: list[Path] = []
    for path in paths:
        parent = str(path.parent)
        pattern = os.path.join(glob.escape(parent) if os.path.isdir(parent) else parent, path.name)
        matches = sorted(glob.glob(pattern)) if _is_pattern(path) else []
        files += map(Path, matches or [path])
    return files


def _is_pattern(path: Path) -> bool:
    return glob.has_magic(str(path)) and not os.path.lexists(path)


def _refuse_others(path: Path) -> None:
    """Raise BadInput for a folder, and for a pattern that matches nothing."""
    name = display_name(path.name)
    if os.path.isdir(path):  # unlike Path.is_dir, never raises
        raise BadInput(
            f"{name} is a folder, and this command takes files. `python -m sr_demo batch {path} --out DIR` enlarges all "
            "pictures in it."
        )
    if _is_pattern(path):
        raise BadInput(f"{name} matches no file in {path.parent.absolute()}. Name the pictures, or check the folder.")
