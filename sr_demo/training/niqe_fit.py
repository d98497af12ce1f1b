"""Fit NIQE's model of clean photos (`sr_demo.metrics.niqe`) to a folder, and write the embedded file and its card.

Command: `python -m sr_demo.training.niqe_fit DIR --out weights/measures/niqe-own-fit.npz`.
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
from sr_demo.metrics.niqe import BLOCK, Blocks, NssModel, blocks, fit, niqe
from sr_demo.system.folders import short_name
from sr_demo.training.data import as_float, image_files, read_rgb
from sr_demo.training.run_state import write_atomically
from sr_demo.training.sources import validation_folder

LICENCE = "Apache-2.0"
THRESHOLD = 0.75
"""Smallest sharpness of a block that is used, relative to the sharpest block of its image (paper, section II.C)."""


def measure(files: Sequence[Path], report: Callable[[str], None] = print) -> list[Blocks]:
    """Return the blocks of all photos; skip unreadable photos and those below 96 x 96 pixels.

    Args:
        files: Image files.
        report: Receives one sentence for each skipped file, and the progress.
    """
    found: list[Blocks] = []
    for number, path in enumerate(files, 1):
        try:
            image = as_float(read_rgb(path))
            if min(image.shape[:2]) < BLOCK:
                raise BadInput(f"{path.name} is smaller than one block of {BLOCK} x {BLOCK} pixels.")
        except BadInput as problem:
            report(f"skipped: {problem}")
            continue
        found.append(blocks(image))
        if number % 100 == 0:
            report(f"{number} of {len(files)}")
    return found


def fit_folder(folder: Path, report: Callable[[str], None] = print) -> tuple[NssModel, int, int]:
    """Fit the model to the photos of a folder.

    Args:
        folder: Clean photos.
        report: As in `measure`.

    Returns:
        The model, the number of photos, and the number of blocks.

    Raises:
        BadInput: There are too few photos or blocks.
    """
    measured = measure(image_files(folder), report)
    if not measured:
        raise BadInput(f"None of the pictures in {folder} could be measured.")
    try:
        return fit(measured, THRESHOLD), len(measured), sum(len(m.features) for m in measured)
    except ValueError as problem:
        raise BadInput(f"{folder} holds too little to fit: {problem}") from problem


def write(natural: NssModel, path: Path) -> None:
    """Write mean (36,) and covariance (36, 36), float64, to `path`, atomically."""
    content = BytesIO()
    np.savez(content, mean=natural.mean, covariance=natural.covariance)
    write_atomically(path, lambda target: target.write_bytes(content.getvalue()))


def checks(images: Sequence[Image], natural: NssModel) -> dict[str, float]:
    """Return the mean NIQE of clean photos, and of the same photos after degradations, for the card."""

    def mean(change: Callable[[Image], Image]) -> float:
        values = [niqe(change(image), natural).value for image in images]
        return round(float(np.mean([value for value in values if value is not None])), 3)

    return {
        "clean": mean(lambda p: p),
        # Key in existing cards.
        "shrunk 4 times and enlarged (bicubic)": mean(  # words: ok
            lambda p: resize(downscale(p, 4), (p.shape[0], p.shape[1]))
        ),
        "blurred, noisy, JPEG at the same size": mean(lambda p: degrade(p, 1, Realistic())),
    }


def write_card(path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Write the card of the file at `path` beside it, with the further entries `facts`; return its content."""
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


def run(args: argparse.Namespace) -> int:
    """Fit from the command line; return 0, or 2 after printing what is wrong."""
    try:
        folder = args.val or validation_folder(args.data)
        validation = [as_float(read_rgb(path)) for path in image_files(folder)] if folder else []
        start = time.monotonic()
        natural, photos, count = fit_folder(args.data)
        seconds = round(time.monotonic() - start)
        data = {"what": short_name(args.data), "count": photos, "blocks": count, "licence": args.licence}
        facts: dict[str, Any] = {"data": data, "seconds": seconds}
        if validation:
            facts["checks"] = checks(validation, natural)
        write(natural, args.out)
        card = write_card(args.out, facts)
    except SRError as problem:
        print(problem, file=sys.stderr)
        return 2
    print(f"{args.out}: {card['bytes'] / 1e3:.1f} kB, {photos} photos, {count} blocks, {card.get('checks', '')}")
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `run` to `parser`."""
    parser.add_argument("data", type=Path, metavar="DIR", help="folder of clean photos")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write; its card lies beside")
    parser.add_argument("--val", type=Path, help="other clean photos, measured for the card (default: DIR/../val)")
    parser.add_argument("--licence", default="", help="licence of the photos, for the card")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser("python -m sr_demo.training.niqe_fit")
    add_arguments(arguments)
    sys.exit(run(arguments.parse_args()))
