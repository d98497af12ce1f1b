"""The sampler of residual-shift diffusion: from the initial estimate plus noise to a sample, step by step.

Each step is computed in tiles with a halo, on a state that covers the whole image: the result does not depend on the tiles
beyond `TILE_ERROR`, and Stop takes effect between them. Legend: y = initial estimate, x = state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sr_demo.backends.torch_backend import DTYPES, budget, device, out_of_memory_translated, to_tensor
from sr_demo.checkpoint import Tiling
from sr_demo.diffusion.noise import noise_at
from sr_demo.diffusion.trajectory import SamplingStep
from sr_demo.errors import OutOfMemory
from sr_demo.image import Image, readonly
from sr_demo.imaging import tiling
from sr_demo.networks.shift_schedule import Schedule
from sr_demo.networks.shift_unet import MULTIPLE, ShiftUNet
from sr_demo.progress import Progress

SCALE = 4
_RULE = Tiling("tiles", halo=28, multiple_of=MULTIPLE)
"""The receptive field is 1 + 4 + 2 x 4 + 4 x 4 + 2 x 2 + 2 + 1 = 36 LR pixels to each side. With a halo of 28 the error
stays below `TILE_ERROR` after all 15 steps; 24 suffices for a single step, but errors add up."""
_BYTES_PER_LR_PIXEL = 5000
"""Working memory per LR pixel of a tile; measured at 256 x 256: a step 3550 in fp32 and 3970 in bf16, the initial estimate
by RDN 4900 and 3110."""


class Sampler:
    """A sampler with two networks: `initial` computes the initial estimate, `network` estimates HR in each step."""

    def __init__(self, initial: torch.nn.Module, network: ShiftUNet, precision: str = "fp32") -> None:
        self.precision = precision
        self._device = device()
        self._initial, self._network = (
            n.eval().to(self._device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            for n in (initial, network)
        )
        self.schedule: Schedule = network.schedule
        self.tiling = _RULE

    def start(self, image: Image, progress: Progress) -> Image:
        """Return the initial estimate y.

        Args:
            image: (H, W, 3) in [0, 1].
            progress: Reports the tiles; raises Cancelled on Stop.

        Returns:
            (4*H, 4*W, 3) float32, not clipped.
        """
        return self._in_tiles(image.shape[:2], [image], self._initial, progress)

    def sample_steps(
        self, image: Image, start: Image, steps: int, seed: int, progress: Progress, *, sample: int = 0,
        strength: float = 1.0,
    ) -> Iterator[SamplingStep]:  # fmt: skip
        """Yield each step of one sample; `after` of the last one is the sample.

        Args:
            image: (H, W, 3) in [0, 1].
            start: The initial estimate, from `start`.
            steps: Number of steps, 1..levels of the schedule.
            seed: Fixes the noise.
            progress: Reports the steps; raises Cancelled between tiles.
            sample: Number of this sample, if several are drawn with one seed.
            strength: Factor on all noise; 0 gives a deterministic result.

        Raises:
            OutOfMemory: The smallest tile does not fit.
        """
        height, width = start.shape[:2]

        def noise(level: int) -> Image:
            return noise_at(height, width, seed, sample, level) * np.float32(strength)

        plan = self.schedule.steps(steps)
        x = start + np.float32(self.schedule.kappa) * noise(plan[0].level)
        for index, step in enumerate(plan):
            part = progress.part(index / steps, (index + 1) / steps)
            part(0.0, f"step {index + 1} of {steps}")
            level = torch.tensor([step.level], device=self._device)
            compute = partial(self._network, level=level)
            estimate = self._in_tiles(image.shape[:2], [x, start, image], compute, part)
            after = np.float32(step.keep) * x + np.float32(step.replace) * estimate
            if step.below:
                after += np.float32(step.noise) * noise(step.below)
            shift, noisy = self.schedule.eta(step.level), self.schedule.spread(step.level) * strength
            yield SamplingStep(index + 1, steps, shift, noisy, x, estimate, after)
            x = after

    def _in_tiles(
        self, size: tuple[int, ...], images: list[Image], compute: Callable[..., Tensor], progress: Progress
    ) -> Image:
        """Apply `compute` tile by tile.

        Args:
            size: Height and width of the input, LR pixels.
            images: (H, W, 3) or (4*H, 4*W, 3); `compute` receives the same region of each as (1, 3, h, w) tensors.
            compute: Returns (1, 3, 4*h, 4*w).
            progress: Reports the tiles.
        """
        plan = tiling.plan_tiles(self.tiling, _BYTES_PER_LR_PIXEL, budget(self._device), size)
        while True:
            try:
                return self._assembled(plan.tiles, size, images, compute, progress)
            except OutOfMemory:
                smaller = plan.smaller()
                if smaller is None:
                    raise
                plan = smaller

    def _assembled(
        self, tiles: tuple[tiling.Tile, ...], size: tuple[int, ...], images: list[Image],
        compute: Callable[..., Tensor], progress: Progress,
    ) -> Image:  # fmt: skip
        out = np.empty((size[0] * SCALE, size[1] * SCALE, 3), np.float32)
        for index, tile in enumerate(tiles):
            progress.check()
            r, c = tile.rows, tile.columns
            low, high = np.array((r.low, c.low)), np.array((r.high, c.high))
            parts = [_crop(image, low * k, high * k) for image in images for k in [image.shape[0] // size[0]]]
            result = self._computed(parts, compute)
            inner = result[
                (r.start - r.low) * SCALE : (r.stop - r.low) * SCALE,
                (c.start - c.low) * SCALE : (c.stop - c.low) * SCALE,
            ]
            out[r.start * SCALE : r.stop * SCALE, c.start * SCALE : c.stop * SCALE] = inner
            if index + 1 < len(tiles):
                progress((index + 1) / len(tiles))
        return readonly(out)

    def _computed(self, parts: list[Image], compute: Callable[..., Tensor]) -> Image:
        reduced = self.precision != "fp32"
        with (
            out_of_memory_translated(),
            torch.inference_mode(),
            torch.autocast(self._device.type, DTYPES[self.precision], enabled=reduced),
        ):
            tensors = [to_tensor(p).to(self._device).contiguous(memory_format=torch.channels_last) for p in parts]
            result: Any = compute(*tensors)
            return result[0].permute(1, 2, 0).float().cpu().numpy()


def _crop(image: Image, low: Any, high: Any) -> Image:
    return np.ascontiguousarray(image[low[0] : high[0], low[1] : high[1]])
