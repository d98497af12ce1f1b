"""EDSR-baseline (Lim et al., CVPRW 2017, arXiv 1707.02921) with all convolutions at the LR size.

Residual blocks without batch normalisation; one PixelShuffle at the end, added to bicubic upscaling.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.networks.skeleton import Skeleton


class ResidualBlock(nn.Module):
    """x + conv(ReLU(conv(x))): (N, features, H, W) -> the same shape."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(x)))


class EDSR(Skeleton):
    """(N, 3, H, W) RGB in [0, 1] -> (N, 3, scale * H, scale * W), not clamped. EDSR-baseline has 16 blocks of 64
    features."""

    def __init__(self, blocks: int, features: int, scale: int) -> None:
        super().__init__((ResidualBlock(features) for _ in range(blocks)), features, scale)
