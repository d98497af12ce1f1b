"""The networks of two perceptual measures: LPIPS on AlexNet, DISTS on VGG16.

Both compare features of two images in a network that was trained for classification. Its layers before the classifier are
defined here, with the names of torchvision's weight files.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""LPIPS: mean and standard deviation of the training images, for values of -1 to 1."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""DISTS: mean and standard deviation of the training images, for values of 0 to 1."""
_ALEX = (64, 192, 384, 256, 256)
_ALEX_ENDS = (1, 4, 7, 9, 11)
"""Layers of `features` that LPIPS compares: the five ReLUs."""
_VGG = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)
"""Channels of the convolutions of VGG16; 0 for a pooling."""
_VGG_ENDS = (3, 8, 15, 22, 29)
_STAGES = (3, 64, 128, 256, 512, 512)
"""Channels that DISTS compares: the image itself, then the ends of five stages."""


class Lpips(nn.Module):
    """LPIPS 0.1 on AlexNet (Zhang et al. 2018, arXiv 1801.03924, equation 1): two (1, 3, H, W) in [0, 1] -> a scalar.

    H and W of at least 31.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)]
        layers += [nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)]
        for inputs, outputs in pairwise(_ALEX[1:]):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.heads = nn.ParameterList([nn.Parameter(torch.rand(1, channels, 1, 1)) for channels in _ALEX])
        """Weights of the channels."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the distance."""
        total = torch.zeros(())
        for head, first, second in zip(self.heads, self._maps(a), self._maps(b), strict=True):
            total = total + (head * (first - second) ** 2).sum(dim=1).mean()
        return total

    def _maps(self, image: Tensor) -> list[Tensor]:
        """Return the feature maps of the five layers, normalised to unit length over the channels at each position."""
        x = (2 * image - 1 - _row(_SHIFT)) / _row(_SCALE)
        maps = _outputs(self.features, x, _ALEX_ENDS)
        return [found / (found.square().sum(dim=1, keepdim=True).sqrt() + 1e-10) for found in maps]


class Dists(nn.Module):
    """DISTS (Ding et al. 2020, arXiv 2004.07728, equations 2 to 6): two (1, 3, H, W) in [0, 1] -> a scalar.

    It uses VGG16 with poolings that are Hann-weighted root mean squares over 3 x 3 pixels.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for channels in _VGG:
            layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU()] if channels else [_Pooling()]
            inputs = channels or inputs
        self.features = nn.Sequential(*layers)
        self.alpha, self.beta = (nn.Parameter(torch.rand(1, sum(_STAGES), 1, 1)) for _ in range(2))
        """Weights of mean and structure of each channel."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the distance."""
        total = self.alpha.sum() + self.beta.sum()
        likeness = torch.zeros(())
        weights = (torch.split(one / total, list(_STAGES), dim=1) for one in (self.alpha, self.beta))
        for alpha, beta, x, y in zip(*weights, self._maps(a), self._maps(b), strict=True):
            mx, my = (one.mean((2, 3), keepdim=True) for one in (x, y))
            vx, vy = (((one - mean) ** 2).mean((2, 3), keepdim=True) for one, mean in ((x, mx), (y, my)))
            cov = (x * y).mean((2, 3), keepdim=True) - mx * my
            texture = (2 * mx * my + 1e-6) / (mx**2 + my**2 + 1e-6)
            structure = (2 * cov + 1e-6) / (vx + vy + 1e-6)
            likeness = likeness + (alpha * texture + beta * structure).sum()
        return 1 - likeness

    def _maps(self, image: Tensor) -> list[Tensor]:
        return [image, *_outputs(self.features, (image - _row(_MEAN)) / _row(_STD), _VGG_ENDS)]


class _Pooling(nn.Module):
    """Pooling by 2: the root of the Hann-weighted mean of squares."""

    def forward(self, x: Tensor) -> Tensor:
        line = torch.tensor([0.25, 0.5, 0.25])
        kernel = torch.outer(line, line).expand(x.shape[1], 1, 3, 3)
        return (F.conv2d(x**2, kernel, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()


def _row(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).view(1, -1, 1, 1)


def _outputs(layers: nn.Sequential, x: Tensor, ends: tuple[int, ...]) -> list[Tensor]:
    found: list[Tensor] = []
    for number, layer in enumerate(layers):
        x = layer(x)
        if number in ends:
            found.append(x)
    return found
