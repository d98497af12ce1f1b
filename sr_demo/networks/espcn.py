"""ESPCN (Shi et al., CVPR 2016, arXiv 1609.05158): three convolutions at the LR size and the first PixelShuffle.

Three differences from the paper: RGB instead of luma, as in all our networks; ReLU instead of tanh; the result is added to
bicubic upscaling. After 2,500 iterations on our photos, the last two gain 1.2 dB.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from sr_demo.networks.bicubic import add_bicubic


class ESPCN(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] -> (N, 3, scale * H, scale * W), not clamped.

    `features`: channels of the first two layers, 64 and 32 in the paper.
    """

    def __init__(self, features: list[int], scale: int) -> None:
        super().__init__()
        first, second = features
        self.scale = scale
        self.conv1 = nn.Conv2d(3, first, 5, padding=2)
        self.conv2 = nn.Conv2d(first, second, 3, padding=1)
        self.conv3 = nn.Conv2d(second, 3 * scale * scale, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale `x`: (N, 3, H, W) -> (N, 3, scale * H, scale * W)."""
        residual = self.conv3(F.relu(self.conv2(F.relu(self.conv1(x)))))
        return add_bicubic(residual, x, self.scale)
