"""The argument parser of the command line: errors in one line, and lazy import of the commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

Declare = Callable[[argparse.ArgumentParser], None]
"""Adds the arguments of one command to its parser, and sets `run`."""


class Parser(argparse.ArgumentParser):
    """A parser that prints errors as one line, and declares the arguments of a command only when the command is chosen.

    A command's module is therefore imported only when it is needed; `--help` of the program imports none.

    Args:
        declare: Called with this parser, once, before it parses for the first time.
    """

    def __init__(self, *args: Any, declare: Declare | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **{"formatter_class": _Help, **kwargs})
        self._declare = declare

    def error(self, message: str) -> NoReturn:
        """Print `message` as one line on standard error and exit with status 2."""
        self.exit(2, f"{self.prog}: {message} (--help explains)\n")

    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]: overloads there, one signature here
        self, args: Any = None, namespace: Any = None
    ) -> Any:
        """Declare the arguments at the first call, then parse as argparse does."""
        declare, self._declare = self._declare, None
        if declare is not None:
            declare(self)
        return super().parse_known_args(args, namespace)


class _Help(argparse.HelpFormatter):
    """Formatter that wraps descriptions, but keeps the line breaks of examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return text
        return super()._fill_text(text, width, indent)


class Command(NamedTuple):
    """One subcommand, as the help of its parent lists it."""

    name: str
    help: str
    declare: Declare
    examples: str
    """One or more lines, without `python -m sr_demo`."""


def in_module(name: str) -> Declare:
    """Return the declaration of a command whose module has `add_arguments(parser)` and `run(args) -> int`.

    Args:
        name: Dotted name of the module below `sr_demo.cli`.
    """
    return partial(_declare, name)


def _declare(name: str, parser: argparse.ArgumentParser) -> None:
    module = import_module(f"sr_demo.cli.{name}")
    module.add_arguments(parser)
    parser.set_defaults(run=module.run)


def group_in_module(name: str) -> Declare:
    """Return the declaration of a command with subcommands, which `add_arguments(parser)` in its module adds."""

    def declare(parser: argparse.ArgumentParser) -> None:
        import_module(f"sr_demo.cli.{name}").add_arguments(parser)

    return declare


def add_commands(parser: argparse.ArgumentParser, commands: Sequence[Command], title: str = "commands") -> None:
    """Add subcommands to `parser`, one of which must be given.

    Args:
        parser: A `Parser`.
        commands: In the order of the help text.
        title: Heading of the list in the help text.
    """
    added: Any = parser.add_subparsers(title=title, required=True, metavar="COMMAND")
    for command in commands:
        epilog = examples(*command.examples.splitlines())
        added.add_parser(command.name, help=command.help, declare=command.declare, epilog=epilog)


def examples(*lines: str) -> str:
    """Return the examples at the end of a help text; `lines` are command lines without `python -m sr_demo`."""
    return "\n".join(["examples:", *(f"  python -m sr_demo {line}" for line in lines), ""])
