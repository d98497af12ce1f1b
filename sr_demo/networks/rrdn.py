"""RRDN: a few residual-in-residual dense blocks and one PixelShuffle.

Based on ESRGAN (Wang et al. 2018, arXiv 1809.00219). Each block has three dense blocks, and each dense block has a few
convolutions that read all previous outputs; residuals are scaled by 0.2, as in the paper. Convolutions run at the LR size;
the result is added to bicubic upscaling.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.networks.skeleton import Skeleton

_RESIDUAL_SCALE = 0.2


class DenseBlock(nn.Module):
    """`convolutions` dense 3 x 3 convolutions and one that fuses them, with a scaled residual.

    (N, features, H, W) -> the same shape.
    """

    def __init__(self, features: int, growth: int, convolutions: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(features + i * growth, growth, 3, padding=1) for i in range(convolutions))
        self.fusion = nn.Conv2d(features + convolutions * growth, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block: (N, features, H, W) -> the same shape."""
        dense = x
        for conv in self.convs:
            dense = torch.cat((dense, F.leaky_relu(conv(dense), 0.2)), dim=1)
        return torch.add(x, self.fusion(dense), alpha=_RESIDUAL_SCALE)


class RRDB(nn.Module):
    """Three dense blocks with a scaled residual: (N, features, H, W) -> the same shape."""

    def __init__(self, features: int, growth: int, convolutions: int) -> None:
        super().__init__()
        self.dense = nn.Sequential(*(DenseBlock(features, growth, convolutions) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block: (N, features, H, W) -> the same shape."""
        return torch.add(x, self.dense(x), alpha=_RESIDUAL_SCALE)


class RRDN(Skeleton):
    """(N, 3, H, W) RGB in [0, 1] -> (N, 3, scale * H, scale * W), not clamped.

    ESRGAN has 23 blocks of 64 features, growth 32.
    """

    def __init__(self, blocks: int, convolutions: int, growth: int, features: int, scale: int) -> None:
        super().__init__((RRDB(features, growth, convolutions) for _ in range(blocks)), features, scale)
