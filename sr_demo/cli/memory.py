"""`python -m sr_demo memory`: builds, lists, searches and deletes patch databases of a user's own photos."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sr_demo.cli.console import add_overwrite, folder, print_error, print_file_error, terminal
from sr_demo.cli.parser import Command, add_commands
from sr_demo.codecs.image_files import SUFFIXES, find_images
from sr_demo.errors import BadInput, first_few
from sr_demo.system.file_sizes import file_size


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Declare the command's actions."""
    add_commands(command, ACTIONS, title="actions")


def _declare_list(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON for programs")
    command.set_defaults(run=_list)


def _declare_delete(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME", help="the memory (see `memory list`)")
    command.set_defaults(run=_delete)


def _declare_train(command: argparse.ArgumentParser) -> None:
    """Declare `memory train`. This imports torch, so that it is done only when the action is chosen."""
    from sr_demo.training.mosaic_anchors import add_anchor_arguments, run_anchor_training

    add_anchor_arguments(command)
    command.set_defaults(run=run_anchor_training)


def _declare_build(build: argparse.ArgumentParser) -> None:
    build.description = (
        "Photos are cut into patches, which are indexed. Use the memory with `--approach mosaic --set memory=NAME` (or "
        "mosaic:refined), or choose it on the page, where every visitor can."
    )
    build.add_argument(
        "source", metavar="DIR", help="folder of photos, or a data set on the Hub: hf://datasets/OWNER/NAME"
    )
    build.add_argument("--out", required=True, metavar="NAME", help="name of the memory")
    build.add_argument("--hub", action="store_true", help="DIR is OWNER/NAME, a data set on the Hub")
    build.add_argument(
        "--kind", choices=("tiles", "refined"), default="tiles", help="for the mosaic, or for fine detail (tiles)"
    )
    build.add_argument("--patch", type=int, default=8, metavar="P", help="side of a patch in LR pixels, 4 to 64 (8)")
    build.add_argument(
        "--shrink",  # words: ok
        type=int, default=1, metavar="S", help="make the photos this many times smaller first, 1 to 32 (1)"
    )  # fmt: skip
    build.add_argument(
        "--patches", type=int, default=200_000, metavar="N", help="about how many patches in all (200000)"
    )
    build.add_argument("--budget-mb", type=int, default=512, metavar="MB", help="RAM that the index may take (512)")
    build.add_argument("--seed", type=int, default=0)
    _add_executor(build)
    build.set_defaults(run=_build)


def _declare_search(search: argparse.ArgumentParser) -> None:
    search.description = (
        "Writes an .npz file for each picture in DIR: numbers and squared distances of the nearest patches, (rows, columns, "
        "k), and for each of them its photo and place."
    )
    search.add_argument("name", metavar="NAME", help="the memory")
    search.add_argument(
        "source", metavar="DIR", help="folder of LR pictures, or a data set on the Hub: hf://datasets/OWNER/NAME"
    )
    search.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the .npz files")
    search.add_argument("--neighbours", type=int, default=9, metavar="K", help="matches for each patch, 1 to 100 (9)")
    add_overwrite(search)
    _add_executor(search)
    search.set_defaults(run=_search)


def _add_executor(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--engine",  # words: ok
        choices=("local", "ray"),
        default="local",
        help="where to run it (local)",
    )
    command.add_argument(
        "--ray-address", default="", metavar="ADDRESS", help="a cluster, or auto (default: start a Ray here)"
    )
    command.add_argument(
        "--workers", type=int, default=0, metavar="N", help="threads, or workers of a Ray that is started here"
    )


def _executor(args: argparse.Namespace) -> Any:
    from sr_demo.approaches.mosaic.executors import LocalExecutor, RayExecutor

    if not 0 <= args.workers <= 256:
        raise BadInput(f"--workers takes a number from 1 to 256, not {args.workers}.")
    if args.engine == "ray":  # words: ok
        return RayExecutor(args.ray_address, args.workers or 2)
    return LocalExecutor(args.workers)


def _build(args: argparse.Namespace) -> int:
    from sr_demo.approaches.mosaic import database_build, named_databases
    from sr_demo.approaches.mosaic.build_plan import BuildRequest
    from sr_demo.approaches.mosaic.shards import Recipe

    for flag, value, low, high in (
        ("--patch", args.patch, 4, 64), ("--patches", args.patches, 1, 10**9),
        ("--shrink", args.shrink, 1, 32),  # words: ok
        ("--budget-mb", args.budget_mb, 1, 10**6), ("--seed", args.seed, 0, 2**32 - 1),
    ):  # fmt: skip
        if not low <= value <= high:
            raise BadInput(f"{flag} takes a number from {low} to {high}, not {value}.")
    named_databases.check_name(args.out)
    executor = _executor(args)
    progress = terminal(f"memory {args.out}")
    files, source = _photos(args.source, args.hub, progress)
    recipe = Recipe(
        args.kind,
        args.patch,
        args.shrink,  # words: ok
        args.patches,
        args.seed,
        args.budget_mb,
    )
    request = BuildRequest(args.out, files, recipe, source)
    try:
        built = database_build.build_named_database(request, executor, progress)
    except KeyboardInterrupt:
        print_error(
            "Stopped. The finished parts are kept: run the same command to resume, or `memory delete` to remove them."
        )
        return 130
    for sentence in first_few([f"left out: {sentence}" for sentence in built.skipped]):
        print_error(sentence)
    database = built.database
    if built.existed:
        print(f"{database.name} exists already, built from the same photos with the same settings.")
    print(f"{database.name}: {_description(database)}, in {database.place}")
    if database.gives_up:
        print(f"The index {database.gives_up}.")
    return 0


def _photos(source: str, hub: bool, progress: Any) -> tuple[tuple[Path, ...], str]:
    """Return the images in a folder, or those of a data set on the Hub, and the name of their source."""
    if hub or source.startswith("hf://"):
        from sr_demo.hub.datasets import fetch

        name = source.removeprefix("hf://").removeprefix("datasets/")
        return fetch(name, SUFFIXES, progress), f"hf://datasets/{name}"
    place = Path(source)
    if not place.is_dir():
        raise BadInput(
            f"There is no folder {source}. Name a folder of photos, or a data set: hf://datasets/OWNER/NAME."
        )
    found = find_images(place, recursive=True)
    for sentence in first_few([*([f"{place}: {found.left_out}."] if found.left_out else []), *found.unreadable]):
        print_error(sentence)
    if not found.images:
        raise BadInput(f"The folder {source} holds no pictures{f' ({found.left_out})' if found.left_out else ''}.")
    return found.images, str(place.absolute())


def _search(args: argparse.Namespace) -> int:
    from sr_demo.approaches.mosaic import batch_search, named_databases

    if not 1 <= args.neighbours <= 100:
        raise BadInput(f"--neighbours takes a number from 1 to 100, not {args.neighbours}.")
    database = named_databases.find(args.name)
    progress = terminal(f"searching {database.name}")
    files, _ = _photos(args.source, False, progress)
    out = folder(args.out)
    failed = False
    results = batch_search.search_images(
        database, files, args.neighbours, out, _executor(args), progress, overwrite=args.overwrite
    )
    for result in results:
        failed |= bool(result.refused)
        if result.refused:
            print_file_error(result.file, result.refused)
        else:
            print(f"{result.out}  {result.patches} patches, {result.distinct} different matches")
    return 2 if failed else 0


def _list(args: argparse.Namespace) -> int:
    from sr_demo.approaches.mosaic import named_databases

    found = named_databases.list_databases()
    if args.json:
        print(json.dumps([{**asdict(database), "place": str(database.place)} for database in found], indent=2))
        return 0
    if not found:
        print("No memory has been built here yet. The mosaic uses the photos that come with scikit-image.")
    for database in found:
        print(f"{database.name:<24}{_description(database)}, {database.date}, from {database.source}")
    return 0


def _description(database: Any) -> str:
    return f"{database.summary}, {file_size(database.bytes)}, {database.index}"


def _delete(args: argparse.Namespace) -> int:
    from sr_demo.approaches.mosaic import named_databases

    named_databases.delete(args.name)
    print(f"{args.name} is deleted")
    return 0


ACTIONS = (
    Command(
        "build",
        "build a memory from a folder of photos; run again, it resumes where it was stopped or killed",
        _declare_build,
        "memory build photos/ --out ours --kind refined\nmemory build hf://datasets/OWNER/NAME --out theirs",
    ),
    Command(
        "ask",
        "find the nearest patches for every patch of many pictures",
        _declare_search,
        "memory ask ours photos/ --out matches/",
    ),
    Command("list", "the memories that were built here", _declare_list, "memory list"),
    Command("delete", "delete a memory, or the remains of a stopped build", _declare_delete, "memory delete ours"),
    Command(
        "train",
        "learn the embedded memory from a folder of photos",
        _declare_train,
        "memory train --data photos/ --out memory.safetensors",
    ),
)
