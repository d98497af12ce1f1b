"""Measurement of one approach in a separate process, so that its memory is isolated and a crash affects only its row."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np

from sr_demo.deploy.quality import BUNDLED, filled, precisions, quality
from sr_demo.deploy.timed_run import Run, Subject
from sr_demo.hub import checkpoints
from sr_demo.image import Image, Size
from sr_demo.inference.jobs import Job, load_approach
from sr_demo.inference.runner import Runner
from sr_demo.progress import SILENT, Progress
from sr_demo.reports.evaluation import Pair
from sr_demo.reports.verdicts import Facts
from sr_demo.system import memory
from sr_demo.system.subprocess_call import call_in_subprocess

_LIMIT_SECONDS = 900
_LEAST = 3
"""Smallest number of timed runs of a size, if time allows."""
_COUNTED = 64
"""Side of the image whose multiply-adds are counted."""


@dataclass(frozen=True)
class Plan:
    """Extent of the measurements."""

    sizes: tuple[Size, ...] = (Size(64, 64), Size(128, 128), Size(256, 256))
    """Sizes of the LR images."""
    seconds: float = 2.0
    """Time per size: runs are repeated for about this long, at least three and at most `most` times, within `patience`."""
    most: int = 20
    patience: float = 12.0
    """Seconds for the runs of all sizes together. After that, each size still gets a first run and a timed one."""
    quality: bool = True
    """Also measure the quality of the results."""
    pairs: Mapping[int, Sequence[Pair]] = field(default_factory=dict)
    """Images to score on, by scale; bundled photos if it is empty."""
    pairs_name: str = BUNDLED


def measure_in_subprocess(job: Job, plan: Plan, progress: Progress = SILENT) -> Facts:
    """Call `measure` in a new process. Raises SRError with the message of the process, or Cancelled."""
    return call_in_subprocess(measure, (job, plan), progress, seconds=_LIMIT_SECONDS)


def measure(job: Job, plan: Plan, report: Callable[[float, str], None] = lambda fraction, note: None) -> Facts:
    """Measure one approach in this process.

    Args:
        job: The approach.
        plan: Extent of the measurements.
        report: Receives the progress: a fraction and a note.

    Returns:
        JSON-able data, the "measured" of a row of the report.

    Raises:
        SRError: The approach cannot be loaded or run.
    """
    memory.release()
    idle = memory.resident_bytes()
    subject = Subject(Runner(), job)
    report(0.05, "loading")
    begun = time.perf_counter()
    subject.runner.warm(job)
    load_seconds = time.perf_counter() - begun
    loaded = memory.resident_bytes()
    latency: list[Facts] = []
    same, left = True, plan.patience
    for number, size in enumerate(plan.sizes):
        report(0.1 + 0.5 * number / len(plan.sizes), f"{size.width} x {size.height} pixels")
        line, identical, spent = _latency(subject, size, plan, left)
        latency.append(line)
        same, left = same and identical, left - spent
    peak = memory.peak_resident_bytes()
    report(0.6, "counting")
    facts: Facts = {
        "load_seconds": round(load_seconds, 4),
        "idle_mb": round(idle / 1e6, 1),
        "loaded_mb": round(loaded / 1e6, 1),
        "peak_mb": round(peak / 1e6, 1),
        "peak_over_idle_mb": round((peak - idle) / 1e6, 1),
        "vram_peak_mb": _vram(),
        "precision": latency[0]["precision"],
        "engine": latency[0]["engine"],  # words: ok
        "threads": _threads(),
        "latency": latency,
        "multiply_adds_per_pixel": _operations(job),
    }
    if plan.quality:
        report(0.65, "quality")
        facts["determinism"] = {"same_bits_twice": same, **precisions(subject)}
        facts["quality"] = quality(subject, plan.pairs.get(job.default_scale, ()))
    return facts


def _latency(subject: Subject, size: Size, plan: Plan, left: float) -> tuple[Facts, bool, float]:
    """Time one size: a first run, then as many timed runs as the plan allows.

    Memory is sampled during the first run only, since sampling takes time.

    Args:
        subject: The approach.
        size: Size of the LR image.
        plan: Extent of the measurements.
        left: Remaining seconds for all sizes together.

    Returns:
        The line of the report (megapixels are those of the result), whether all runs gave the same bits, and the seconds
        that they took.
    """
    image = filled(size)
    with memory.PeakMemory() as grown:
        first, first_digest = _run(subject, image)
    results: list[Run] = []
    same, spent = True, first.seconds
    while needs_another_run([r.seconds for r in results], plan, left - spent):
        result, digest = _run(subject, image)
        same = same and digest == first_digest
        spent += result.seconds
        results.append(result)
    seconds = np.array([r.seconds for r in results])
    megapixels = size.width * size.height * subject.job.default_scale**2 / 1e6
    median = float(np.median(seconds))
    line: Facts = {
        "width": size.width,
        "height": size.height,
        "runs": len(results),
        "seconds": [round(float(s), 6) for s in seconds],
        "first_seconds": round(first.seconds, 6),
        "median_seconds": round(median, 6),
        "p95_seconds": round(float(np.percentile(seconds, 95)), 6),
        "megapixels_per_second": round(megapixels / median, 4),
        "cpu_seconds_per_megapixel": round(float(np.median([r.cpu_seconds for r in results])) / megapixels, 4),
        "peak_growth_mb": round(grown.bytes / 1e6, 1),
        "precision": first.precision,
        "engine": first.backend,  # words: ok
        "tiles": first.tiles,
    }
    return line, same, spent


def _run(subject: Subject, image: Image) -> tuple[Run, bytes]:
    """Run the approach; return the run without its result, which would occupy measured memory, and a digest of the result."""
    run = subject.run(image)
    digest = blake2b(np.ascontiguousarray(run.rgb).data).digest()
    return replace(run, rgb=image), digest


def needs_another_run(seconds: Sequence[float], plan: Plan, left: float) -> bool:
    """Return whether to time another run: at least one, three if time allows, further ones as planned.

    Args:
        seconds: Seconds of the timed runs so far.
        plan: Extent of the measurements.
        left: Remaining seconds.
    """
    if not seconds:
        return True
    if left < max(seconds):
        return False
    return len(seconds) < _LEAST or (sum(seconds) < plan.seconds and len(seconds) < plan.most)


def _operations(job: Job) -> Facts:
    """Return the multiply-adds per LR pixel: counted in a run of the network, or half of the stated operations."""
    stated: Facts = {"value": job.checkpoint.flops_per_pixel / 2, "how": "stated"}
    if job.approach.family not in ("convolutional", "adversarial", "attention"):
        return stated
    from torch.utils.flop_counter import FlopCounterMode

    files = checkpoints.fetch(job.checkpoint)
    upscaler = load_approach(replace(job, precision="fp32"), files, SILENT)
    counter = FlopCounterMode(display=False)
    with counter:
        upscaler.upscale(filled(Size(_COUNTED, _COUNTED)), job.options, SILENT)
    found = counter.get_total_flops()
    # The counter counts nothing if another library than torch runs the network.
    return {"value": found / 2 / _COUNTED**2, "how": "counted"} if found else stated


def _vram() -> float | None:
    """Return the largest GPU memory that torch has allocated, in MB; None without a GPU."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return round(torch.cuda.max_memory_allocated() / 1e6, 1)


def _threads() -> int:
    """Return the number of threads that torch uses; 1 if torch is not loaded."""
    torch = sys.modules.get("torch")
    return int(torch.get_num_threads()) if torch is not None else 1
