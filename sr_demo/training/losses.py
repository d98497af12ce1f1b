"""Losses between SR and HR batches: (N, 3, H, W) float RGB in [0, 1] -> one number.

`PIXEL` holds those that need nothing but the two batches; perceptual losses are in `features.py`, the adversarial one
in `discriminator.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def l1(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean absolute error."""
    return F.l1_loss(sr, hr)


def mse(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean squared error: what PSNR measures."""
    return F.mse_loss(sr, hr)


PIXEL: dict[str, Loss] = {"l1": l1, "mse": mse}
