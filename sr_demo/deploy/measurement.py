"""Measuring one approach in a process of its own: memory is its own, and a crash costs one row of the report."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

import numpy as np

from sr_demo.deploy.quality import BUNDLED, filled, precisions, quality
from sr_demo.deploy.timed_run import Run, Subject
from sr_demo.errors import SRError, unexpected
from sr_demo.hub import checkpoints
from sr_demo.image import Image
from sr_demo.inference.jobs import Job, load_approach
from sr_demo.inference.runner import Runner
from sr_demo.progress import SILENT, Progress
from sr_demo.reports.evaluation import Pair
from sr_demo.system import memory

Facts = dict[str, Any]
Size = tuple[int, int]
"""Width and height in LR pixels."""
_LIMIT_SECONDS = 900
_LEAST = 3
"""Timed runs of a size, where there is time for them."""
_COUNTED = 64
"""Side of the picture whose multiply-adds are counted."""


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    sizes: tuple[Size, ...] = ((64, 64), (128, 128), (256, 256))
    seconds: float = 2.0
    """Per size: runs are repeated for about so long, at least three and at most `most` times, unless `patience` ends."""
    most: int = 20
    patience: float = 12.0
    """Seconds for the runs of all sizes together. A size still gets a first run and a timed one when they are used up."""
    quality: bool = True
    """Also what the results look like."""
    pairs: tuple[Pair, ...] = ()
    """What they are scored on; none: bundled photos."""
    pairs_name: str = BUNDLED


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
    subject = Subject(Runner(), job)
    tell(0.05, "loading")
    begun = time.perf_counter()
    subject.runner.warm(job)
    load_seconds = time.perf_counter() - begun
    loaded = memory.resident_bytes()
    latency: list[Facts] = []
    same, left = True, plan.patience
    for number, size in enumerate(plan.sizes):
        tell(0.1 + 0.5 * number / len(plan.sizes), f"{size[0]} x {size[1]} pixels")
        line, identical, spent = _latency(subject, size, plan, left)
        latency.append(line)
        same, left = same and identical, left - spent
    peak = memory.highest_resident_bytes()
    tell(0.6, "counting")
    facts: Facts = {
        "load_seconds": round(load_seconds, 4),
        "idle_mb": round(idle / 1e6, 1),
        "loaded_mb": round(loaded / 1e6, 1),
        "peak_mb": round(peak / 1e6, 1),
        "peak_over_idle_mb": round((peak - idle) / 1e6, 1),
        "vram_peak_mb": _vram(),
        "precision": latency[0]["precision"],
        "engine": latency[0]["engine"],
        "threads": _threads(),
        "latency": latency,
        "multiply_adds_per_pixel": _operations(job),
    }
    if plan.quality:
        tell(0.65, "quality")
        facts["determinism"] = {"same_bits_twice": same, **precisions(subject)}
        facts["quality"] = quality(subject, plan.pairs)
    return facts


def _latency(subject: Subject, size: Size, plan: Plan, left: float) -> tuple[Facts, bool, float]:
    """One first run, then as many as the plan allows; whether all gave the same bits; the seconds they took.

    Memory is watched during the first run only: watching it costs time. Megapixels are of the result.
    """
    image = filled(size)
    with memory.PeakMemory() as grown:
        first, bits = _run(subject, image)
    results: list[Run] = []
    same, spent = True, first.seconds
    while another([r.seconds for r in results], plan, left - spent):
        result, others = _run(subject, image)
        same = same and others == bits
        spent += result.seconds
        results.append(result)
    seconds = np.array([r.seconds for r in results])
    megapixels = size[0] * size[1] * subject.job.approach.scale**2 / 1e6
    median = float(np.median(seconds))
    line: Facts = {
        "width": size[0],
        "height": size[1],
        "runs": len(results),
        "seconds": [round(float(s), 6) for s in seconds],
        "first_seconds": round(first.seconds, 6),
        "median_seconds": round(median, 6),
        "p95_seconds": round(float(np.percentile(seconds, 95)), 6),
        "megapixels_per_second": round(megapixels / median, 4),
        "cpu_seconds_per_megapixel": round(float(np.median([r.cpu_seconds for r in results])) / megapixels, 4),
        "peak_growth_mb": round(grown.bytes / 1e6, 1),
        "precision": first.precision,
        "engine": first.engine,
        "tiles": first.tiles,
    }
    return line, same, spent


def _run(subject: Subject, image: Image) -> tuple[Run, bytes]:
    """One run without its picture, since twenty of them would count as memory, and a digest of the picture."""
    run = subject.run(image)
    digest = blake2b(np.ascontiguousarray(run.rgb).data).digest()
    return replace(run, rgb=image), digest


def another(seconds: Sequence[float], plan: Plan, left: float) -> bool:
    """Whether to time another run: always one; then three, while there is time left for one more; then as planned."""
    if not seconds:
        return True
    if left < max(seconds):
        return False
    return len(seconds) < _LEAST or (sum(seconds) < plan.seconds and len(seconds) < plan.most)


def _operations(job: Job) -> Facts:
    """Multiply-adds per LR pixel: counted while a network runs, else half of the stated operations."""
    if job.approach.family not in ("convolutional", "adversarial", "attention"):
        return {"value": job.checkpoint.flops_per_pixel / 2, "how": "stated"}
    from torch.utils.flop_counter import FlopCounterMode

    files = checkpoints.fetch(job.checkpoint)
    upscaler = load_approach(replace(job, precision="fp32"), files, SILENT)
    counter = FlopCounterMode(display=False)
    with counter:
        upscaler.upscale(filled((_COUNTED, _COUNTED)), job.options, SILENT)
    return {"value": counter.get_total_flops() / 2 / _COUNTED**2, "how": "counted"}


def _vram() -> float | None:
    """The most GPU memory that torch has held, in MB; None without a GPU."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return round(torch.cuda.max_memory_allocated() / 1e6, 1)


def _threads() -> int:
    """Threads that torch computes with, where it was loaded; else 1."""
    torch = sys.modules.get("torch")
    return int(torch.get_num_threads()) if torch is not None else 1
