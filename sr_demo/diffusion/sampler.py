"""Walking the chain back: from the start picture and noise to a sample of what the picture may have been.

Each step is computed in tiles whose halo covers all that the network looks at, over a state that is kept whole: the
result does not depend on the tiles, and Stop is obeyed between them. Legend: y = the start picture, x = the state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sr_demo.backends.torch_backend import DTYPES, budget, device, out_of_memory_translated, to_tensor
from sr_demo.diffusion.noise import noise_at
from sr_demo.diffusion.trajectory import Look
from sr_demo.errors import OutOfMemory
from sr_demo.image import Image, readonly
from sr_demo.imaging import tiling
from sr_demo.networks.shift_schedule import Schedule
from sr_demo.networks.shift_unet import MULTIPLE, ShiftUNet
from sr_demo.progress import Progress
from sr_demo.spec import Tiling

SCALE = 4
_RULE = Tiling("tiles", halo=28, multiple_of=MULTIPLE)
"""A step could look at 1 + 4 + 2 x 4 + 4 x 4 + 2 x 2 + 2 + 1 = 36 LR pixels around. With 28, after all 15 steps, nothing is
further than `TILE_ERROR` from the whole picture's result; 24 would do for one step, but each adds to what came before."""
_BYTES = 4500
"""Working memory per LR pixel of a tile; measured at 256 x 256: 3550 in fp32, 3970 in bf16."""


class Sampler:
    """Both networks at work: `calm` makes the start picture, `network` walks from there."""

    def __init__(self, calm: torch.nn.Module, network: ShiftUNet, precision: str = "fp32") -> None:
        self.precision = precision
        self._device = device()
        self._calm, self._network = (
            n.eval().to(self._device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            for n in (calm, network)
        )
        self.schedule: Schedule = network.schedule
        self.tiling = _RULE

    def start(self, image: Image, progress: Progress) -> Image:
        """(H, W, 3) -> the start picture (4 H, 4 W, 3), not clipped."""
        return self._in_tiles(image.shape[:2], [image], self._calm, progress)

    def walk(
        self, image: Image, start: Image, steps: int, seed: int, progress: Progress, *, sample: int = 0,
        strength: float = 1.0,
    ) -> Iterator[Look]:  # fmt: skip
        """Yield each of `steps` (1..levels) looks; the last one's `after` is the sample.

        `strength` multiplies all noise: 0 walks without chance. `sample` tells several results of one seed apart.
        Raises Cancelled between tiles, OutOfMemory when the smallest tile does not fit.
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
            yield Look(index + 1, steps, shift, noisy, x, estimate, after)
            x = after

    def sample(
        self, image: Image, start: Image, steps: int, seed: int, progress: Progress, *, sample: int = 0,
        strength: float = 1.0,
    ) -> Image:  # fmt: skip
        """The last state of `walk`."""
        after = start
        for look in self.walk(image, start, steps, seed, progress, sample=sample, strength=strength):
            after = look.after
        return after

    def _in_tiles(
        self, size: tuple[int, ...], pictures: list[Image], compute: Callable[..., Tensor], progress: Progress
    ) -> Image:
        """`compute` on the same part of each of `pictures`, (H, W, 3) or (4 H, 4 W, 3); its results, assembled."""
        plan = tiling.plan_tiles(self.tiling, _BYTES, budget(self._device), size)
        while True:
            try:
                return self._assembled(plan.tiles, size, pictures, compute, progress)
            except OutOfMemory:
                smaller = plan.smaller()
                if smaller is None:
                    raise
                plan = smaller

    def _assembled(
        self, tiles: tuple[tiling.Tile, ...], size: tuple[int, ...], pictures: list[Image],
        compute: Callable[..., Tensor], progress: Progress,
    ) -> Image:  # fmt: skip
        out = np.empty((size[0] * SCALE, size[1] * SCALE, 3), np.float32)
        for index, tile in enumerate(tiles):
            progress.check()
            r, c = tile.rows, tile.columns
            low, high = np.array((r.low, c.low)), np.array((r.high, c.high))
            parts = [_cut(picture, low * k, high * k) for picture in pictures for k in [picture.shape[0] // size[0]]]
            piece = self._computed(parts, compute)
            inner = piece[
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


def _cut(picture: Image, low: Any, high: Any) -> Image:
    return np.ascontiguousarray(picture[low[0] : high[0], low[1] : high[1]])
