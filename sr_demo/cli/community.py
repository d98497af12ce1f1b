"""`python -m sr_demo models`: search of the community's models on OpenModelDB by words, scale, licence, architecture."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from sr_demo.cli.console import print_error, terminal
from sr_demo.cli.parser import Command, add_commands
from sr_demo.system.file_sizes import file_size

if TYPE_CHECKING:
    from sr_demo.community.search import Hit

_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands to the parser of `models`."""
    parser.description = (
        "The models of OpenModelDB (openmodeldb.info), each with the author's licence. `fetch openmodeldb:NAME` downloads "
        "and checks one, and --model openmodeldb:NAME runs it wherever --model takes a file."
    )
    add_commands(
        parser,
        [Command("search", "find models by words in their cards", _declare_search, "models search photo --scale 4\n"
                 "models search anime --architecture compact --licence any --json")],
    )  # fmt: skip


def _declare_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORD", help="must all occur in the card; none lists everything")
    parser.add_argument("--scale", type=int, metavar="N", help="only models that enlarge N times (1: that clean)")
    parser.add_argument(
        "--licence", choices=("commercial", "any"), default="commercial",
        help="commercial: only licences that allow commercial use (default); any: all, and those without one",
    )  # fmt: skip
    parser.add_argument(
        "--architecture", default="", metavar="NAME", help="only this one, such as esrgan, compact, dat"
    )
    parser.add_argument("--limit", type=int, default=_SHOWN, metavar="N", help=f"most models to print ({_SHOWN})")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.set_defaults(run=_search)


def _search(args: argparse.Namespace) -> int:
    from sr_demo.community import index
    from sr_demo.community.search import Query, search
    from sr_demo.user_models.model_file import MAX_BYTES

    there = index.load(terminal("OpenModelDB"))
    query = Query(" ".join(args.words), args.scale, args.licence, args.architecture)
    found, others = search(there.cards, query, there.address, MAX_BYTES)
    shown = found[: max(args.limit, 0)]
    if args.json:
        print(json.dumps([record(hit) for hit in shown], indent=2))
    for hit in () if args.json else shown:
        print(_lines(hit))
    if len(found) > len(shown):
        print_error(f"{len(found) - len(shown)} more match: --limit {len(found)} shows them.")
    if others:
        print_error(f"{others} more match whose licence does not allow commercial use: --licence any shows them.")
    if not found and not others:
        print_error(f"No model of {len(there.cards)} matches.")
    return 0


def record(hit: Hit) -> dict[str, Any]:
    """Return the facts about one model as JSON-able data."""
    from sr_demo.reports.verdicts import commercial_use

    card, file = hit.card, hit.file
    return {
        "name": f"openmodeldb:{card.id}",
        "title": card.name,
        "author": card.author,
        "licence": card.licence,
        "commercial": commercial_use(card.licence),
        "architecture": card.architecture,
        "scale": card.scale,
        "tags": list(card.tags),
        "description": card.description,
        "file": file.name if file else None,
        "bytes": file.bytes if file else None,
        "sha256": file.sha256 if file else None,
        "sources": [str(source) for source in file.sources] if file else [],
        "cannot_run_here": hit.why,
    }


def _lines(hit: Hit) -> str:
    from sr_demo.reports import formatting

    card = hit.card
    parts = [f"{card.scale}x", card.architecture, formatting.terms(card.licence), f"by {card.author}"]
    if hit.file is not None:
        parts.insert(2, file_size(hit.file.bytes))
    lines = [f"openmodeldb:{card.id}", f"    {', '.join(parts)}"]
    if card.tags:
        lines.append(f"    {', '.join(card.tags)}")
    if hit.why:
        lines.append(f"    cannot run here: {hit.why}")
    return "\n".join(lines)
