"""The common structure of EDSR, SRResNet and RRDN.

They differ only in their blocks, so that a comparison of the networks compares the blocks. All convolutions run at the LR
size: one before the blocks, one after them inside the long skip connection, and one before the single PixelShuffle.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.networks.bicubic import add_bicubic


class Skeleton(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] -> (N, 3, scale * H, scale * W), not clamped.

    `blocks`: each maps (N, features, H, W) to the same shape. `residual`: whether the result is added to bicubic
        upscaling.
    """

    def __init__(self, blocks: Iterable[nn.Module], features: int, scale: int, *, residual: bool = True) -> None:
        super().__init__()
        self.scale = scale
        self.residual = residual
        self.head = nn.Conv2d(3, features, 3, padding=1)
        self.blocks = nn.Sequential(*blocks)
        self.body_end = nn.Conv2d(features, features, 3, padding=1)
        self.tail = nn.Conv2d(features, 3 * scale * scale, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale `x`: (N, 3, H, W) -> (N, 3, scale * H, scale * W)."""
        head = self.head(x)
        output = self.tail(head + self.body_end(self.blocks(head)))
        return add_bicubic(output, x, self.scale) if self.residual else F.pixel_shuffle(output, self.scale)
