"""Working memory per LR pixel and seconds of each method, measured once and written into its card.

Memory determines the size of tiles; time estimates are based on the seconds, at a few sizes in each backend. Every method
and backend is measured in a separate process, on images that are not cut into tiles, and as the runner measures: memory is
returned to the system before each run.
"""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from sr_demo.backends import openvino_backend, selection
from sr_demo.backends.openvino_backend import ConversionError, ConvertedNetwork
from sr_demo.backends.selection import synthetic_image
from sr_demo.benchmarks.fresh_process import bench_in_subprocess
from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import EMBEDDED, WHOLE
from sr_demo.hub import checkpoints
from sr_demo.image import ImageData, readonly
from sr_demo.inference.jobs import Job, LoadedModel, default_jobs, load_approach, select_jobs
from sr_demo.inference.time_estimates import threads
from sr_demo.inference.upscale import upscale_image
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Upscaler
from sr_demo.system.memory import PeakMemory
from sr_demo.system.stopwatch import Stopwatch
from sr_demo.system.storage import cache_folder
from sr_demo.timing import Timing, to_card

_SIDES = (96, 192, 254, 320)
"""Sides in LR pixels: the server's warm-up, twice that, a tile of a large image, and the largest image that is not cut into
tiles. If tiles may be higher than wide, the last size is replaced by that of the highest tile."""
_MEMORY_SIDE = 256
_ROUNDS = 3
"""Processes for each method and backend, of which the minimum of the seconds counts; also the runs that measure memory."""
_AGAIN = 2
"""Runs at each size in one process after the first one."""
What = Literal["bytes", "all"]
Way = Literal["fp32", "torch", "OpenVINO"]
"""How a method runs: in fp32, for its memory only, or in a backend with the precision chosen for this machine."""
WAYS: tuple[Way, ...] = ("fp32", "torch", "OpenVINO")


class Measured(NamedTuple):
    """Memory and seconds of one method, run in one way."""

    bytes_per_pixel: float
    """Bytes per LR pixel; 0 if this way does not measure memory."""
    timing: Timing | None


@dataclass(frozen=True)
class Cost:
    """Memory and seconds of one method."""

    key: str
    card: Path | None
    """The JSON card beside its weights; None for a method without weights."""
    bytes_per_pixel: int | None
    """Bytes per LR pixel, input and result included: the larger of fp32 and the chosen precision. None for methods that we
    do not tile."""
    timings: tuple[Timing, ...]
    declared: int
    """Bytes per LR pixel that the program assumes now."""


def costs(names: Sequence[str] = (), progress: Progress = SILENT, more: Sequence[Job] = ()) -> Iterator[Cost]:
    """Measure every method that needs neither a download nor a GPU, or those named, and `more`.

    Raises BadInput on other names, SRError when one cannot be measured.
    """
    jobs = select_jobs(default_jobs(APPROACHES, "embedded", "none"), names, "method to be measured here called", more)
    for number, job in enumerate(jobs):
        found: list[Measured] = []
        for turn, way in enumerate(WAYS):
            progress((number + turn / len(WAYS)) / len(jobs), f"{job.key}, {way}")
            found.append(_minimum(job, way))
        sizes = [size for size, _ in found if size]
        embedded = job.checkpoint.kind == "embedded"
        file = job.checkpoint.files[0].name if embedded else None
        yield Cost(
            job.key,
            EMBEDDED / f"{file.rpartition('.')[0]}.json" if file else None,
            round(max(sizes)) if sizes else None,
            tuple(timing for _, timing in found if timing is not None),
            job.checkpoint.bytes_per_pixel,
        )
    progress(1.0)


def write(cost: Cost, what: What) -> None:
    """Write the measured figures into the card, if there is one.

    Args:
        cost: What was measured.
        what: "bytes" leaves the seconds of the card alone: they are valid only on a machine with nothing else to do.
    """
    if cost.card is None:
        return
    card = json.loads(cost.card.read_text(encoding="utf-8"))
    found: dict[str, object] = dict(card.get("costs", {}))
    if cost.bytes_per_pixel is not None:
        found["bytes_per_pixel"] = cost.bytes_per_pixel
    if what == "all":
        found |= {"machine": platform.machine(), **to_card(cost.timings)}
    card["costs"] = found
    cost.card.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def _minimum(job: Job, way: Way) -> Measured:
    """Return the maximum of memory and the minimum of seconds over several fresh processes.

    Their common cache folder is empty at first, so that no network that was converted earlier is used.
    """
    with tempfile.TemporaryDirectory(prefix="sr_demo_costs") as folder:
        rounds = [_measured_alone(job, way, folder)]
        while rounds[0].timing is not None and len(rounds) < _ROUNDS:
            rounds.append(_measured_alone(job, way, folder))
    timings = [measured.timing for measured in rounds if measured.timing is not None]
    if not timings:
        return rounds[0]
    first, again = (
        tuple(min(values) for values in zip(*columns, strict=True))
        for columns in ([timing.first for timing in timings], [timing.again for timing in timings])
    )
    most = max(measured.bytes_per_pixel for measured in rounds)
    return Measured(most, replace(timings[0], first=first, again=again))


def _measured_alone(job: Job, way: Way, folder: str) -> Measured:
    """Run `measure` in a fresh process with the cache folder `folder`."""
    own = [argument for file in job.checkpoint.files if file.path for argument in ("--model", str(file.path))]
    bytes_per_pixel, timing = bench_in_subprocess(
        job.key, ["costs", "--only", job.key, way, *own], {"SR_DEMO_CACHE": folder}
    )
    if timing is None:
        return Measured(bytes_per_pixel, None)
    sides, first, again = (tuple(timing[name]) for name in ("sides", "first", "again"))
    return Measured(bytes_per_pixel, Timing(timing["backend"], timing["threads"], sides, first, again))


def measure(job: Job, way: Way) -> Measured:
    """Measure bytes per LR pixel at 256 x 256, and seconds at rising sizes without tiles.

    Must run in a fresh process, since the first run at a size depends on what ran before.

    Args:
        job: The method.
        way: "fp32" measures memory only, "torch" both, "OpenVINO" seconds only.

    Returns:
        The figures; 0 bytes for methods that we do not tile, no timing if the method does not run in this way.
    """
    rule = job.approach.tiling_of(job.checkpoint)
    tiled = rule.mode == "tiles"
    if way == "fp32":
        return Measured(_most_bytes(replace(job, precision="fp32")) if tiled else 0.0, None)
    upscaler = _loaded(job, way)
    if upscaler is None:
        return Measured(0.0, None)
    model = LoadedModel(job, upscaler)
    full = _SIDES[-1]
    if tiled:
        full = min(full, max(rule.largest, rule.max_input_width))
        model = LoadedModel(_without_tiles(job), upscaler)
    sizes = [(side, side) for side in (*(side for side in _SIDES if side < full), full)]
    if tiled and rule.max_aspect > 1:
        sizes[-1] = (rule.max_aspect * rule.max_input_width, rule.max_input_width)
    for _ in range(2):
        timed(model, 16)
    runs = [[timed(model, *size).seconds for _ in range(1 + _AGAIN)] for size in sizes]
    parallel = job.checkpoint.parameters and job.approach.family != "retrieval"
    timing = Timing(
        upscaler.backend,
        threads() if parallel else 0,
        tuple(round(sqrt(height * width)) for height, width in sizes),
        tuple(first for first, *_ in runs),
        tuple(min(later) for _, *later in runs),
    )
    return Measured(_most_bytes(job) if tiled and way == "torch" else 0.0, timing)


def _without_tiles(job: Job) -> Job:
    """Return `job` with a tiling rule that never cuts the image."""
    return replace(job, approach=replace(job.approach, tiling=WHOLE), checkpoint=replace(job.checkpoint, tiling=None))


def _loaded(job: Job, way: Way) -> Upscaler | None:
    """Load the method in a backend; None if it does not run there. It is converted once, into the cache folder."""
    upscaler = _in_torch(job if way == "torch" else replace(job, precision="fp32"))
    if way == "torch":
        return upscaler
    if not openvino_backend.available() or not job.checkpoint.parameters or not selection.can_prepare(upscaler):
        return None
    converted = cache_folder() / "converted"
    if not converted.exists():
        try:
            openvino_backend.convert(selection.graph(upscaler), converted)
        except ConversionError:
            return None
    return ConvertedNetwork(converted, openvino_backend.fast_precision(), job.default_scale)


def _in_torch(job: Job) -> Upscaler:
    """The method as its own loader returns it: a runner opens the int8 form that ships for it instead."""
    return load_approach(job, checkpoints.fetch(job.checkpoint), SILENT)


@dataclass(frozen=True)
class Timed:
    """One run on an image, without loading and metrics."""

    clock: float
    """Wall time in seconds."""
    processor: float
    """Processor time of all threads in seconds."""
    peak_bytes: int
    how: str

    @property
    def seconds(self) -> float:
        """Wall time, or processor time if it is less, since a single thread then waited for other programs."""
        return min(self.clock, self.processor)


def timed(model: LoadedModel, height: int, width: int = 0, interval: float = 0.01) -> Timed:
    """Run a method on a test image.

    Args:
        model: The loaded method.
        height: Height of the input in LR pixels.
        width: Width of the input; 0 for a square.
        interval: Seconds between two samples of memory.
    """
    image = ImageData(readonly(np.ascontiguousarray(synthetic_image(height)[:, : width or height])))
    with PeakMemory(interval) as peak, Stopwatch() as taken:
        result = upscale_image(model, image, SILENT)
    del result  # returning its memory is not part of the run
    how = f"{model.upscaler.backend} {model.upscaler.precision}".strip()
    return Timed(taken.seconds, taken.cpu_seconds, peak.bytes, how)


def _most_bytes(job: Job) -> float:
    """Return the bytes per LR pixel, the maximum of three runs."""
    image, most = synthetic_image(_MEMORY_SIDE), 0
    upscaler = _in_torch(job)
    upscaler.upscale(synthetic_image(32), job.options, SILENT)
    for _ in range(_ROUNDS):
        with PeakMemory(interval=0.002) as peak:
            upscaler.upscale(image, job.options, SILENT)
        most = max(most, peak.bytes)
    return most / _MEMORY_SIDE**2
