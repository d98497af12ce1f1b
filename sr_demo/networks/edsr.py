"""EDSR-direct: EDSR-baseline (Lim et al., CVPRW 2017, arXiv 1707.02921) with all convolutions at the LR size.

Residual blocks without batch normalisation, one PixelShuffle at the end, added to the bicubic enlargement.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.networks.skeleton import Skeleton


class ResidualBlock(nn.Module):
    """conv - ReLU - conv, added to the input. In and out: (N, features, H, W)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(x)))


class EDSR(Skeleton):
    """The paper's baseline: 16 blocks of 64."""

    def __init__(self, blocks: int, features: int, scale: int) -> None:
        super().__init__((ResidualBlock(features) for _ in range(blocks)), features, scale)
