"""Entry point of the command line: declares the commands, and turns their errors into one line and an exit status.

Exit status: 0 on success, 2 with one clear line on bad arguments or input, 130 on Ctrl-C, 141 if the output is no longer
read, 1 on a bug. Progress goes to a terminal only.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import select
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from sr_demo.cli.console import print_error
from sr_demo.cli.parser import Command, Parser, add_commands, examples, group_in_module, in_module
from sr_demo.errors import Cancelled, SRError, log_unexpected

_OF_PATHS = {
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EROFS,
    errno.ENOSPC,
}  # fmt: skip
"""Errors of a path that the user named; any other error of a file is a bug."""
_CHECK = "Check its name and its permissions."
_ADVICE = {errno.ENOSPC: "Make room there, or choose another place.", errno.EROFS: "Choose another place."}
_PACKAGE = Path(__file__).resolve().parents[1]
_OURS = (_PACKAGE, *(_PACKAGE.parent / name for name in ("weights", "assets")))
"""Folders with the files of this program."""


def _declare_train(parser: argparse.ArgumentParser) -> None:
    from sr_demo.cli.train import add_train_arguments, run_train

    add_train_arguments(parser)
    parser.set_defaults(run=run_train)


COMMANDS: tuple[Command, ...] = (
    Command("list", "list approaches with their options, checkpoints and licences", in_module("listing"), "list"),
    Command(
        "fetch",
        "download published checkpoints ahead of their first use",
        in_module("fetch"),
        "fetch --recommended\nfetch dat real-esrgan:x4plus",
    ),
    Command(
        "models",
        "search the community's models of OpenModelDB",
        group_in_module("community"),
        "models search photo --scale 4\nfetch openmodeldb:4x-HFA2k",
    ),
    Command(
        "upscale",
        "enlarge pictures with one approach",
        in_module("upscale"),
        "upscale photo.jpg --approach rdn --out big/ --report rdn.html\n"
        "upscale *.png --approach mosaic:tiles-8 --set overlap=50 --out big/",
    ),
    Command(
        "advise",
        "recommend methods for a picture, with reasons",
        in_module("advise"),
        "advise photo.jpg\nadvise photo.jpg --json",
    ),
    Command(
        "evaluate",
        "score approaches against the original pictures",
        in_module("evaluate"),
        "evaluate --hr photos/ --approach bicubic --approach hat --json scores.json\n"
        "evaluate --hr HR/ --lr LR/ --approach rdn",
    ),
    Command(
        "batch",
        "enlarge a folder of pictures; can be stopped and resumed",
        in_module("batch"),
        "batch photos/ --approach rdn --out big/ --recursive\n"
        "batch photos/ --approach rdn --out big/ --recursive --resume",
    ),
    Command(
        "export",
        "write a network for use without this program, checked",
        in_module("export"),
        "export rdn --format onnx --out rdn.onnx",
    ),
    Command(
        "quantize",
        "write the int8 forms that ship in weights/int8 (for maintainers)",
        in_module("quantize"),
        "quantize edsr rdn --test-sets testsets/ --val photos/val",
    ),
    Command(
        "deploy",
        "measure what methods cost here, and judge them by a budget",
        in_module("deploy"),
        "deploy rdn hat --size 512x512 --budget seconds=2 --html report.html",
    ),
    Command(
        "bench",
        "measure speed, memory and reliability, each with a subcommand",
        group_in_module("bench.commands"),
        "bench speed --case edsr-128 --rounds 3\nbench growth espcn real-esrgan --megapixels 4\nbench costs espcn",
    ),
    Command(
        "evaluate-digits",
        "score the digits lab on the MNIST test digits",
        in_module("evaluate_digits"),
        "evaluate-digits --data mnist.npz --json digits.json",
    ),
    Command(
        "data",
        "inspect a data set: sizes, sharpness, difficulty, duplicates, leaks",
        in_module("data"),
        "data photos/ --against testset/ --html data.html",
    ),
    Command(
        "memory",
        "build, list, ask and delete the mosaic's memories",
        group_in_module("memory"),
        "memory build photos/ --out ours --kind refined\n"
        "upscale photo.jpg --approach mosaic:refined --set memory=ours --out big/",
    ),
    Command(
        "train",
        "train an embedded network from a folder of photos",
        _declare_train,
        "train espcn --data photos/ --out espcn.safetensors --minutes 10\n"
        "train espcn --data photos/ --out espcn.safetensors --minutes 20 --resume",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments; None for those of the process.

    Returns:
        The exit status.
    """
    _print_every_name()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["bench"]:
        from sr_demo.cli.bench.commands import with_subcommand

        arguments[1:] = with_subcommand(arguments[1:])
    args = build_parser().parse_args(arguments)
    try:
        status = args.run(args)
        sys.stdout.flush()
        return status
    except SRError as exc:
        print_error(str(exc))
        return 2
    except (KeyboardInterrupt, Cancelled):
        print("stopped", file=sys.stderr)
        return 130
    except Exception as exc:
        if isinstance(exc, BrokenPipeError) and _output_is_unread():
            return 141
        if isinstance(exc, OSError) and (path := _path_of_the_user(exc)):
            print_error(f"{path} cannot be used: {exc.strerror}. {_ADVICE.get(exc.errno or 0, _CHECK)}")
            return 2
        print_error(log_unexpected(exc, "running a command"))
        return 1


def _path_of_the_user(exc: OSError) -> str:
    """Return the path with which the user caused `exc`; empty for other errors, and for files of this program."""
    if exc.errno not in _OF_PATHS or not isinstance(exc.filename, str | bytes | os.PathLike):
        return ""
    name = os.fsdecode(exc.filename)
    path = Path(os.path.abspath(name))
    return "" if any(path.is_relative_to(folder) for folder in _OURS) else name


def _output_is_unread() -> bool:
    """Return whether the reader of standard output has ended, such as `head`; the rest of the output is dropped then."""
    poll = select.poll()
    poll.register(sys.stdout, 0)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # also for the flush at exit
    return True


def _print_every_name() -> None:
    """Make standard output and error escape characters that they cannot encode, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def build_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog="python -m sr_demo",
        description="Enlarge pictures with very different methods, and measure what each one costs.",
        epilog=examples(*(command.examples.splitlines()[0] for command in COMMANDS[:4])),
    )
    add_commands(parser, COMMANDS)
    return parser
