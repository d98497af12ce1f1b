"""A pipeline of the diffusers package as an `Upscaler`: padding, seed, progress, Stop, memory, exact size, colours.

Only the function that calls the pipeline (`Call`) differs between models.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from sr_demo.backends.torch_backend import device, out_of_memory_translated
from sr_demo.diffusion.postprocessing import with_colours_of
from sr_demo.errors import OutOfMemory, SRError
from sr_demo.image import Image, Size, readonly
from sr_demo.imaging.resize import resize
from sr_demo.options import Options
from sr_demo.pipelines import zero_gpu
from sr_demo.pipelines.options import GuidedOptions
from sr_demo.progress import SILENT, Progress
from sr_demo.system import hardware

SCALE = 4
_MULTIPLE, _SMALLEST = 16, 64
"""Sides are padded to a multiple and to a smallest length, since the networks halve them several times."""

OnStep = Callable[[int], None]
"""Called with the number of finished steps; raises Cancelled after Stop."""
Call = Callable[[Any, Image, Any, torch.Generator, OnStep], Image]
"""(pipeline, image (H, W, 3) in [0, 1], options, random generator, on_step) -> about (4 H, 4 W, 3), about [0, 1]."""


class PipelineUpscaler:
    """A loaded pipeline."""

    backend = "diffusers"
    loss_db: float | None = None

    def __init__(self, pipeline: Any, call: Call, precision: str, seconds_per_megapixel_step: float = 0.3) -> None:
        """Wrap a pipeline.

        Args:
            pipeline: The pipeline, on its device.
            call: Function that runs the pipeline.
            precision: Precision of the pipeline, for the report.
            seconds_per_megapixel_step: Estimate for the time for which a ZeroGPU Space reserves a GPU.
        """
        self.precision = precision
        self.pipeline = pipeline
        self._call = call
        self._rate = seconds_per_megapixel_step
        if hasattr(pipeline, "set_progress_bar_config"):
            pipeline.set_progress_bar_config(disable=True)
        self._zero_gpu = hardware.is_zero_gpu_space()
        self._draw_on_zero_gpu = zero_gpu.with_gpu(self._draw_silently, self._duration)

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """Upscale (H, W, 3) in [0, 1] to (4 H, 4 W, 3). Raises Cancelled between steps, OutOfMemory."""
        assert isinstance(options, GuidedOptions)
        progress(0.0, "reading the prompt")
        if self._zero_gpu:  # runs in another process, without Stop and progress
            progress(0.05, f"on a shared GPU, for at most {self._duration(image, options)} s")
            drawn = self._draw_on_zero_gpu(image, options)
        else:
            drawn = self._draw(image, options, progress.part(0.0, 0.95))
        progress(0.97, "colours")
        start = resize(image, Size(image.shape[0] * SCALE, image.shape[1] * SCALE))
        return readonly(np.clip(with_colours_of(start, drawn, options.colour), 0, 1).astype(np.float32))

    def _duration(self, image: Image, options: GuidedOptions) -> int:
        pixels = image.shape[0] * image.shape[1] * SCALE * SCALE
        return zero_gpu.seconds(pixels, options.steps, self._rate, fixed=10.0)

    def _draw_silently(self, image: Image, options: GuidedOptions) -> Image:
        return self._draw(image, options, SILENT)

    def _draw(self, image: Image, options: GuidedOptions, progress: Progress) -> Image:
        """Run the pipeline once; return the result, cropped to exactly four times the size of `image`."""
        steps = options.steps

        def on_step(done: int) -> None:
            progress(min(done / steps, 1.0), f"step {min(done, steps)} of {steps}")

        height, width = image.shape[:2]
        padded = _padded(image)
        try:
            with out_of_memory_translated(), torch.no_grad(), _seeded(options.seed) as generator:
                drawn = self._call(self.pipeline, padded, options, generator, on_step)
        except OutOfMemory:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            raise
        finally:
            if hasattr(self.pipeline, "maybe_free_model_hooks"):
                self.pipeline.maybe_free_model_hooks()  # offloaded parts must leave the GPU, even after Stop
        if not np.isfinite(drawn).all():
            raise SRError(
                "The model produced values that are not numbers at this precision. Choose fp32 and run again."
            )
        wanted = Size(padded.shape[0] * SCALE, padded.shape[1] * SCALE)
        if drawn.shape[:2] != wanted:  # pipelines round sizes to those that their networks support
            drawn = resize(readonly(np.clip(drawn, 0, 1).astype(np.float32)), wanted)
        return np.ascontiguousarray(drawn[: height * SCALE, : width * SCALE])


def _padded(image: Image) -> Image:
    """Pad `image` by reflection at its lower and right border, to sides that the networks can halve."""
    height, width = (max(-(-side // _MULTIPLE) * _MULTIPLE, _SMALLEST) for side in image.shape[:2])
    missing = ((0, height - image.shape[0]), (0, width - image.shape[1]), (0, 0))
    return readonly(np.pad(image, missing, mode="symmetric"))


@contextmanager
def _seeded(seed: int) -> Generator[torch.Generator]:
    """Yield a generator on the CPU, so that a seed gives the same noise on every device.

    torch's global generator, which some pipelines also use, is seeded and restored afterwards.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield torch.Generator("cpu").manual_seed(seed)


def placed(pipeline: Any, whole_bytes: int) -> Any:
    """Move `pipeline` to the device: as a whole if the GPU has `whole_bytes` bytes, else its parts one at a time."""
    if hasattr(pipeline, "vae"):
        pipeline.vae.enable_tiling()
    where = device()
    if where.type == "cuda" and hardware.gpu_bytes() < whole_bytes:
        pipeline.enable_model_cpu_offload()
        return pipeline
    return pipeline.to(where)
