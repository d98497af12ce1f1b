"""What real pictures have been through: blur, resizing, noise and JPEG, and then the same once more.

The second-order model of Real-ESRGAN (Wang et al. 2021, arXiv 2107.10833) on batches in torch. Sizes and filters are
drawn once for a batch, strengths for each picture. Legend: N = batch, H, W = height and width of the HR pictures.
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
class Round:
    """One pass of blur, resize, noise, JPEG. Ranges are (low, high), drawn uniformly; probabilities in 0..1."""

    blur: float
    width: tuple[float, float]
    """Of the blur, pixels (standard deviation)."""
    sinc: float
    resize: tuple[float, float, float]
    """Probabilities of enlarging, shrinking, keeping the size."""
    factor: tuple[float, float]
    """Smallest shrink and largest enlargement."""
    gaussian: tuple[float, float]
    """Standard deviation of Gaussian noise, in steps of 1/255."""
    poisson: tuple[float, float]
    """Strength of Poisson noise: 1 = what one photon per step of 1/255 gives."""
    gray: float
    """Probability that the noise is the same in the three colours."""
    quality: tuple[float, float]
    """Of the JPEG, 1..100."""


@dataclass(frozen=True)
class Degradation:
    """Both rounds. `second`: probability of the second; `final_sinc`: of the low-pass at the end."""

    rounds: tuple[Round, Round]
    second: float
    final_sinc: float


PUBLISHED = Degradation(
    rounds=(
        Round(1.0, (0.2, 3.0), 0.1, (0.2, 0.7, 0.1), (0.15, 1.5), (1, 30), (0.05, 3.0), 0.4, (30, 95)),
        Round(0.8, (0.2, 1.5), 0.1, (0.3, 0.4, 0.3), (0.3, 1.2), (1, 25), (0.05, 2.5), 0.4, (30, 95)),
    ),
    second=1.0,
    final_sinc=0.8,
)
MODERATE = Degradation(
    rounds=(
        Round(0.8, (0.2, 2.4), 0.1, (0.2, 0.5, 0.3), (0.3, 1.5), (1, 22), (0.05, 2.0), 0.4, (30, 95)),
        Round(0.6, (0.2, 1.2), 0.1, (0.3, 0.3, 0.4), (0.5, 1.2), (1, 15), (0.05, 1.5), 0.4, (35, 95)),
    ),
    second=0.5,
    final_sinc=0.5,
)
"""Milder, with the second round half of the time (as ResShift): a small network that must undo everything the published
ranges allow learns mostly to smooth."""


@torch.no_grad()
def degrade(
    hr: Tensor, scale: int, rng: np.random.Generator, noise: torch.Generator, model: Degradation = MODERATE
) -> Tensor:
    """(N, 3, H, W) in [0, 1] -> (N, 3, H / scale, W / scale), rounded to 8 bit.

    `rng` draws sizes, filters and strengths, `noise` (on the CPU) the noise itself: same states, same result.
    """
    small = (hr.shape[2] // scale, hr.shape[3] // scale)
    first, second = model.rounds
    x = _compress(_noisy(_resized(_blurred(hr, first, rng), hr, first, rng), first, rng, noise), first, rng)
    if rng.random() < model.second:
        x = _noisy(_resized(_blurred(x, second, rng), hr, second, rng, scale), second, rng, noise)
    # The last resize and low-pass come before or after the last JPEG, as they do in the wild.
    jpeg_last = bool(rng.random() < 0.5)
    if not jpeg_last:
        x = _compress(x, second, rng)
    x = _interpolate(x, small, rng)
    if rng.random() < model.final_sinc:
        x = filter_each(x, random_sinc(len(x), _side(rng), rng))
    if jpeg_last:
        x = _compress(x, second, rng)
    return torch.round(x.clamp(0, 1) * 255.0) / 255.0


def add_gaussian(x: Tensor, sigma: Tensor, gray: Tensor, noise: torch.Generator) -> Tensor:
    """Add normal noise; sigma (N,) in [0, 1], gray (N,) bool: the same value in the three colours."""
    white = torch.randn(x.shape, generator=noise)
    white = torch.where(gray[:, None, None, None], white[:, :1], white)
    return x + (white * sigma[:, None, None, None]).to(x.device)


def add_poisson(x: Tensor, strength: Tensor, gray: Tensor, noise: torch.Generator) -> Tensor:
    """Add shot noise: variance = strength² * value / 255 for a value in [0, 1]; `gray` takes it from the luma."""
    clean = x.clamp(0, 1).cpu()
    luma = (clean * torch.tensor(BT601)[:, None, None]).sum(1, keepdim=True).expand_as(clean)
    source = torch.where(gray[:, None, None, None], luma, clean)
    photons = 255.0 / strength.square()[:, None, None, None]
    counted = torch.poisson(source * photons, generator=noise)
    error = counted / photons - source
    return x + torch.where(gray[:, None, None, None], error[:, :1], error).to(x.device)


def _side(rng: np.random.Generator) -> int:
    return 2 * int(rng.integers(3, 11)) + 1


def _blurred(x: Tensor, step: Round, rng: np.random.Generator) -> Tensor:
    if rng.random() >= step.blur:
        return x
    side = _side(rng)
    if rng.random() < step.sinc:
        return filter_each(x, random_sinc(len(x), side, rng))
    return filter_each(x, random_gaussian(len(x), side, step.width, rng))


def _resized(x: Tensor, hr: Tensor, step: Round, rng: np.random.Generator, scale: int = 1) -> Tensor:
    """To a random multiple of the size of `hr` divided by `scale`."""
    direction = rng.choice(3, p=step.resize)
    low, high = ((1.0, step.factor[1]), (step.factor[0], 1.0), (1.0, 1.0))[direction]
    factor = rng.uniform(low, high) / scale
    height, width = (max(8, round(side * factor)) for side in hr.shape[2:])
    return _interpolate(x, (height, width), rng)


def _interpolate(x: Tensor, size: tuple[int, int], rng: np.random.Generator) -> Tensor:
    """Area, bilinear or bicubic; the last two with antialiasing, as photo programs do."""
    kind = ("area", "bilinear", "bicubic")[int(rng.integers(3))]
    if (x.shape[2], x.shape[3]) == size:
        return x
    if kind == "area":
        return F.interpolate(x, size, mode="area")
    return F.interpolate(x, size, mode=kind, align_corners=False, antialias=True)


def _noisy(x: Tensor, step: Round, rng: np.random.Generator, noise: torch.Generator) -> Tensor:
    gray = torch.from_numpy(rng.random(len(x)) < step.gray)
    if rng.random() < 0.5:
        sigma = torch.from_numpy(rng.uniform(*step.gaussian, size=len(x)) / 255.0).float()
        return add_gaussian(x, sigma, gray, noise).clamp(0, 1)
    strength = torch.from_numpy(rng.uniform(*step.poisson, size=len(x))).float()
    return add_poisson(x, strength, gray, noise).clamp(0, 1)


def _compress(x: Tensor, step: Round, rng: np.random.Generator) -> Tensor:
    return jpeg(x, torch.from_numpy(rng.uniform(*step.quality, size=len(x))).to(x.device))
