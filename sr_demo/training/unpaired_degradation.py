"""Small pictures as one camera nobody described would make them: the same blur and grain on every picture.

For training without pairs, where no such camera's pictures are at hand. The networks never see the damage itself, nor the
two sides of one picture; validation does, to tell how well it was guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import numpy as np
import torch

from sr_demo.image import quantize
from sr_demo.imaging.resize import downscale
from sr_demo.training.blur_kernels import filter_each, gaussian
from sr_demo.training.data import TrainingImage, as_float

_SIDE = 21
_LONG, _SHORT = (2.0, 3.0), (1.2, 2.0)
"""Widths of the blur along and across, pixels of the large picture."""
_READ, _SHOT = (1.0, 3.0), (0.4, 1.0)
"""Grain: standard deviation in the dark in steps of 1/255, and the factor on the root of the brightness in steps."""


def unknown_track(pictures: Sequence[TrainingImage], scale: int, seed: int) -> list[TrainingImage]:
    """(s*h, s*w, 3) uint8 pictures -> their (h, w, 3) uint8 twins, all with the damage that `seed` stands for.

    The damage: one turned elliptical blur, antialiased bicubic shrink, grain that grows with brightness.
    """
    rng = np.random.default_rng(seed)
    sigma = torch.tensor([[rng.uniform(*_LONG), rng.uniform(*_SHORT)]], dtype=torch.float32)
    theta = torch.tensor([rng.uniform(-pi, pi)], dtype=torch.float32)
    kernel = gaussian(sigma, theta, torch.ones(1), torch.zeros(1, dtype=torch.bool), _SIDE)
    read, shot = rng.uniform(*_READ), rng.uniform(*_SHOT)
    return [_damaged(picture, kernel, (read, shot), scale, rng) for picture in pictures]


def _damaged(
    picture: TrainingImage, kernel: torch.Tensor, grain: tuple[float, float], scale: int, rng: np.random.Generator
) -> TrainingImage:
    tensor = torch.from_numpy(as_float(picture)).permute(2, 0, 1)[None]
    blurred = filter_each(tensor, kernel)[0].permute(1, 2, 0).clamp(0, 1).contiguous().numpy()
    small = downscale(blurred, scale)
    sigma = np.sqrt(grain[0] ** 2 + grain[1] ** 2 * small * 255.0) / 255.0
    noisy = small + sigma * rng.standard_normal(small.shape, dtype=np.float32)
    return quantize(np.clip(noisy, 0, 1).astype(np.float32))
