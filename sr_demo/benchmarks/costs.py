"""What each method costs, measured once and written into its card: working memory per LR pixel, and seconds.

Memory decides how large tiles may be; seconds, for a few sizes in each engine, are what estimates go by. Every method and
engine is measured in a process of its own, on pictures in one piece, in the way the runner measures: memory is given back
to the system before each run.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from math import sqrt
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from sr_demo.backends import openvino_backend, selection
from sr_demo.backends.openvino_backend import ConvertedNetwork
from sr_demo.backends.selection import known_picture
from sr_demo.catalogue import APPROACHES
from sr_demo.errors import SRError
from sr_demo.image import ImageData, readonly
from sr_demo.inference.jobs import Job, here, job_for, named
from sr_demo.inference.runner import Runner
from sr_demo.inference.time_estimates import threads
from sr_demo.inference.upscale import Method, enlarge
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import EMBEDDED, WHOLE, Upscaler
from sr_demo.system.memory import PeakMemory
from sr_demo.system.storage import cache_folder
from sr_demo.timing import Timing, to_card

_SIDES = (96, 192, 254, 320)
"""LR pixels: of a server's warm-up; twice that; a tile of a large picture; and what is not cut, in whose place tiles that
are higher than wide are measured, where there are any."""
_MEMORY_SIDE = 256
_ROUNDS = 3
"""Processes for each method and engine: the least counts."""
_AGAIN = 2
"""Runs at one size in one process after the first."""
What = Literal["bytes", "all"]
Way = Literal["fp32", "torch", "OpenVINO"]
"""How it is run: in fp32 for its memory alone; else in the precision chosen here."""


@dataclass(frozen=True)
class Cost:
    """One method."""

    key: str
    card: Path | None
    """None for what has no weights."""
    bytes_per_pixel: int | None
    """The most of fp32 and of what is chosen here, per LR pixel, input and result included; None where it is not cut into
    tiles by us."""
    timings: tuple[Timing, ...]
    declared: int
    """Bytes per pixel that the program goes by now."""


def costs(names: Sequence[str] = (), progress: Progress = SILENT) -> Iterator[Cost]:
    """Every method that needs neither a download nor a GPU, or those named.

    Raises BadInput on other names, SRError when one cannot be measured.
    """
    jobs = named(here(APPROACHES, "embedded", "none"), names, "method to be measured here called")
    for number, job in enumerate(jobs):
        progress(number / len(jobs), job.key)
        found = {way: _least(job.key, way) for way in get_args(Way)}
        sizes = [size for size, _ in found.values() if size]
        file = job.checkpoint.files[0].name if job.checkpoint.files else None
        yield Cost(
            job.key,
            EMBEDDED / f"{file.rpartition('.')[0]}.json" if file else None,
            round(max(sizes)) if sizes else None,
            tuple(timing for _, timing in found.values() if timing is not None),
            job.checkpoint.bytes_per_pixel,
        )
    progress(1.0)


def write(cost: Cost, what: What) -> None:
    """Put the measured figures into the card, if there is one; "bytes" leaves out the seconds, for which the machine
    should have nothing else to do."""
    if cost.card is None:
        return
    card = json.loads(cost.card.read_text(encoding="utf-8"))
    found: dict[str, object] = dict(card.get("costs", {}))
    if cost.bytes_per_pixel is not None:
        found["bytes_per_pixel"] = cost.bytes_per_pixel
    if what == "all":
        found.pop("seconds_per_pixel", None)  # of earlier cards
        found |= {"machine": platform.machine(), **to_card(cost.timings)}
    card["costs"] = found
    cost.card.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def _least(key: str, way: Way) -> tuple[float, Timing | None]:
    """The most memory and the least seconds of several fresh processes, with a cache folder of their own: nothing
    converted earlier is opened."""
    with tempfile.TemporaryDirectory(prefix="sr_demo_costs") as folder:
        rounds = [_apart(key, way, folder)]
        while rounds[0][1] is not None and len(rounds) < _ROUNDS:
            rounds.append(_apart(key, way, folder))
    timings = [timing for _, timing in rounds if timing is not None]
    if not timings:
        return rounds[0]
    first, again = (
        tuple(min(values) for values in zip(*columns, strict=True))
        for columns in ([timing.first for timing in timings], [timing.again for timing in timings])
    )
    return max(most for most, _ in rounds), replace(timings[0], first=first, again=again)


def _apart(key: str, way: Way, folder: str) -> tuple[float, Timing | None]:
    """`measure` in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "sr_demo.benchmarks.costs", key, way],
        capture_output=True, text=True, check=False, env={**os.environ, "SR_DEMO_CACHE": folder},
    )  # fmt: skip
    if done.returncode:
        reason = done.stderr.strip().splitlines()
        raise SRError(f"{key} could not be measured: {reason[-1] if reason else 'its process ended'}")
    bytes_per_pixel, timing = json.loads(done.stdout)
    if timing is None:
        return bytes_per_pixel, None
    sides, first, again = (tuple(timing[name]) for name in ("sides", "first", "again"))
    return bytes_per_pixel, Timing(timing["engine"], timing["threads"], sides, first, again)


def measure(job: Job, way: Way) -> tuple[float, Timing | None]:
    """Most bytes per LR pixel at 256 x 256 (0 where we cut no tiles), and seconds at rising sizes in one piece.

    For a fresh process: how long a size takes the first time depends on what was run before.
    """
    rule = job.approach.tiling_of(job.checkpoint)
    tiled = rule.mode == "tiles"
    if way == "fp32":
        return (_most_bytes(replace(job, precision="fp32")) if tiled else 0.0), None
    upscaler = _loaded(job, way)
    if upscaler is None:
        return 0.0, None
    method = Method(job.approach, job.checkpoint, job.options, upscaler)
    full = _SIDES[-1]
    if tiled:
        full = min(full, max(rule.largest, rule.seen))
        method = replace(
            method, approach=replace(job.approach, tiling=WHOLE), checkpoint=replace(job.checkpoint, tiling=None)
        )
    sizes = [(side, side) for side in (*(side for side in _SIDES if side < full), full)]
    if tiled and rule.max_aspect > 1:
        sizes[-1] = (rule.max_aspect * rule.seen, rule.seen)
    for _ in range(2):
        timed(method, 16)
    runs = [[timed(method, *size).seconds for _ in range(1 + _AGAIN)] for size in sizes]
    parallel = job.checkpoint.parameters and job.approach.family != "retrieval"
    timing = Timing(
        getattr(upscaler, "backend", ""),
        threads() if parallel else 0,
        tuple(round(sqrt(height * width)) for height, width in sizes),
        tuple(first for first, *_ in runs),
        tuple(min(later) for _, *later in runs),
    )
    return (_most_bytes(job) if tiled and way == "torch" else 0.0), timing


def _loaded(job: Job, way: Way) -> Upscaler | None:
    """The method in that engine; None where it does not run in it. It is converted once, into the cache folder."""
    with Runner().loaded(job) as upscaler:
        if way == "torch":
            return upscaler
    if not openvino_backend.available() or not job.checkpoint.parameters or not selection.can_prepare(upscaler):
        return None
    converted = cache_folder() / "converted"
    if not converted.exists():
        with Runner().loaded(replace(job, precision="fp32")) as exact:
            openvino_backend.convert(selection.graph(exact), converted)
    return ConvertedNetwork(converted, openvino_backend.fast_precision(), job.approach.scale)


@dataclass(frozen=True)
class Timed:
    """One run on a picture, without loading and metrics."""

    clock: float
    """Seconds."""
    processor: float
    """Seconds of all threads."""
    peak_bytes: int
    how: str

    @property
    def seconds(self) -> float:
        """The clock's; or processor time where it is less: one thread that had to wait for other programs."""
        return min(self.clock, self.processor)


def timed(method: Method, height: int, width: int = 0, interval: float = 0.01) -> Timed:
    """Run it on a known picture of so many LR pixels; square without a width."""
    picture = ImageData(readonly(np.ascontiguousarray(known_picture(height)[:, : width or height])))
    with PeakMemory(interval) as peak:
        begun, processor_begun = time.perf_counter(), time.process_time()
        result, *_ = enlarge(method, picture, SILENT)
        clock, processor = time.perf_counter() - begun, time.process_time() - processor_begun
    del result  # giving it back is not part of making it
    how = f"{getattr(method.upscaler, 'engine', '')} {method.upscaler.precision}".strip()
    return Timed(clock, processor, peak.bytes, how)


def _most_bytes(job: Job) -> float:
    """Bytes per LR pixel: the most of three runs."""
    picture, most = known_picture(_MEMORY_SIDE), 0
    with Runner().loaded(job) as upscaler:
        upscaler.upscale(known_picture(32), job.options, SILENT)
        for _ in range(_ROUNDS):
            with PeakMemory(interval=0.002) as peak:
                upscaler.upscale(picture, job.options, SILENT)
            most = max(most, peak.bytes)
    return most / _MEMORY_SIDE**2


if __name__ == "__main__":
    asked, chosen = job_for(APPROACHES, sys.argv[1]), sys.argv[2]
    assert chosen in ("fp32", "torch", "OpenVINO")
    bytes_found, timing_found = measure(asked, chosen)
    sys.stdout.write(json.dumps([bytes_found, timing_found and asdict(timing_found)]))
