"""The subcommands of `python -m sr_demo bench`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from sr_demo.cli.parser import Command, add_commands, in_module

SUBCOMMANDS: tuple[Command, ...] = tuple(
    Command(name, text, in_module(f"bench.{name.replace('-', '_')}"), f"bench {name} {example}".rstrip())
    for name, text, example in (
        (
            "speed",
            "seconds, GFLOP/s and memory beside plain torch, ONNX Runtime and OpenVINO (default)",
            "--case edsr-128 --rounds 3",
        ),
        ("startup", "seconds until the page is served, and until the first results of real-esrgan", "--rounds 3"),
        (
            "overhead",
            "seconds per megapixel of everything but the network: reading, tiles, metrics, writing",
            "--megapixels 4",
        ),
        (
            "growth",
            "time, memory and error of the time estimate for results from 1 to 64 megapixels",
            "espcn real-esrgan --megapixels 4",
        ),
        (
            "costs",
            "memory and seconds of each method, which tile sizes and time estimates rest on",
            "espcn --write all",
        ),
        ("halos", "how much context the tiles of each embedded network need", "edsr"),
        ("tiles", "seconds per megapixel by tile size", "edsr --rounds 3"),
        ("precision", "how far PSNR-Y in bf16 and in int8 is from fp32", "Set5/ edsr rdn"),
        (
            "imitation",
            "how near small networks come to the one that they imitate, on degraded photos",
            "photos/ real-esrgan:compact",
        ),
        ("gpu", "speed and memory of four networks on a GPU", "--json gpu.json"),
        ("pipelines", "seconds per step and memory of the large diffusion models, on a GPU", ""),
        ("diffusion", "seconds per step and memory of our own diffusion model", "--rounds 3"),
        ("memory", "how much memory large pictures take, through the page and the command line (Linux)", ""),
        ("load", "many visitors at once: are all of them answered, and rightly?", "--visitors 50 --method espcn"),
        ("soak", "whether a server grows over minutes of requests", "--minutes 10 --store-mb 64"),
        ("kills", "whether the next server recovers from killed servers and full disks", "during_a_run"),
        (
            "mosaic",
            "how long patch databases take to build and to search, and what their indexes miss",
            "--photos photos/ 10000 100000",
        ),
        (
            "page",
            "write the table of docs/performance.md from several `bench speed --json`",
            "docs/performance.md first.json second.json",
        ),
        ("batch-scaling", "how much faster a batch on Ray is with several workers", "--approach edsr --workers 2"),
    )
)


def with_subcommand(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of `bench`, with the first subcommand if none is named."""
    is_named = arguments and (arguments[0] in {"-h", "--help"} or not arguments[0].startswith("-"))
    return list(arguments) if is_named else [SUBCOMMANDS[0].name, *arguments]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands to the parser of `bench`."""
    parser.description = (
        "Measures on this machine. Leave it alone meanwhile: ratios hold on a busy machine, seconds do not. Without a "
        "subcommand: speed."
    )
    add_commands(parser, SUBCOMMANDS, title="measurements")
