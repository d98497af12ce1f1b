"""The command line's entry: it assembles the commands and turns their errors into one line and an exit status.

Exit status: 0 on success, 2 with one clear line on bad arguments or input, 130 on Ctrl-C, 1 on a bug. Progress goes to a
terminal only.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from sr_demo.cli.console import complain
from sr_demo.cli.parser import Command, Parser, add_commands, group_in_module, in_module
from sr_demo.errors import SRError, unexpected

_EXAMPLES = """examples:
  python -m sr_demo list
  python -m sr_demo upscale photo.jpg --approach rdn --out big/
  python -m sr_demo upscale *.png --approach mosaic:tiles-8 --set overlap=50 --out big/
  python -m sr_demo evaluate --hr photos/ --approach bicubic --approach hat --json scores.json
"""


def _declare_train(parser: argparse.ArgumentParser) -> None:
    from sr_demo.cli.train import add_train_arguments, run_train

    add_train_arguments(parser)
    parser.epilog = (
        "examples:\n"
        "  python -m sr_demo train espcn --data photos/ --out espcn.safetensors --minutes 10\n"
        "  python -m sr_demo train espcn --data photos/ --out espcn.safetensors --minutes 20 --resume\n"
    )
    parser.set_defaults(run=run_train)


COMMANDS: tuple[Command, ...] = (
    Command("list", "list approaches with their options, checkpoints and licences", in_module("listing")),
    Command("fetch", "download published checkpoints ahead of their first use", in_module("fetch")),
    Command("upscale", "enlarge pictures with one approach", in_module("upscale")),
    Command("evaluate", "score approaches against the original pictures", in_module("evaluate")),
    Command("batch", "enlarge a folder of pictures; can be stopped and resumed", in_module("batch")),
    Command("export", "write a network for use without this program, checked", in_module("export")),
    Command("deploy", "measure what methods cost here, and judge them by a budget", in_module("deploy")),
    Command(
        "bench", "measure speed, memory and reliability, each with a subcommand", group_in_module("bench.commands")
    ),
    Command("evaluate-digits", "score the digits lab on the MNIST test digits", in_module("evaluate_digits")),
    Command("data", "inspect a data set: sizes, sharpness, difficulty, duplicates, leaks", in_module("data")),
    Command("memory", "build, list, ask and delete the mosaic's memories", group_in_module("memory")),
    Command("train", "train an embedded network from a folder of photos", _declare_train),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments; those of the process if None.

    Returns:
        The exit status.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["bench"]:
        from sr_demo.cli.bench.old_spellings import with_subcommand

        arguments[1:] = with_subcommand(arguments[1:])
    args = _parser().parse_args(arguments)
    try:
        return args.run(args)
    except SRError as exc:
        complain(str(exc))
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except Exception as exc:
        complain(unexpected(exc, "running a command"))
        return 1


def _parser() -> Parser:
    parser = Parser(
        prog="python -m sr_demo",
        description="Enlarge pictures with very different methods, and measure what each one costs.",
        epilog=_EXAMPLES,
    )
    add_commands(parser, COMMANDS)
    return parser
