"""Simulated LR images of one unknown camera: all images have the same blur and noise model.

They are used for training without pairs if no images of such a camera are available. The networks are given neither the
degradation nor both images of a pair; validation uses the pairs to measure how well the degradation was reversed.
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
"""Ranges of the blur's standard deviation along its two axes, in HR pixels."""
_READ_NOISE, _SHOT_NOISE = (1.0, 3.0), (0.4, 1.0)
"""Ranges of the noise in units of 1/255: standard deviation in the dark, and factor of the square root of brightness."""


def unknown_track(images: Sequence[TrainingImage], scale: int, seed: int) -> list[TrainingImage]:
    """Degrade images by one elliptical blur, antialiased bicubic downscaling and signal-dependent noise.

    Args:
        images: (s*h, s*w, 3) uint8.
        scale: Scale factor, s.
        seed: Determines the degradation and the noise.

    Returns:
        (h, w, 3) uint8 each.
    """
    rng = np.random.default_rng(seed)
    sigma = torch.tensor([[rng.uniform(*_LONG), rng.uniform(*_SHORT)]], dtype=torch.float32)
    theta = torch.tensor([rng.uniform(-pi, pi)], dtype=torch.float32)
    kernel = gaussian(sigma, theta, torch.ones(1), torch.zeros(1, dtype=torch.bool), _SIDE)
    read, shot = rng.uniform(*_READ_NOISE), rng.uniform(*_SHOT_NOISE)
    return [_degraded(image, kernel, (read, shot), scale, rng) for image in images]


def _degraded(
    image: TrainingImage, kernel: torch.Tensor, noise: tuple[float, float], scale: int, rng: np.random.Generator
) -> TrainingImage:
    tensor = torch.from_numpy(as_float(image)).permute(2, 0, 1)[None]
    blurred = filter_each(tensor, kernel)[0].permute(1, 2, 0).clamp(0, 1).contiguous().numpy()
    lr = downscale(blurred, scale)
    sigma = np.sqrt(noise[0] ** 2 + noise[1] ** 2 * lr * 255.0) / 255.0
    noisy = lr + sigma * rng.standard_normal(lr.shape, dtype=np.float32)
    return quantize(np.clip(noisy, 0, 1).astype(np.float32))
