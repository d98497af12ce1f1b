"""Losses between SR and HR batches: (N, 3, H, W) float RGB in [0, 1] -> one number.

`PIXEL` holds those that need nothing but the two batches; perceptual losses are in `features.py`, the adversarial one
in `discriminator.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from sr_demo.image import BT601

Loss = Callable[[Tensor, Tensor], Tensor]
_PHASES = 4
_WINDOW, _SIGMA = 11, 1.5


def l1(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean absolute error."""
    return F.l1_loss(sr, hr)


def mse(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean squared error: what PSNR measures."""
    return F.mse_loss(sr, hr)


def ssim(sr: Tensor, hr: Tensor) -> Tensor:
    """1 - SSIM on BT.601 Y, with the metric's window and constants (Wang et al. 2004), windows inside; in fp32."""
    with torch.autocast(sr.device.type, enabled=False):
        a, b = _luma(sr.float()), _luma(hr.float())
        c1, c2 = 0.01**2, 0.03**2
        ma, mb = _smooth(a), _smooth(b)
        va, vb, cov = _smooth(a * a) - ma * ma, _smooth(b * b) - mb * mb, _smooth(a * b) - ma * mb
        value = ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
        return 1.0 - value.mean()


def grid(sr: Tensor, hr: Tensor) -> Tensor:
    """How much the error prefers some of the 4 x 4 places of the PixelShuffle: 0 where all are treated alike.

    The places are averaged over windows of 32 pixels, where real detail cancels out and a regular pattern stays.
    """
    error = F.pixel_unshuffle(sr - hr, _PHASES).unflatten(1, (3, _PHASES * _PHASES))
    count, _, _, height, width = error.shape
    means = F.avg_pool2d(error.flatten(1, 2), min(8, height, width)).view(count, 3, _PHASES * _PHASES, -1)
    return (means - means.mean(2, keepdim=True)).abs().mean()


PIXEL: dict[str, Loss] = {"l1": l1, "mse": mse, "ssim": ssim, "grid": grid}


def _luma(x: Tensor) -> Tensor:
    """(N, 3, H, W) -> (N, 1, H, W): BT.601 with footroom, 0..255 mapped to [0, 1]."""
    weight = torch.tensor(tuple(219 * share for share in BT601), device=x.device).view(1, 3, 1, 1) / 255.0
    return (x * weight).sum(1, keepdim=True) + 16.0 / 255.0


def _smooth(x: Tensor) -> Tensor:
    """Gaussian-weighted mean of every window that lies inside: (N, 1, H, W) -> (N, 1, H - 10, W - 10)."""
    kernel = _gaussian().to(x.device)
    return F.conv2d(F.conv2d(x, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))


@lru_cache
def _gaussian() -> Tensor:
    at = torch.arange(_WINDOW) - _WINDOW // 2
    weights = torch.exp(-at.square() / (2 * _SIGMA**2))
    return weights / weights.sum()
