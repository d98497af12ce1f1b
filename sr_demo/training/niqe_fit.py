"""The model of clean photos behind `sr_demo.metrics.niqe`, from a folder of them to the embedded file and its card.

Run as `python -m sr_demo.training.niqe_fit DIR --out weights/measures/niqe-own-fit.npz`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from sr_demo.errors import BadInput, SRError
from sr_demo.image import Image
from sr_demo.imaging.degradation import Realistic, degrade
from sr_demo.imaging.resize import downscale, resize
from sr_demo.metrics.niqe import BLOCK, Blocks, Natural, blocks, fit, niqe
from sr_demo.training.data import SUFFIXES, as_float, read_rgb
from sr_demo.training.run_state import write_atomically

LICENCE = "Apache-2.0"
THRESHOLD = 0.75
"""Blocks sharper than this share of the sharpest of their picture are taken (paper, section II.C)."""


def measure(files: Sequence[Path], report: Callable[[str], None] = print) -> list[Blocks]:
    """The blocks of all photos; one that cannot be read or is under 96 x 96 pixels is skipped with a sentence."""
    found: list[Blocks] = []
    for number, path in enumerate(files, 1):
        try:
            picture = as_float(read_rgb(path))
            if min(picture.shape[:2]) < BLOCK:
                raise BadInput(f"{path.name} is smaller than one block of {BLOCK} x {BLOCK} pixels.")
        except BadInput as problem:
            report(f"skipped: {problem}")
            continue
        found.append(blocks(picture))
        if number % 100 == 0:
            report(f"{number} of {len(files)}")
    return found


def fit_folder(folder: Path, report: Callable[[str], None] = print) -> tuple[Natural, int, int]:
    """The model, and how many photos and blocks were measured. Raises BadInput where they are too few."""
    measured = measure(_pictures(folder), report)
    if not measured:
        raise BadInput(f"None of the pictures in {folder} could be measured.")
    try:
        return fit(measured, THRESHOLD), len(measured), sum(len(m.features) for m in measured)
    except ValueError as problem:
        raise BadInput(f"{folder} holds too little to fit: {problem}") from problem


def write(natural: Natural, path: Path) -> None:
    """Mean (36,) and covariance (36, 36) in float64; whole or not at all."""
    content = BytesIO()
    np.savez(content, mean=natural.mean, covariance=natural.covariance)
    write_atomically(path, lambda target: target.write_bytes(content.getvalue()))


def checks(pictures: Sequence[Image], natural: Natural) -> dict[str, float]:
    """Mean NIQE of clean photos, of the same shrunk and enlarged by bicubic, and of the same damaged: for the card."""

    def mean(change: Callable[[Image], Image]) -> float:
        values = [niqe(change(picture), natural).value for picture in pictures]
        return round(float(np.mean([value for value in values if value is not None])), 3)

    return {
        "clean": mean(lambda p: p),
        "shrunk 4 times and enlarged (bicubic)": mean(lambda p: resize(downscale(p, 4), (p.shape[0], p.shape[1]))),
        "blurred, noisy, JPEG at the same size": mean(lambda p: degrade(p, 1, Realistic())),
    }


def write_card(path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """The card beside the file."""
    content = path.read_bytes()
    card = {
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "what": "NIQE (own fit): mean and covariance of 36 features of the sharp blocks of clean photos",
        "source": "Mittal, Soundararajan, Bovik 2013, written from the paper; fitted anew, so values are our own",
        "block": BLOCK,
        "threshold": THRESHOLD,
        "licence": LICENCE,
        **facts,
        "date": datetime.now(timezone.utc).date().isoformat(),
    }
    text = json.dumps(card, indent=1) + "\n"
    write_atomically(path.with_suffix(".json"), lambda target: target.write_text(text))
    return card


def _pictures(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not files:
        raise BadInput(f"The folder {folder} holds no pictures ({', '.join(SUFFIXES)}).")
    return files


def run(args: argparse.Namespace) -> int:
    """Fit as asked. Returns 0, or 1 after printing what went wrong."""
    try:
        begun = time.monotonic()
        natural, photos, count = fit_folder(args.data)
        write(natural, args.out)
        seconds = round(time.monotonic() - begun)
        folder = args.val or args.data.parent / "val"
        shown = [as_float(read_rgb(path)) for path in _pictures(folder)] if folder.is_dir() else []
        data = {"what": "/".join(args.data.parts[-2:]), "count": photos, "blocks": count, "licence": args.licence}
        facts: dict[str, Any] = {"data": data, "seconds": seconds}
        if shown:
            facts["checks"] = checks(shown, natural)
        card = write_card(args.out, facts)
    except SRError as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"{args.out}: {card['bytes'] / 1e3:.1f} kB, {photos} photos, {count} blocks, {card.get('checks', '')}")
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `run` reads."""
    parser.add_argument("data", type=Path, metavar="DIR", help="folder of clean photos")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write; its card lies beside")
    parser.add_argument("--val", type=Path, help="other clean photos, measured for the card (default: DIR/../val)")
    parser.add_argument("--licence", default="", help="licence of the photos, for the card")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser("python -m sr_demo.training.niqe_fit")
    add_arguments(arguments)
    sys.exit(run(arguments.parse_args()))
