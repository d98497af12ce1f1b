"""Steps per second and memory of our own diffusion model, as the Markdown table of docs/diffusion.md."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from sr_demo.approaches.diffusion import APPROACH
from sr_demo.backends.selection import synthetic_image
from sr_demo.benchmarks.fresh_process import bench_in_subprocess
from sr_demo.diffusion.options import DiffusionOptions
from sr_demo.diffusion.upscaler import DiffusionUpscaler
from sr_demo.inference.jobs import Job
from sr_demo.inference.runner import Runner
from sr_demo.progress import SILENT
from sr_demo.spec import Precision
from sr_demo.system.memory import PeakMemory

SIDES = (128, 248)
"""Sides of the input in pixels; the second is the largest that "GAN against diffusion" uses."""
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
HEADING = (
    "| input -> result | precision | seconds a step | steps a second | whole run | peak memory |\n" + "|---" * 6 + "|"
)
_SCALE = 4


@dataclass(frozen=True)
class Speed:
    """Speed and memory at one size in one precision."""

    side: int
    precision: str
    seconds_per_step: float
    """Median over the steps of all rounds, without the first step of each round."""
    seconds: float
    """Median time of a whole run with default options: start image, steps, colour fix, LR consistency."""
    steps: int
    """Steps of a whole run."""
    peak_memory_mb: float
    """Largest growth of the process in the first run, in 10^6 bytes."""
    threads: int


def measure(side: int, precision: Precision, rounds: int = 5) -> Speed:
    """Measure the model at one size and precision in this process.

    Args:
        side: Height and width of the input in pixels.
        precision: Precision of the network.
        rounds: Number of runs; medians are reported.

    Raises:
        SRError: The model could not be loaded or run.
    """
    import torch

    job = Job(APPROACH, APPROACH.checkpoint(), DiffusionOptions(), precision)
    image, each, whole = synthetic_image(side), list[float](), list[float]()
    with Runner().loaded(job) as model:
        upscaler = model.upscaler
        assert isinstance(upscaler, DiffusionUpscaler)
        upscaler.upscale(synthetic_image(32), replace(DiffusionOptions(), steps=1), SILENT)
        with PeakMemory(interval=0.002) as peak:
            upscaler.upscale(image, job.options, SILENT)
        start = upscaler.sampler.start(image, SILENT)
        for _ in range(rounds):
            begun = time.perf_counter()
            upscaler.upscale(image, job.options, SILENT)
            whole.append(time.perf_counter() - begun)
            moments = [
                time.perf_counter()
                for _ in upscaler.sampler.sample_steps(image, start, DiffusionOptions().steps, 0, SILENT)
            ]
            each += np.diff(moments).tolist()
        return Speed(
            side, upscaler.precision, statistics.median(each), statistics.median(whole), DiffusionOptions().steps,
            peak.bytes / 1e6, torch.get_num_threads(),
        )  # fmt: skip


def speeds(rounds: int) -> Iterator[Speed]:
    """Measure each size in each precision, each in a fresh process. Raises SRError."""
    for side in SIDES:
        for precision in PRECISIONS:
            what = f"{side} x {side} in {precision}"
            arguments = ["diffusion", "--only", str(side), precision, "--rounds", str(rounds)]
            yield Speed(**bench_in_subprocess(what, arguments))


def line(speed: Speed) -> str:
    """Return one row of the Markdown table below `HEADING`."""
    large = speed.side * _SCALE
    return (
        f"| {speed.side} x {speed.side} -> {large} x {large} | {speed.precision} | {speed.seconds_per_step:.3f} | "
        f"{1 / speed.seconds_per_step:.1f} | {speed.seconds:.2f} s for {speed.steps} steps | {speed.peak_memory_mb:.0f} MB |"
    )
