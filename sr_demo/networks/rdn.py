"""Residual Dense Network (Zhang et al., CVPR 2018, arXiv 1802.08797) with a single PixelShuffle.

Legend of the paper: D residual dense blocks, C convolutions in each, G channels added by each convolution (growth), G0
channels between the blocks. There are two differences from the paper, for speed and fast convergence: the upscaling is one
convolution and one PixelShuffle, and the result is added to bicubic upscaling (global residual learning in pixel space).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.networks.bicubic import add_bicubic


class ResidualDenseBlock(nn.Module):
    """Dense 3 x 3 convolutions, 1 x 1 local feature fusion, local residual (section 3.2 of the paper).

    (N, features, H, W) -> the same shape.
    """

    def __init__(self, features: int, growth: int, convolutions: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(features + i * growth, growth, 3, padding=1) for i in range(convolutions))
        self.fusion = nn.Conv2d(features + convolutions * growth, features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block: (N, features, H, W) -> the same shape."""
        dense = x
        for conv in self.convs:
            dense = torch.cat((dense, F.relu(conv(dense))), dim=1)
        return x + self.fusion(dense)


class RDN(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] -> (N, 3, scale * H, scale * W), not clamped.

    `blocks`, `convolutions`, `growth`, `features`: the paper's D, C, G, G0. `scale`: 2, 3 or 4.
    """

    def __init__(self, blocks: int, convolutions: int, growth: int, features: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.shallow1 = nn.Conv2d(3, features, 3, padding=1)
        self.shallow2 = nn.Conv2d(features, features, 3, padding=1)
        self.blocks = nn.ModuleList(ResidualDenseBlock(features, growth, convolutions) for _ in range(blocks))
        self.global_fusion = nn.Sequential(
            nn.Conv2d(blocks * features, features, 1), nn.Conv2d(features, features, 3, padding=1)
        )
        self.tail = nn.Conv2d(features, 3 * scale * scale, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale `x`: (N, 3, H, W) -> (N, 3, scale * H, scale * W)."""
        first = self.shallow1(x)
        flow = self.shallow2(first)
        outputs: list[Tensor] = []
        for block in self.blocks:
            flow = block(flow)
            outputs.append(flow)
        fused = first + self.global_fusion(torch.cat(outputs, dim=1))
        return add_bicubic(self.tail(fused), x, self.scale)
