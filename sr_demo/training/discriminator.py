"""U-Net discriminator with spectral normalisation (Real-ESRGAN, Wang et al. 2021, arXiv 2107.10833, section 3.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


def _conv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding=1, bias=False))


class UNetDiscriminator(nn.Module):
    """U-Net that returns one logit per pixel: (N, 3, H, W) in [0, 1] -> (N, 1, H, W), H and W multiples of 8.

    Spectral normalisation (Miyato et al. 2018, arXiv 1802.05957) of all convolutions except the first and the last keeps
    their largest singular values at 1, which bounds the gradient that the generator receives.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        f = features
        self.first = nn.Conv2d(3, f, 3, padding=1)
        self.down = nn.ModuleList((_conv(f, 2 * f, 4, 2), _conv(2 * f, 4 * f, 4, 2), _conv(4 * f, 8 * f, 4, 2)))
        self.up = nn.ModuleList((_conv(8 * f, 4 * f, 3, 1), _conv(4 * f, 2 * f, 3, 1), _conv(2 * f, f, 3, 1)))
        self.refine = _conv(f, f, 3, 1)
        self.last = nn.Conv2d(f, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of each pixel, (N, 1, H, W); `x`: (N, 3, H, W) in [0, 1], H and W multiples of 8."""
        level = F.leaky_relu(self.first(x.contiguous(memory_format=torch.channels_last)), 0.2)
        skips: list[Tensor] = []
        for conv in self.down:
            skips.append(level)
            level = F.leaky_relu(conv(level), 0.2)
        for conv in self.up:
            upsampled = F.interpolate(level, scale_factor=2, mode="bilinear", align_corners=False)
            level = F.leaky_relu(conv(upsampled), 0.2) + skips.pop()
        return self.last(F.leaky_relu(self.refine(level), 0.2))
