"""SRVGGNetCompact, the small network of Real-ESRGAN (Wang et al. 2021, arXiv 2107.10833, and its repository).

spandrel has it too, but takes seconds to import, which would delay the first result. Tensor names are the same, so that
spandrel and other programs can load our files with the same results.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Compact(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] -> (N, 3, scale * H, scale * W), not clamped.

    A stack of 3 x 3 convolutions with PReLU, `convolutions` of them between the first and the last, and one
    PixelShuffle; the result is added to nearest-neighbour upscaling.
    """

    def __init__(self, features: int, convolutions: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        layers: list[nn.Module] = [nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features)]
        for _ in range(convolutions):
            layers += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        self.body = nn.Sequential(*layers, nn.Conv2d(features, 3 * scale**2, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Upscale `x`: (N, 3, H, W) -> (N, 3, scale * H, scale * W)."""
        nearest = F.interpolate(x, scale_factor=self.scale, mode="nearest")
        return F.pixel_shuffle(self.body(x), self.scale) + nearest
