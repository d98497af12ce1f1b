"""SPAN, a convolutional network whose attention has no parameters (Wan et al. 2024, arXiv 2311.12770).

spandrel implements the form for training, in which three convolutions and a shortcut replace each convolution and are merged
before every image. This is the merged form, in which some checkpoints are published.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_RANGE = 255.0
"""The network was trained on values in [0, 255] without their mean; its result is in [0, 1]."""


class SPAN(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] -> (N, 3, scale * H, scale * W), not clamped."""

    mean: Tensor

    def __init__(self, features: int, scale: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.conv_1 = nn.Conv2d(3, features, 3, padding=1)
        self.block_1, self.block_2, self.block_3 = Block(features), Block(features), Block(features)
        self.block_4, self.block_5, self.block_6 = Block(features), Block(features), Block(features)
        self.conv_2 = nn.Conv2d(features, features, 3, padding=1)
        self.conv_cat = nn.Conv2d(4 * features, features, 1)
        self.upsampler = nn.Sequential(nn.Conv2d(features, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, x: Tensor) -> Tensor:
        """Upscale `x`: (N, 3, H, W) -> (N, 3, scale * H, scale * W)."""
        first = self.conv_1((x - self.mean.view(1, 3, 1, 1)) * _RANGE)
        after_one, _ = self.block_1(first)
        out = after_one
        for block in (self.block_2, self.block_3, self.block_4, self.block_5):
            out, _ = block(out)
        out, inner = self.block_6(out)
        return self.upsampler(self.conv_cat(torch.cat((first, self.conv_2(out), after_one, inner), 1)))


class Block(nn.Module):
    """Three convolutions; the result of the last one is weighted by its own values (attention without parameters)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.c1_r = nn.Conv2d(features, features, 3, padding=1)
        self.c2_r = nn.Conv2d(features, features, 3, padding=1)
        self.c3_r = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the result, and the activated result of the first convolution; both have the shape of `x` (N, C, H, W)."""
        inner = F.silu(self.c1_r(x))
        out = self.c3_r(F.silu(self.c2_r(inner)))
        return (out + x) * (torch.sigmoid(out) - 0.5), inner
