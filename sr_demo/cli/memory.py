"""`python -m sr_demo memory`: patch memories of one's own photos: build, list, ask, delete."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sr_demo.cli.console import complain, folder, terminal
from sr_demo.errors import BadInput, first_few

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".avif"})


def add_arguments(command: Any) -> None:
    """Declare the command's actions."""
    actions = command.add_subparsers(title="actions", required=True, metavar="ACTION")
    _add_build(actions)
    _add_ask(actions)
    listing = actions.add_parser("list", help="the memories that were built here")
    listing.add_argument("--json", action="store_true", help="print JSON for programs")
    listing.set_defaults(run=_list)
    delete = actions.add_parser("delete", help="delete a memory, or what a stopped build left")
    delete.add_argument("name", metavar="NAME")
    delete.set_defaults(run=_delete)
    actions.add_parser("train", help="learn the embedded memory from a folder of photos", declare=_declare_train)


def _declare_train(command: argparse.ArgumentParser) -> None:
    """Declare `memory train`, which imports torch and so is declared only when it is chosen."""
    from sr_demo.training.mosaic_anchors import add_memory_arguments, run_memory

    add_memory_arguments(command)
    command.set_defaults(run=run_memory)


def _add_build(actions: Any) -> None:
    build = actions.add_parser(
        "build",
        help="make a memory of a folder of photos; stopped or killed, the same command goes on",
        description="Photos are shrunk, cut into patches, described and indexed. Use it with `--approach mosaic --set "
        "memory=NAME` (or mosaic:refined), or choose it on the page, where all visitors may.",
    )
    build.add_argument(
        "source", metavar="DIR", help="folder of photos, or a data set on the Hub: hf://datasets/OWNER/NAME"
    )
    build.add_argument("--out", required=True, metavar="NAME", help="what the memory is called")
    build.add_argument("--hub", action="store_true", help="DIR is OWNER/NAME, a data set on the Hub")
    build.add_argument(
        "--kind", choices=("tiles", "refined"), default="tiles", help="for the mosaic, or for fine detail"
    )
    build.add_argument("--patch", type=int, default=8, metavar="P", help="side of a piece in small pixels, 4 to 64 (8)")
    build.add_argument("--shrink", type=int, default=1, metavar="S", help="shrink the photos first, 1 to 32 times (1)")
    build.add_argument("--patches", type=int, default=200_000, metavar="N", help="about how many in all (200000)")
    build.add_argument("--budget-mb", type=int, default=512, metavar="MB", help="memory that the index may take (512)")
    build.add_argument("--seed", type=int, default=0)
    _add_engine(build)
    build.set_defaults(run=_build)


def _add_ask(actions: Any) -> None:
    ask = actions.add_parser(
        "ask",
        help="look up every patch of many pictures",
        description="For each picture in DIR an .npz file: numbers and squared distances of the nearest memories, "
        "(rows, columns, k), and for each of them its photo and place.",
    )
    ask.add_argument("name", metavar="NAME", help="the memory")
    ask.add_argument("source", type=Path, metavar="DIR", help="folder of small pictures")
    ask.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the answers")
    ask.add_argument("--neighbours", type=int, default=9, metavar="K", help="memories per patch, 1 to 100 (9)")
    _add_engine(ask)
    ask.set_defaults(run=_ask)


def _add_engine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--engine", choices=("local", "ray"), default="local", help="where the work is done")
    command.add_argument("--ray-address", default="", metavar="ADDRESS", help="a cluster, or auto; default: Ray here")
    command.add_argument("--workers", type=int, default=0, metavar="N", help="threads, or workers of a Ray here")


def _engine(args: argparse.Namespace) -> Any:
    from sr_demo.approaches.mosaic.executors import Local, Ray

    if not 0 <= args.workers <= 256:
        raise BadInput(f"--workers takes a number from 1 to 256, not {args.workers}.")
    if args.engine == "ray":
        return Ray(args.ray_address, args.workers or 2)
    return Local(args.workers)


def _build(args: argparse.Namespace) -> int:
    from sr_demo.approaches.mosaic import database_build, named_databases
    from sr_demo.approaches.mosaic.shards import Recipe

    for flag, value, low, high in (
        ("--patch", args.patch, 4, 64), ("--shrink", args.shrink, 1, 32), ("--patches", args.patches, 1, 10**9),
        ("--budget-mb", args.budget_mb, 1, 10**6), ("--seed", args.seed, 0, 2**32 - 1),
    ):  # fmt: skip
        if not low <= value <= high:
            raise BadInput(f"{flag} takes a number from {low} to {high}, not {value}.")
    named_databases.checked(args.out)
    engine = _engine(args)
    progress = terminal(f"memory {args.out}")
    files, source = _photos(args.source, args.hub, progress)
    recipe = Recipe(args.kind, args.patch, args.shrink, args.patches, args.seed, args.budget_mb)
    try:
        built = database_build.build(database_build.Order(args.out, files, recipe, source), engine, progress)
    except KeyboardInterrupt:
        complain("Stopped. What is done is kept: the same command goes on, `memory delete` removes it.")
        return 130
    for sentence in first_few([f"left out: {sentence}" for sentence in built.skipped]):
        complain(sentence)
    entry = built.entry
    if built.was_there:
        print(f"{entry.name} is there already, made of the same photos in the same way.")
    print(f"{entry.name}: {entry.what}, {entry.bytes / 1e6:.1f} MB, {entry.index}, in {entry.place}")
    if entry.gives_up:
        print(f"The index {entry.gives_up}.")
    return 0


def _photos(source: str, hub: bool, progress: Any) -> tuple[tuple[Path, ...], str]:
    """The pictures in a folder, or those of a data set on the Hub, fetched."""
    if hub or source.startswith("hf://"):
        from sr_demo.hub.datasets import fetch

        name = source.removeprefix("hf://").removeprefix("datasets/")
        return fetch(name, _SUFFIXES, progress), f"hf://datasets/{name}"
    place = Path(source)
    if not place.is_dir():
        raise BadInput(
            f"There is no folder {source}. Name a folder of photos, or a data set: hf://datasets/OWNER/NAME."
        )
    files = tuple(sorted(path for path in place.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file()))
    if not files:
        raise BadInput(f"The folder {source} holds no pictures ({', '.join(sorted(_SUFFIXES))}).")
    return files, str(place.absolute())


def _ask(args: argparse.Namespace) -> int:
    from sr_demo.approaches.mosaic import batch_search, named_databases

    if not 1 <= args.neighbours <= 100:
        raise BadInput(f"--neighbours takes a number from 1 to 100, not {args.neighbours}.")
    entry = named_databases.find(args.name)
    files, _ = _photos(str(args.source), False, None)
    out = folder(args.out)
    failed = False
    for answer in batch_search.ask(entry, files, args.neighbours, out, _engine(args), terminal(f"asking {entry.name}")):
        failed |= bool(answer.refused)
        if answer.refused:
            complain(f"{answer.file.name}: {answer.refused}")
        else:
            print(f"{answer.out}  {answer.patches} patches, {answer.distinct} different memories")
    return 2 if failed else 0


def _list(args: argparse.Namespace) -> int:
    from sr_demo.approaches.mosaic import named_databases

    found = named_databases.entries()
    if args.json:
        print(json.dumps([{**asdict(entry), "place": str(entry.place)} for entry in found], indent=2))
        return 0
    if not found:
        print("No memory was built here yet. The mosaic uses the photos that come with scikit-image.")
    for entry in found:
        print(
            f"{entry.name:<24}{entry.what}, {entry.bytes / 1e6:.1f} MB, {entry.index}, {entry.date}, of {entry.source}"
        )
    return 0


def _delete(args: argparse.Namespace) -> int:
    from sr_demo.approaches.mosaic import named_databases

    named_databases.delete(args.name)
    print(f"{args.name} is deleted")
    return 0
