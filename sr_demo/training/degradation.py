"""Synthetic degradation of real photos: one or two rounds of blur, resizing, noise and JPEG.

This is the second-order model of Real-ESRGAN (Wang et al. 2021, arXiv 2107.10833), on batches in torch. Sizes and filters are
drawn once per batch, strengths per image. Legend: N = batch; H, W = height and width of the HR images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sr_demo.image import BT601
from sr_demo.training.blur_kernels import filter_each, random_gaussian, random_sinc
from sr_demo.training.jpeg import jpeg


@dataclass(frozen=True)
class Pass:
    """One pass of blur, resize, noise, JPEG. Ranges are (low, high), drawn uniformly; probabilities are in 0..1."""

    blur: float
    """Probability of a blur."""
    width: tuple[float, float]
    """Standard deviation of a Gaussian blur, pixels."""
    sinc: float
    """Probability that the blur is a low-pass with a sinc kernel instead of a Gaussian."""
    resize: tuple[float, float, float]
    """Probabilities of upscaling, downscaling, keeping the size."""
    factor: tuple[float, float]
    """Range of the scale factor: downscaling draws from factor[0]..1, upscaling from 1..factor[1]."""
    gaussian: tuple[float, float]
    """Standard deviation of Gaussian noise, in steps of 1/255."""
    poisson: tuple[float, float]
    """Strength of Poisson noise: 1 corresponds to one photon per step of 1/255."""
    gray: float
    """Probability that the noise is the same in the three channels."""
    quality: tuple[float, float]
    """JPEG quality, 1..100."""


@dataclass(frozen=True)
class Degradation:
    """Both passes. `second` is the probability of the second pass, `final_sinc` that of a final low-pass."""

    passes: tuple[Pass, Pass]
    second: float
    final_sinc: float


MODERATE = Degradation(
    passes=(
        Pass(0.8, (0.2, 2.4), 0.1, (0.2, 0.5, 0.3), (0.3, 1.5), (1, 22), (0.05, 2.0), 0.4, (30, 95)),
        Pass(0.6, (0.2, 1.2), 0.1, (0.3, 0.3, 0.4), (0.5, 1.2), (1, 15), (0.05, 1.5), 0.4, (35, 95)),
    ),
    second=0.5,
    final_sinc=0.5,
)
"""Milder than the published ranges, with which a small network mostly learns to smooth; the second pass applies to half of
the batches (as in ResShift)."""
MILD = Degradation(
    passes=(
        Pass(0.3, (0.2, 1.0), 0.0, (0.1, 0.2, 0.7), (0.6, 1.2), (0, 4), (0.01, 0.3), 0.4, (75, 98)),
        Pass(0.0, (0.2, 0.5), 0.0, (0.0, 0.0, 1.0), (1.0, 1.0), (0, 2), (0.01, 0.1), 0.4, (80, 98)),
    ),
    second=0.0,
    final_sinc=0.0,
)
"""Degradation of good photos, with hardly any blur, noise or compression."""


@torch.no_grad()
def degrade(
    hr: Tensor, scale: int, rng: np.random.Generator, noise: torch.Generator, model: Degradation = MODERATE
) -> Tensor:
    """Degrade and downscale a batch; the same random states give the same result.

    Args:
        hr: (N, 3, H, W) in [0, 1].
        scale: HR side / LR side.
        rng: Draws sizes, filters and strengths.
        noise: Generator of the noise, on the CPU.
        model: The distribution of degradations.

    Returns:
        (N, 3, H / scale, W / scale) in [0, 1], rounded to 8 bit.
    """
    lr_size = (hr.shape[2] // scale, hr.shape[3] // scale)
    first, second = model.passes
    x = _compress(_noisy(_resized(_blurred(hr, first, rng), hr, first, rng), first, rng, noise), first, rng)
    if rng.random() < model.second:
        x = _noisy(_resized(_blurred(x, second, rng), hr, second, rng, scale), second, rng, noise)
    # The last resize and low-pass are applied before or after the last JPEG, as in Real-ESRGAN.
    jpeg_last = bool(rng.random() < 0.5)
    if not jpeg_last:
        x = _compress(x, second, rng)
    x = _interpolate(x, lr_size, rng)
    if rng.random() < model.final_sinc:
        x = filter_each(x, random_sinc(len(x), _side(rng), rng))
    if jpeg_last:
        x = _compress(x, second, rng)
    return torch.round(x.clamp(0, 1) * 255.0) / 255.0


def add_gaussian(x: Tensor, sigma: Tensor, gray: Tensor, noise: torch.Generator) -> Tensor:
    """Add Gaussian noise.

    Args:
        x: (N, 3, H, W) in [0, 1].
        sigma: (N,), standard deviation in units of x.
        gray: (N,) bool: the same noise in the three channels.
        noise: Generator of the noise, on the CPU.
    """
    white = torch.randn(x.shape, generator=noise)
    white = torch.where(gray[:, None, None, None], white[:, :1], white)
    return x + (white * sigma[:, None, None, None]).to(x.device)


def add_poisson(x: Tensor, strength: Tensor, gray: Tensor, noise: torch.Generator) -> Tensor:
    """Add shot noise of variance strength^2 * value / 255.

    Args:
        x: (N, 3, H, W) in [0, 1].
        strength: (N,).
        gray: (N,) bool: the noise is drawn for the luma and added to the three channels.
        noise: Generator of the noise, on the CPU.
    """
    clean = x.clamp(0, 1).cpu()
    luma = (clean * torch.tensor(BT601)[:, None, None]).sum(1, keepdim=True).expand_as(clean)
    source = torch.where(gray[:, None, None, None], luma, clean)
    photons = 255.0 / strength.square()[:, None, None, None]
    counted = torch.poisson(source * photons, generator=noise)
    error = counted / photons - source
    return x + torch.where(gray[:, None, None, None], error[:, :1], error).to(x.device)


def _side(rng: np.random.Generator) -> int:
    return 2 * int(rng.integers(3, 11)) + 1


def _blurred(x: Tensor, step: Pass, rng: np.random.Generator) -> Tensor:
    if rng.random() >= step.blur:
        return x
    side = _side(rng)
    if rng.random() < step.sinc:
        return filter_each(x, random_sinc(len(x), side, rng))
    return filter_each(x, random_gaussian(len(x), side, step.width, rng))


def _resized(x: Tensor, hr: Tensor, step: Pass, rng: np.random.Generator, scale: int = 1) -> Tensor:
    """Resize to a random multiple of the size of `hr` divided by `scale`."""
    direction = rng.choice(3, p=step.resize)
    low, high = ((1.0, step.factor[1]), (step.factor[0], 1.0), (1.0, 1.0))[direction]
    factor = rng.uniform(low, high) / scale
    height, width = (max(8, round(side * factor)) for side in hr.shape[2:])
    return _interpolate(x, (height, width), rng)


def _interpolate(x: Tensor, size: tuple[int, int], rng: np.random.Generator) -> Tensor:
    """Resize by area, bilinear or bicubic interpolation; the last two with antialiasing, as in photo programs."""
    kind = ("area", "bilinear", "bicubic")[int(rng.integers(3))]
    if (x.shape[2], x.shape[3]) == size:
        return x
    if kind == "area":
        return F.interpolate(x, size, mode="area")
    return F.interpolate(x, size, mode=kind, align_corners=False, antialias=True)


def _noisy(x: Tensor, step: Pass, rng: np.random.Generator, noise: torch.Generator) -> Tensor:
    gray = torch.from_numpy(rng.random(len(x)) < step.gray)
    if rng.random() < 0.5:
        sigma = torch.from_numpy(rng.uniform(*step.gaussian, size=len(x)) / 255.0).float()
        return add_gaussian(x, sigma, gray, noise).clamp(0, 1)
    strength = torch.from_numpy(rng.uniform(*step.poisson, size=len(x))).float()
    return add_poisson(x, strength, gray, noise).clamp(0, 1)


def _compress(x: Tensor, step: Pass, rng: np.random.Generator) -> Tensor:
    return jpeg(x, torch.from_numpy(rng.uniform(*step.quality, size=len(x))).to(x.device))
