"""Losses between SR and HR batches: (N, 3, H, W) float RGB in [0, 1] -> a scalar.

`PIXEL` contains the losses that depend on the two batches only; the perceptual loss is in `features.py`, the adversarial
loss in `adversarial.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from sr_demo.image import BT601

Loss = Callable[[Tensor, Tensor], Tensor]
_SCALE = 4
_WINDOW, _SIGMA = 11, 1.5
_LOCAL = 32
"""Side in HR pixels of the windows of `texture`."""


def l1(sr: Tensor, hr: Tensor) -> Tensor:
    """Return the mean absolute error."""
    return F.l1_loss(sr, hr)


def mse(sr: Tensor, hr: Tensor) -> Tensor:
    """Return the mean squared error; minimising it maximises PSNR."""
    return F.mse_loss(sr, hr)


def ssim(sr: Tensor, hr: Tensor) -> Tensor:
    """Return 1 - SSIM on BT.601 Y, in fp32 (Wang et al. 2004, doi:10.1109/TIP.2003.819861).

    Window and constants are those of `metrics.full_reference`; only windows that lie inside the image count.
    """
    with torch.autocast(sr.device.type, enabled=False):
        a, b = _luma(sr.float()), _luma(hr.float())
        c1, c2 = 0.01**2, 0.03**2
        ma, mb = _smooth(a), _smooth(b)
        va, vb, cov = _smooth(a * a) - ma * ma, _smooth(b * b) - mb * mb, _smooth(a * b) - ma * mb
        value = ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
        return 1.0 - value.mean()


def grid(sr: Tensor, hr: Tensor) -> Tensor:
    """Penalise checkerboard patterns: errors that differ between the 4 x 4 subpixel positions of the PixelShuffle.

    The error at each position is averaged over windows of 32 pixels, where real detail averages out and a regular pattern
    does not. The loss is the mean absolute deviation of these values from their mean over the positions.
    """
    error = F.pixel_unshuffle(sr - hr, _SCALE).unflatten(1, (3, _SCALE * _SCALE))
    count, _, _, height, width = error.shape
    means = F.avg_pool2d(error.flatten(1, 2), min(8, height, width)).view(count, 3, _SCALE * _SCALE, -1)
    return (means - means.mean(2, keepdim=True)).abs().mean()


def gradient(sr: Tensor, hr: Tensor) -> Tensor:
    """Penalise edges whose contrast or position differs from HR.

    The loss is the mean absolute error of the differences between neighbouring pixels, vertically and horizontally.
    """
    error = sr - hr
    return (error[..., 1:, :] - error[..., :-1, :]).abs().mean() + (error[..., 1:] - error[..., :-1]).abs().mean()


def texture(sr: Tensor, hr: Tensor) -> Tensor:
    """Penalise windows that are smoother or rougher than those of HR, regardless of the position of their detail.

    Compares the mean absolute difference of neighbouring pixels in each window of 32 pixels, separately for each of the 4
    subpixel positions, so that texture with the period of the PixelShuffle is penalised too. Unlike `gradient`, it does not
    reward blur where detail cannot be predicted: only the amount of detail counts.
    """
    return sum(((_steps(a) - _steps(b)).abs().mean() for a, b in ((sr, hr), (sr.mT, hr.mT))), sr.new_zeros(()))


PIXEL: dict[str, Loss] = {"l1": l1, "mse": mse, "ssim": ssim, "grid": grid, "gradient": gradient, "texture": texture}


def _steps(x: Tensor) -> Tensor:
    """Return the mean absolute difference of neighbouring columns in each window, by subpixel position.

    (N, C, H, W) -> (N, C, H // 32, W // 32, 4); a side below 32 pixels is one window.
    """
    height, width = (min(_LOCAL, side // _SCALE * _SCALE) for side in x.shape[-2:])
    steps = F.pad((x[..., 1:] - x[..., :-1]).abs(), (0, 1))  # the last column has no neighbour: 0 in both images
    windows = steps.unfold(2, height, height).unfold(3, width, width)
    return windows.unflatten(-1, (-1, _SCALE)).mean((-3, -2))


def _luma(x: Tensor) -> Tensor:
    """Return BT.601 Y in studio range: (N, 3, H, W) in [0, 1] -> (N, 1, H, W) in [16/255, 235/255]."""
    weight = torch.tensor(tuple(219 * share for share in BT601), device=x.device).view(1, 3, 1, 1) / 255.0
    return (x * weight).sum(1, keepdim=True) + 16.0 / 255.0


def _smooth(x: Tensor) -> Tensor:
    """Return the Gaussian-weighted mean of every window inside the image: (N, 1, H, W) -> (N, 1, H - 10, W - 10)."""
    kernel = _gaussian().to(x.device)
    return F.conv2d(F.conv2d(x, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))


@lru_cache
def _gaussian() -> Tensor:
    at = torch.arange(_WINDOW) - _WINDOW // 2
    weights = torch.exp(-at.square() / (2 * _SIGMA**2))
    return weights / weights.sum()
