"""Deprecated spellings of `bench` without subcommands; they work for one more release, with a hint."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence

from sr_demo.cli.bench.commands import SUBCOMMANDS
from sr_demo.cli.console import print_error
from sr_demo.cli.parser import Parser


def with_subcommand(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of `bench`, with the subcommand if it is missing.

    Old spellings are translated, and a line on standard error names the new one. All other arguments belong to `speed`.
    """
    given = list(arguments)
    if given and (given[0] in {"-h", "--help"} or not given[0].startswith("-")):
        return given
    translated = _translated(_parser().parse_known_args(given)[0])
    if translated is None:
        return [SUBCOMMANDS[0].name, *given]
    print_error(
        f"`bench {shlex.join(given)}` is now `bench {shlex.join(translated)}`. The old spelling will be gone in the next "
        "release."
    )
    return translated


def _parser() -> Parser:
    parser = Parser(prog="python -m sr_demo bench", add_help=False, allow_abbrev=False)
    for flag in ("--startup", "--around", "--halos", "--tiles"):
        parser.add_argument(flag, action="store_true")
    for flag in ("--precision-from", "--startup-cache", "--rounds"):
        parser.add_argument(flag)
    for flag in ("--case", "--growth", "--megapixels"):
        parser.add_argument(flag, action="append", default=[])
    parser.add_argument("--costs", choices=("show", "bytes", "all"))
    return parser


def _translated(old: argparse.Namespace) -> list[str] | None:
    """Return the new spelling, or None for arguments of `speed`."""
    rounds = ["--rounds", old.rounds] if old.rounds else []
    megapixels = [word for size in old.megapixels for word in ("--megapixels", size)]
    if old.precision_from:
        return ["precision", old.precision_from, *old.case]
    if old.startup:
        return ["startup", *(["--cache", old.startup_cache] if old.startup_cache else []), *rounds]
    if old.costs:
        return ["costs", *old.case, *([] if old.costs == "show" else ["--write", old.costs])]
    if old.halos:
        return ["halos", *old.case]
    if old.tiles:
        return ["tiles", *old.case, *rounds]
    if old.around:
        return ["overhead", *megapixels, *rounds]
    if old.growth:
        return ["growth", *old.growth, *megapixels, *rounds]
    return None
