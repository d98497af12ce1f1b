"""Steps a second and memory of our own diffusion model on this machine, as Markdown for docs/diffusion.md.

    python -m sr_demo.benchmarks.diffusion

Leave the machine alone meanwhile. Every size and precision has a process of its own, so that memory is that of one run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace

import numpy as np

from sr_demo.approaches.diffusion import APPROACH
from sr_demo.backends.selection import known_picture
from sr_demo.diffusion.options import DiffusionOptions
from sr_demo.diffusion.upscaler import DiffusionUpscaler
from sr_demo.errors import SRError
from sr_demo.inference.jobs import Job
from sr_demo.inference.runner import Runner
from sr_demo.progress import SILENT
from sr_demo.spec import Precision
from sr_demo.system.memory import PeakMemory

SIDES = (128, 248)
"""Of the input, pixels; the second is the largest that "GAN against diffusion" uses."""
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
_SCALE = 4


@dataclass(frozen=True)
class Speed:
    """One size in one precision."""

    side: int
    precision: str
    seconds_per_step: float
    """Median over all steps of all rounds but each walk's first."""
    seconds: float
    """Of a whole run with the usual options, median of the rounds: start picture, steps, colours, agreement."""
    steps: int
    """Of a whole run."""
    peak_memory_mb: float
    """How much the process grew in the first run, 10^6 bytes, at most."""
    threads: int


def measure(side: int, precision: Precision, rounds: int = 5) -> Speed:
    """In this process, on a picture of `side` x `side`. Raises SRError."""
    import torch

    job = Job(APPROACH, APPROACH.checkpoint(), DiffusionOptions(), precision)
    picture, each, whole = known_picture(side), list[float](), list[float]()
    with Runner().loaded(job) as model:
        upscaler = model.upscaler
        assert isinstance(upscaler, DiffusionUpscaler)
        upscaler.upscale(known_picture(32), replace(DiffusionOptions(), steps=1), SILENT)
        with PeakMemory(interval=0.002) as peak:
            upscaler.upscale(picture, job.options, SILENT)
        start = upscaler.sampler.start(picture, SILENT)
        for _ in range(rounds):
            begun = time.perf_counter()
            upscaler.upscale(picture, job.options, SILENT)
            whole.append(time.perf_counter() - begun)
            moments = [
                time.perf_counter() for _ in upscaler.sampler.walk(picture, start, DiffusionOptions().steps, 0, SILENT)
            ]
            each += np.diff(moments).tolist()
        return Speed(
            side, upscaler.precision, statistics.median(each), statistics.median(whole), DiffusionOptions().steps,
            peak.bytes / 1e6, torch.get_num_threads(),
        )  # fmt: skip


def table(speeds: list[Speed]) -> str:
    """As Markdown."""
    rows = [
        "| input -> result | precision | seconds a step | steps a second | whole run | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    for s in speeds:
        large = s.side * _SCALE
        rows.append(
            f"| {s.side} x {s.side} -> {large} x {large} | {s.precision} | {s.seconds_per_step:.3f} | "
            f"{1 / s.seconds_per_step:.1f} | {s.seconds:.2f} s for {s.steps} steps | {s.peak_memory_mb:.0f} MB |"
        )
    return "\n".join(rows)


def _apart(side: int, precision: Precision, rounds: int) -> Speed:
    """`measure` in a fresh process."""
    command = [sys.executable, "-m", "sr_demo.benchmarks.diffusion", "--only", str(side), precision]
    done = subprocess.run([*command, "--rounds", str(rounds)], capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise SRError(f"{side} x {side} in {precision} could not be measured: {said[-1] if said else 'it ended'}")
    return Speed(**json.loads(done.stdout))


def main() -> int:
    """Print the table; 2 with a sentence where it cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="whole runs that the medians are taken of (5)")
    parser.add_argument("--only", nargs=2, metavar=("SIDE", "PRECISION"), help="this one, here, as JSON")
    args = parser.parse_args()
    try:
        if args.only:
            precision: Precision = "bf16" if args.only[1] == "bf16" else "fp32"
            sys.stdout.write(json.dumps(asdict(measure(int(args.only[0]), precision, max(args.rounds, 1)))))
            return 0
        speeds = [_apart(side, precision, max(args.rounds, 1)) for side in SIDES for precision in PRECISIONS]
    except SRError as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    where = f"{platform.machine()}, {os.cpu_count()} cores, {speeds[0].threads} threads, medians of {args.rounds}"
    sys.stdout.write(f"{where}\n\n{table(speeds)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
