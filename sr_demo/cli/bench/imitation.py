"""`python -m sr_demo bench imitation`: agreement of student networks with their teacher on degraded photos."""

from __future__ import annotations

import argparse
from pathlib import Path

from sr_demo.cli.bench.arguments import add_methods
from sr_demo.cli.console import terminal
from sr_demo.cli.models import models


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", type=Path, metavar="HR_DIR", help="photos with sides of at least 480 pixels")
    add_methods(parser, "real-esrgan:compact and the published small networks")
    parser.add_argument(
        "--teacher", default="real-esrgan:x4plus", metavar="ID[:CHECKPOINT]", help="the network that is imitated"
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print the teacher and each student."""
    from sr_demo.catalogue import APPROACHES
    from sr_demo.inference.jobs import job_for
    from sr_demo.training.imitation import compare_with_teacher

    names = args.methods or ([] if args.model else ["real-esrgan:compact", "real-esrgan:general-x4v3"])
    students = [*(job_for(APPROACHES, name) for name in names), *models(args.model)]
    teacher = job_for(APPROACHES, args.teacher)
    print(f"{'network':<34}{'PSNR-Y':>8}{'gradient':>10}{'NIQE':>8}{'features':>10}{'lattice':>9}", flush=True)
    for job, found in compare_with_teacher(args.folder, teacher, students, terminal("imitation")):
        print(
            f"{job.key:<34}{found.psnr:8.2f}{found.gradient:10.2f}{found.niqe:8.2f}{found.features:10.3f}{found.lattice:9.2f}",
            flush=True,
        )
    return 0
