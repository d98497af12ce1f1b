"""`python -m sr_demo advise`: which method suits an image, and why."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.description = (
        "Estimates what a picture is like (JPEG quality, noise, where its detail ends, faces, letters), and names the "
        "methods that suit it, of those that need no download. No method runs."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the picture")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(args: argparse.Namespace) -> int:
    """Print the recommendation in sentences, or as JSON."""
    from sr_demo.advice import sentences
    from sr_demo.advice.estimates import estimate
    from sr_demo.advice.recommendation import recommend, record
    from sr_demo.catalogue import APPROACHES
    from sr_demo.errors import BadInput
    from sr_demo.image import read
    from sr_demo.inference.jobs import Job

    if not args.file.exists():
        raise BadInput(f"There is no file {args.file}.")
    jobs = [Job(a, c, a.options()) for a in APPROACHES if not a.large for c in a.checkpoints]
    found = recommend(estimate(read(args.file).rgb, args.file), jobs)
    assert found is not None  # bicubic is always available
    if args.json:
        print(json.dumps(record(found), indent=2))
        return 0
    names = (f"{job.title} (--approach {job.full_name})" for job in (found.looks, found.measuring))
    first, *others = sentences.lines(found, *names)
    print("\n  ".join([first, *others]))
    return 0
