"""Seconds per megapixel of all steps except the network: reading, conversions, tiles, metrics, PNG.

The network is replaced by one that returns a constant array, so that only the overhead of this program remains.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from sr_demo.backends.selection import synthetic_image
from sr_demo.checkpoint import Checkpoint, Tiling
from sr_demo.image import Image, ImageData, read, readonly, write_png
from sr_demo.inference.jobs import Job, LoadedModel
from sr_demo.inference.upscale import upscale_image
from sr_demo.metrics.scores import score
from sr_demo.options import Options
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Approach, Request, Upscaler

TARGET = 0.15
"""Seconds per megapixel of the result, for all steps together, on two cores."""
_SCALE = 4
_TILE, _HALO, _BLEND = 256, 18, 8


@dataclass(frozen=True)
class Step:
    """Cost of one step per megapixel of the result."""

    name: str
    seconds: float
    processor_seconds: float
    """Processor time of all threads, which does not depend on how busy the machine is."""


class _Free:
    """An upscaler that costs nothing: all tiles of one size get the same array."""

    precision = "fp32"
    backend = ""
    loss_db = None

    def __init__(self) -> None:
        self._made: dict[tuple[int, ...], Image] = {}

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        height, width = image.shape[:2]
        if (height, width) not in self._made:
            self._made[height, width] = readonly(np.full((height * _SCALE, width * _SCALE, 3), 0.5, np.float32))
        return self._made[height, width]


def steps(megapixels: float, rounds: int) -> Iterator[Step]:
    """Measure each step, then yield their sum, "together", with blended tiles.

    Args:
        megapixels: Approximate size of the result.
        rounds: Runs of each step, of which the median counts.
    """
    side = round((megapixels * 1e6) ** 0.5 / _SCALE)
    per = (side * _SCALE) ** 2 / 1e6
    small = ImageData(synthetic_image(side))
    large = ImageData(synthetic_image(side * _SCALE))
    total = [0.0, 0.0]
    with tempfile.TemporaryDirectory(prefix="sr_demo-around-") as scratch:
        folder = Path(scratch)
        write_png(small, folder / "small.png")
        works: list[tuple[str, bool, Callable[[], object]]] = [
            ("reading the image (PNG)", True, lambda: read(folder / "small.png")),
            ("array to tensor and back (torch)", True, _conversions(small.rgb)),
            ("tiles side by side, checks", False, _tiles(small, blend=0)),
            ("tiles blended, checks", True, _tiles(small, blend=_BLEND)),
            ("metrics without a reference", True, lambda: score(large.rgb, small.rgb, None, _SCALE)),
            ("writing the result (PNG)", True, lambda: write_png(large, folder / "large.png")),
        ]
        for name, counted, work in works:
            seconds, processor = (each / per for each in _timed(work, rounds))
            if counted:
                total = [total[0] + seconds, total[1] + processor]
            yield Step(name, seconds, processor)
    yield Step("together", *total)


def _timed(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the medians of wall time and of processor time in seconds; the first run does not count."""
    work()
    taken: list[tuple[float, float]] = []
    for _ in range(rounds):
        begun, processor_begun = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - begun, time.process_time() - processor_begun))
    return median(seconds for seconds, _ in taken), median(processor for _, processor in taken)


def _tiles(small: ImageData, blend: int) -> Callable[[], object]:
    rule = Tiling("tiles", halo=_HALO, blend=blend, largest=_TILE)
    checkpoint = Checkpoint("free", "", bytes_per_pixel=1)
    approach = Approach(
        id="free", title="", summary="", about="", family="convolutional", load=_never, checkpoints=(checkpoint,),
        tiling=rule, scale=_SCALE,
    )  # fmt: skip
    model = LoadedModel(Job(approach, checkpoint, Options()), _Free())
    return lambda: upscale_image(model, small, SILENT)


def _conversions(image: Image) -> Callable[[], object]:
    """Return the conversions of `NetworkUpscaler` before and after a network in bf16, whose result is channels last."""
    import torch

    from sr_demo.backends.torch_backend import to_array, to_tensor

    height, width = image.shape[:2]
    out = torch.full((1, 3, height * _SCALE, width * _SCALE), 0.5, dtype=torch.bfloat16)
    out = out.contiguous(memory_format=torch.channels_last)

    def run() -> Image:
        to_tensor(image).contiguous(memory_format=torch.channels_last)
        return to_array(out)

    return run


def _never(request: Request) -> Upscaler:
    raise AssertionError("this approach is loaded already")
