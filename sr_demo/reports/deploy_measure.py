"""Measuring one approach in a process of its own: memory is its own, and a crash costs one row of the report."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import isinf, log10
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_demo import memory, weights
from sr_demo.chart import resolution_chart
from sr_demo.errors import SRError, unexpected
from sr_demo.image import Image, Picture, quantise, readonly
from sr_demo.progress import SILENT, Progress
from sr_demo.reports.evaluation import small_version
from sr_demo.resize import resize
from sr_demo.resolution import measure as resolution_of
from sr_demo.runner import Job, Result, Runner
from sr_demo.samples import SAMPLES
from sr_demo.spec import Request

Facts = dict[str, Any]
Size = tuple[int, int]
"""Width and height in LR pixels."""
_PHOTOS = ("cat", "text", "cells", "brick")
_CROP = 256
"""Side of the true pictures, cut from the middle."""
_LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
_NOISE = 5 / 255
"""Standard deviation of the noise on a flat gray field."""
_LIMIT_SECONDS = 900
_COUNTED = 64
"""Side of the picture whose multiply-adds are counted."""


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    sizes: tuple[Size, ...] = ((64, 64), (128, 128), (256, 256))
    seconds: float = 4.0
    """Per size: runs are repeated for about so long, at least three and at most `most` times."""
    most: int = 20
    quality: bool = True
    """Also what the results look like."""


def measure_apart(job: Job, plan: Plan, progress: Progress = SILENT) -> Facts:
    """`measure` in a fresh process. Raises SRError with the sentence it failed with, or Cancelled."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(job, plan, theirs), daemon=True)
    with _no_main_module():
        process.start()
    theirs.close()
    deadline = time.monotonic() + _LIMIT_SECONDS
    try:
        while True:
            progress.check()
            if not ours.poll(0.1):
                if time.monotonic() > deadline:
                    raise SRError(f"It was not done after {_LIMIT_SECONDS // 60} minutes and was stopped.")
                continue
            kind, value = ours.recv()
            if kind == "facts":
                return value
            if kind == "failed":
                raise SRError(value)
            progress(*value)
    except EOFError as exc:
        process.join()
        raise SRError(
            f"Its process was ended by the system (status {process.exitcode}), most often for lack of memory."
        ) from exc
    finally:
        if process.is_alive():
            process.kill()
        process.join()
        ours.close()


@contextmanager
def _no_main_module() -> Generator[None]:
    """Keep a process that is started from importing the program again: a page would bring Gradio into its memory."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _child(job: Job, plan: Plan, pipe: Connection) -> None:
    try:
        facts = measure(job, plan, lambda fraction, note: pipe.send(("progress", (fraction, note))))
        pipe.send(("facts", facts))
    except SRError as exc:
        pipe.send(("failed", str(exc)))
    except Exception as exc:
        pipe.send(("failed", unexpected(exc, f"measuring {job.key}")))


def measure(job: Job, plan: Plan, tell: Callable[[float, str], None] = lambda fraction, note: None) -> Facts:
    """Everything that can be measured for one approach, in this process. Raises SRError."""
    memory.release()
    idle = memory.resident_bytes()
    runner = Runner()
    tell(0.05, "loading")
    begun = time.perf_counter()
    runner.warm(job)
    load_seconds = time.perf_counter() - begun
    loaded = memory.resident_bytes()
    latency: list[Facts] = []
    for number, size in enumerate(plan.sizes):
        tell(0.1 + 0.5 * number / len(plan.sizes), f"{size[0]} x {size[1]} pixels")
        latency.append(_latency(runner, job, size, plan))
    peak = memory.highest_resident_bytes()
    tell(0.6, "counting")
    facts: Facts = {
        "load_seconds": round(load_seconds, 4),
        "idle_mb": round(idle / 1e6, 1),
        "loaded_mb": round(loaded / 1e6, 1),
        "peak_mb": round(peak / 1e6, 1),
        "peak_over_idle_mb": round((peak - idle) / 1e6, 1),
        "precision": latency[0]["precision"],
        "threads": _threads(),
        "latency": latency,
        "multiply_adds_per_pixel": _operations(job),
    }
    if plan.quality:
        tell(0.65, "quality")
        facts |= {"determinism": _determinism(runner, job), "quality": _quality(runner, job)}
    return facts


def _latency(runner: Runner, job: Job, size: Size, plan: Plan) -> Facts:
    """One first run, then as many as the plan allows. Megapixels are of the result."""
    picture = Picture(_filled(size))

    def run() -> Result:
        # Without its picture: twenty of them would count as memory.
        return replace(runner.run(job, picture), picture=picture)

    first = run()
    results = [run()]
    while len(results) < 3 or (sum(r.seconds for r in results) < plan.seconds and len(results) < plan.most):
        results.append(run())
    seconds = np.array([r.seconds for r in results])
    megapixels = size[0] * size[1] * job.approach.scale**2 / 1e6
    median = float(np.median(seconds))
    return {
        "width": size[0],
        "height": size[1],
        "runs": len(results),
        "first_seconds": round(first.seconds, 5),
        "median_seconds": round(median, 5),
        "p95_seconds": round(float(np.percentile(seconds, 95)), 5),
        "megapixels_per_second": round(megapixels / median, 4),
        "cpu_seconds_per_megapixel": round(float(np.median([r.cpu_seconds for r in results])) / megapixels, 4),
        "peak_growth_mb": round(max(r.peak_memory_mb for r in (first, *results)), 1),
        "precision": first.precision,
        "tiles": first.tiles,
    }


def _filled(size: Size) -> Image:
    """Smooth random colours, `size` large, rounded to 8 bit. Made in place: drawing a chart would count as memory."""
    coarse = np.random.default_rng(0).random((size[1] // 4 + 1, size[0] // 4 + 1, 3), np.float32)
    smooth = quantise(resize(readonly(coarse), (size[1], size[0])))
    return readonly(np.divide(smooth, np.float32(255), dtype=np.float32))


def _operations(job: Job) -> Facts:
    """Multiply-adds per LR pixel: counted while a network runs, else half of the stated operations."""
    if job.approach.family not in ("convolutional", "adversarial", "attention"):
        return {"value": job.checkpoint.flops_per_pixel / 2, "how": "stated"}
    from torch.utils.flop_counter import FlopCounterMode

    files = weights.fetch(job.checkpoint)
    upscaler = job.approach.load(Request(job.checkpoint, files, job.options, "fp32", SILENT))
    counter = FlopCounterMode(display=False)
    with counter:
        upscaler.upscale(_filled((_COUNTED, _COUNTED)), job.options, SILENT)
    return {"value": counter.get_total_flops() / 2 / _COUNTED**2, "how": "counted"}


def _threads() -> int:
    """Threads that torch computes with, where it was loaded; else 1."""
    torch = sys.modules.get("torch")
    return int(torch.get_num_threads()) if torch is not None else 1


def _determinism(runner: Runner, job: Job) -> Facts:
    """The same bits twice? And how far is the chosen precision from fp32?"""
    picture = Picture(_filled((96, 96)))
    once, twice = (runner.run(job, picture) for _ in range(2))
    found: Facts = {
        "same_bits_twice": bool(np.array_equal(once.picture.rgb, twice.picture.rgb)),
        "precision": once.precision,
        "psnr_to_fp32": None,
        "largest_difference_to_fp32": 0.0,
    }
    if once.precision != "fp32":
        exact = runner.run(replace(job, precision="fp32"), picture).picture.rgb
        difference = once.picture.rgb.astype(np.float64) - exact
        squared = float(np.mean(difference**2))
        found["psnr_to_fp32"] = None if squared == 0 else round(-10 * log10(squared), 2)
        found["largest_difference_to_fp32"] = round(float(np.abs(difference).max()), 5)
    return found


def _quality(runner: Runner, job: Job) -> Facts:
    truth = resolution_chart(1024)
    small, _ = small_version(Picture(truth), job.approach.scale, None)
    result = runner.run(job, small, truth)
    pictures: list[Facts] = [
        {"picture": "chart", **_scores(result.scores), "colour_drift": _drift(result.picture.rgb, truth)}
    ]
    for sample in SAMPLES:
        if sample.id in _PHOTOS:
            true = _middle(sample.make())
            small, true = small_version(Picture(true), job.approach.scale, None)
            found = runner.run(job, small, true)
            drift = _drift(found.picture.rgb, true)
            pictures.append({"picture": sample.id, **_scores(found.scores), "colour_drift": drift})
    keys = ("psnr_y", "ssim_y", "lr_consistency", "colour_drift")
    photos = [p for p in pictures if p["picture"] != "chart"]
    means = {key: _mean([p[key] for p in photos]) for key in keys}
    return {
        "pictures": pictures,
        "photos_mean": means,
        "resolution": describe_resolution(result.picture.rgb),
        **_fields(runner, job),
    }


def describe_resolution(chart: Image) -> Facts:
    """What a picture of the chart resolves, as JSON-able data."""
    found = resolution_of(chart)
    return {
        "mtf50_cycles_per_pixel": None if found.mtf50 is None else round(found.mtf50, 4),
        "mtf50_lines": None if found.mtf50_lines is None else round(found.mtf50_lines, 1),
        "finest_lines": found.finest,
    }


def _fields(runner: Runner, job: Job) -> Facts:
    """Flat fields (black and white among them) must stay flat; noise is passed on, softened or amplified."""
    worst, where = 0.0, 0.0
    for level in _LEVELS:
        flat = np.full((32, 32, 3), np.float32(round(level * 255) / 255), np.float32)
        result = runner.run(job, Picture(readonly(flat))).picture.rgb
        away = float(np.abs(result - flat[0, 0, 0]).max()) * 255
        if away > worst:
            worst, where = away, level
    grain = np.random.default_rng(0).normal(0.5, _NOISE, (64, 64, 3)).astype(np.float32)
    noisy = readonly(np.divide(quantise(readonly(np.clip(grain, 0, 1))), np.float32(255), dtype=np.float32))
    out = runner.run(job, Picture(noisy)).picture.rgb
    return {
        "flat_field_error_levels": round(worst, 3),
        "flat_field_worst_at": where,
        "noise_gain": round(float(out.std() / noisy.std()), 4),
    }


def _scores(scores: Any) -> Facts:
    found = {key: getattr(scores, key) for key in ("psnr_y", "ssim_y", "lr_consistency")}
    return {key: None if value is None or isinf(value) else round(value, 4) for key, value in found.items()}


def _drift(result: Image, truth: Image) -> float:
    """The largest difference of a channel's mean, in levels of 255."""
    means: NDArray[np.float64] = np.abs(result.mean(axis=(0, 1), dtype=np.float64) - truth.mean(axis=(0, 1)))
    return round(float(means.max()) * 255, 4)


def _middle(image: Image) -> Image:
    """The middle `_CROP` x `_CROP` pixels, or what there is."""
    top, left = (max((side - _CROP) // 2, 0) for side in image.shape[:2])
    return readonly(np.ascontiguousarray(image[top : top + _CROP, left : left + _CROP]))


def _mean(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return round(float(np.mean(known)), 4) if len(known) == len(values) and known else None
