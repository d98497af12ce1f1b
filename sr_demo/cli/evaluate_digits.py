"""`python -m sr_demo evaluate-digits`: scores of the digits lab."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from sr_demo.cli.console import add_overwrite, terminal, write_text
from sr_demo.system.outputs import new_files


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    command.description = (
        "Each 28 x 28 test digit is downscaled to 26 x 26 and drawn again: PSNR and SSIM of gray values, "
        "sharpness relative to the original, and how often a classifier trained on real digits still recognises it."
    )
    command.add_argument("--json", type=Path, metavar="FILE", help="also write the rows here")
    command.add_argument(
        "--data", type=Path, metavar="FILE",
        help="mnist.npz, or a folder with MNIST's own files (default: mnist/mnist.npz below SR_DEMO_SHARED_DATA)",
    )  # fmt: skip
    add_overwrite(command)


def run(args: argparse.Namespace) -> int:
    """Score every method and return 0."""
    from sr_demo.digits.data import load
    from sr_demo.digits.evaluation import evaluate

    rows: list[dict[str, Any]] = []
    with new_files(args.json, overwrite=args.overwrite):
        test = load(args.data)[1]
        for row in evaluate(test, terminal("evaluate-digits")):
            if not rows:
                print(f"{'method':<12}{'PSNR':>7}{'SSIM':>8}{'sharpness':>11}{'accuracy':>10}   {row['digits']} digits")
            scores = f"{row['psnr']:>7.2f}{row['ssim']:>8.4f}{row['sharpness']:>11.3f}{row['accuracy']:>10.2%}"
            print(f"{row['method']:<12}{scores}", flush=True)
            rows.append(row)
            if args.json is not None:
                write_text(args.json, json.dumps(rows, indent=2) + "\n")
    return 0
