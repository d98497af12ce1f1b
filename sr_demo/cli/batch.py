"""`python -m sr_demo batch`: upscales a folder of images, resumable."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sr_demo.cli.console import (
    add_download,
    add_output,
    add_overwrite,
    add_precision,
    add_set,
    assignments,
    output_of,
    print_error,
)
from sr_demo.cli.models import add_model, one_job
from sr_demo.cli.output_size import add_size
from sr_demo.codecs.sniff import with_file_name
from sr_demo.errors import BadInput, first_few

if TYPE_CHECKING:
    from sr_demo.batch.run import Event, Perform


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    command.description = (
        "Every picture, and every page of a TIFF stack, becomes a file in --out, PNG without --format; manifest.jsonl there "
        "has one line for each: checksums, options, precision, scores. After it was stopped or killed, --resume continues."
    )
    command.add_argument("source", type=Path, metavar="IN_DIR", help="folder of pictures")
    command.add_argument("--approach", metavar="ID[:CHECKPOINT]", help="which approach (see `list`)")
    add_model(command)
    add_set(command)
    add_size(command)
    command.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for results and manifest")
    command.add_argument("--recursive", action="store_true", help="include the subfolders of IN_DIR")
    command.add_argument("--resume", action="store_true", help="continue a batch that was stopped")
    command.add_argument(
        "--workers", type=int, metavar="N",
        help="processes, each of which loads the approach (default: 1 with all cores; with Ray: 2 with one core each)",
    )  # fmt: skip
    command.add_argument("--engine", choices=("local", "ray"), default="local", help="where to run")  # words: ok
    command.add_argument("--ray-address", default="", metavar="ADDRESS", help="a cluster, or auto (default: Ray here)")
    command.add_argument(
        "--ray-gpus", type=float, default=0.0, metavar="SHARE", help="share of a GPU for each Ray worker"
    )
    command.add_argument(
        "--metrics", type=Path, metavar="HR_DIR", help="folder of the originals: scores go into the manifest"
    )
    add_output(command)
    add_overwrite(command)
    add_precision(command)
    add_download(command)


def run(args: argparse.Namespace) -> int:
    """Process the batch; return 0 when every image has a result, 2 otherwise."""
    from sr_demo.batch import run as batches

    perform = _perform(args)
    batch = batches.Batch(
        one_job(args, args.approach, assignments(args.set), download=args.download),
        args.source,
        args.out,
        recursive=args.recursive,
        resume=args.resume,
        references=args.metrics,
        overwrite=args.overwrite,
        output=output_of(args),
    )
    summary = batches.run(batch, perform, _print_progress)
    for line in (*first_few(summary.failed), *first_few(summary.unreadable), *first_few(_notes(summary.notes))):
        print_error(line)
    left_out = f", {summary.left_out}" if summary.left_out else ""
    print(
        f"{summary.done} done, {summary.kept} existed already, {len(summary.failed)} skipped{left_out}; "
        f"{args.out / 'manifest.jsonl'} has the details"
    )
    return 2 if summary.failed or summary.unreadable else 0


def _notes(notes: dict[str, list[str]]) -> list[str]:
    """Return a line for each note, with the first image that it applies to and the number of other images."""
    return [
        with_file_name(names[0], note) if len(names) == 1 else f"{names[0]} and {len(names) - 1:,} more: {note}"
        for note, names in notes.items()
    ]


def _perform(args: argparse.Namespace) -> Perform:
    """Return the function that runs the batch: in this process, in several, or on Ray. Raises BadInput."""
    from sr_demo.batch.ray_workers import OnRay
    from sr_demo.batch.workers import perform_here, perform_in

    on_ray = args.engine == "ray"  # words: ok
    if not on_ray and (args.ray_address or args.ray_gpus):
        raise BadInput("--ray-address and --ray-gpus need --engine ray.")  # words: ok
    if not 0 <= args.ray_gpus <= 8:
        raise BadInput(f"--ray-gpus takes a number from 0 to 8, not {args.ray_gpus:g}.")
    workers = args.workers if args.workers is not None else 2 if on_ray else 1
    if not 1 <= workers <= 256:
        raise BadInput(f"--workers takes a number from 1 to 256, not {workers}.")
    if on_ray:
        return OnRay(workers, args.ray_address, args.ray_gpus)
    return perform_here if workers == 1 else perform_in(workers)


def _print_progress(event: Event) -> None:
    """Print a line with the remaining time that overwrites the last line; only to a terminal."""
    if not sys.stderr.isatty():
        return
    minutes, seconds = divmod(round(event.seconds_left), 60)
    left = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {seconds} s"
    end = "\n" if event.done == event.total else ""
    name = event.record["source"][-40:]
    sys.stderr.write(
        f"\r\033[K{event.done} of {event.total} ({event.done / event.total:.0%}), {left} left: {name}{end}"
    )
    sys.stderr.flush()
