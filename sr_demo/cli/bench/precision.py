"""`python -m sr_demo bench precision`: change of PSNR-Y in bf16 and int8, compared with fp32."""

from __future__ import annotations

import argparse
from math import isnan
from pathlib import Path

from sr_demo.cli.console import terminal
from sr_demo.cli.models import add_model, models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", type=Path, metavar="HR_DIR", help="the original pictures, such as Set5")
    parser.add_argument(
        "methods", nargs="*", metavar="ID[:CHECKPOINT]", help="only these (default: every embedded network)"
    )
    add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Measure and print each network; return 2 when one of them is too far from fp32."""
    from sr_demo.benchmarks.precision import differences

    failed = False
    print(f"{'network':<26}{'runs as':<28}{'fp32 dB':>9}{'change':>10}", flush=True)
    for found in differences(args.folder, args.methods, terminal("precision"), models(args.model)):
        failed = failed or found.too_far
        change = "–" if isnan(found.change) else f"{found.change:+.4f}"
        print(
            f"{found.key:<26}{found.how:<28}{found.exact:>9.3f}{change:>10}{'  too far' if found.too_far else ''}",
            flush=True,
        )
    return 2 if failed else 0
