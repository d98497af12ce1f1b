"""`--model FILE`: a user's own model file, in addition to or instead of an approach of the catalogue."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sr_demo.cli.console import terminal
from sr_demo.cli.output_size import size_of
from sr_demo.errors import BadInput

if TYPE_CHECKING:
    from sr_demo.imaging.output_size import OutputSize
    from sr_demo.inference.jobs import Job
    from sr_demo.spec import Approach, Precision


def add_model(command: argparse.ArgumentParser) -> None:
    """Add `--model`; `models` opens the files."""
    command.add_argument(
        "--model", action="append", default=[], type=Path, metavar="FILE",
        help="your own network: a .safetensors, .pth or .onnx file, or openmodeldb:NAME (see `models`); may be repeated",
    )  # fmt: skip


def add_licence(command: argparse.ArgumentParser) -> None:
    """Add `--licence`, for commands whose results state the licence of the files of `--model`."""
    command.add_argument(
        "--licence", default="", metavar="TEXT", help="licence of the files of --model, as you know it, such as MIT"
    )


def models(
    files: Sequence[Path],
    values: dict[str, object] | None = None,
    precision: Precision = "auto",
    size: OutputSize | None = None,
    licence: str = "",
) -> list[Job]:
    """Open the files of `--model`, in order.

    Args:
        files: The files as given.
        values: Option name -> value.
        precision: Numeric precision of the networks.
        size: Requested size of the results; None uses the scale of each network.
        licence: Licence of the files, as the user states it.

    Raises:
        SRError: A file cannot be used, or an option is unknown.
    """
    if not files:
        return []
    from sr_demo.community import fetched_models
    from sr_demo.inference.jobs import Job
    from sr_demo.options import build
    from sr_demo.user_models.opening import open_model, with_unique_names

    def opened_one(path: Path) -> Approach:
        progress = terminal(path.name)
        return (
            fetched_models.by_name(str(path), progress)
            if fetched_models.is_named(path)
            else open_model(path, progress, licence=licence)
        )

    opened = with_unique_names([opened_one(path) for path in files])
    return [Job(one, one.checkpoints[0], build(one.options, values or {}), precision, size=size) for one in opened]


def jobs(
    args: argparse.Namespace, names: Sequence[str], values: dict[str, object] | None = None, *, download: bool = False
) -> list[Job]:
    """Return the jobs of a command: those of the catalogue, then those of `--model`.

    Args:
        args: Parsed arguments with `model`; `precision` and the size are used if the command has them.
        names: ID[:CHECKPOINT] of the catalogue, or of a stored model file.
        values: Option name -> value, for every job.
        download: Allow large downloads.

    Raises:
        SRError: A name or an option is unknown, or a file cannot be used.
    """
    from sr_demo.inference.jobs import job_for

    licence = getattr(args, "licence", "")
    if licence and not args.model:
        raise BadInput("--licence states the licence of the files of --model, and none is given.")
    precision: Precision = getattr(args, "precision", "auto")
    there = approaches(names)
    size = size_of(args)
    found = [job_for(there, name, values, precision, download, size) for name in names]
    return found + models(args.model, values, precision, size, licence)


def some_jobs(
    args: argparse.Namespace, names: Sequence[str], values: dict[str, object] | None = None, *, download: bool = False
) -> list[Job]:
    """Like `jobs`, for commands that need at least one. Raises BadInput if there is none, or if one is named twice."""
    from sr_demo.inference.jobs import refuse_repeated

    found = jobs(args, names, values, download=download)
    if not found:
        raise BadInput("Name an approach (`list` shows them), or give a file of your own with --model.")
    refuse_repeated(found)
    return found


def one_job(
    args: argparse.Namespace, name: str | None, values: dict[str, object] | None = None, *, download: bool = False
) -> Job:
    """Like `jobs`, for commands that take exactly one. Raises BadInput for any other number of jobs."""
    found = some_jobs(args, [name] if name else [], values, download=download)
    if len(found) > 1:
        raise BadInput("This command takes one network at a time: either an approach or one --model.")
    return found[0]


def approaches(names: Sequence[str]) -> Sequence[Approach]:
    """Return the catalogue; if one of `names` is a model file, add the stored model files (see `with_files`)."""
    from sr_demo.catalogue import APPROACHES
    from sr_demo.community import fetched_models
    from sr_demo.user_models.opening import ID

    is_file = any(name.partition(":")[0] in (ID, fetched_models.ID) for name in names)
    return with_files() if is_file else APPROACHES


def with_files() -> Sequence[Approach]:
    """Return the catalogue, the models in the server's folder, and the models fetched from OpenModelDB."""
    from sr_demo.catalogue import APPROACHES
    from sr_demo.community import fetched_models
    from sr_demo.user_models import folder

    return (*APPROACHES, *folder.approaches(folder.from_environment()), *fetched_models.stored_approaches())
