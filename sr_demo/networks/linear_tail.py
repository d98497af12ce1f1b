"""Convolutions and PixelShuffles at the end of a network, without activations between them, as one convolution.

Without activations they are one linear map: each LR pixel of the result, with its scale * scale HR pixels as channels,
depends on 5 x 5 LR pixels of the features. Computed as one convolution, nothing runs at a higher resolution, and the work for
64 features falls to a tenth (collapsing linear convolutions: Bhardwaj et al., SESR, MLSys 2022, arXiv 2103.09404).
"""

from __future__ import annotations

from itertools import product
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_REACH = 2
"""LR pixels on each side that a chain of 3 x 3 convolutions and PixelShuffles depends on, whatever its length, since each
PixelShuffle at least halves the reach of the following layers."""
_AT = (0, _REACH, 2 * _REACH)
"""Positions in a probe of 5 pixels that represent the first, the inner and the last pixels of an image."""


class LinearTail(nn.Module):
    """A folded chain of layers: (1, C, H, W) -> (1, 3, scale * H, scale * W), H and W at least 3.

    Each convolution of the chain pads its input with zeros, so that the outermost LR pixels need other kernels than the inner
    ones: there are nine kernels, for corners, edges and the inside.
    """

    def __init__(self, chain: nn.Sequential) -> None:
        """Fold a chain.

        Args:
            chain: 3 x 3 convolutions, padded by 1, and PixelShuffles; (N, C, H, W) -> (N, 3, scale * H, scale * W), fp32.
        """
        super().__init__()
        self.scale = prod(step.upscale_factor for step in chain if isinstance(step, nn.PixelShuffle))
        kernels, biases = _probe(chain, self.scale)
        near = (slice(0, _REACH + 1), slice(None), slice(_REACH, None))
        self.parts = nn.ModuleList(
            _convolution(kernels[row, column][..., near[row], near[column]], biases[row, column])
            for row, column in product(range(3), repeat=2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the chain: (1, C, H, W) -> (1, 3, scale * H, scale * W)."""
        side = _REACH + 1
        rows: list[Tensor] = []
        for row, band in enumerate((x[:, :, :side], x, x[:, :, -side:])):
            cells = (band[..., :side], band, band[..., -side:])
            rows.append(torch.cat([self.parts[3 * row + column](cell) for column, cell in enumerate(cells)], 3))
        return F.pixel_shuffle(torch.cat(rows, 2), self.scale)


def _probe(chain: nn.Sequential, scale: int) -> tuple[Tensor, Tensor]:
    """Return the kernels and biases of the chain by differentiating it on an image of 5 x 5 zeros.

    Returns:
        (3, 3, K, C, 5, 5) kernels and (3, 3, K) biases for the rows and columns of `_AT`; K = 3 * scale * scale.
    """
    side, count, features = _AT[-1] + 1, 3 * scale * scale, next(chain.parameters()).shape[1]
    with torch.enable_grad():
        # One copy of the image for each output value, so that the gradient of their sum is the gradient of each.
        x = torch.zeros(len(_AT) ** 2 * count, features, side, side, requires_grad=True)
        found = F.pixel_unshuffle(chain(x), scale).unflatten(0, (len(_AT), len(_AT), count))
        values = torch.stack(
            [
                torch.stack([found[i, j, :, :, row, column].diagonal() for j, column in enumerate(_AT)])
                for i, row in enumerate(_AT)
            ]
        )
        (gradient,) = torch.autograd.grad(values.sum(), x)
    return gradient.view(len(_AT), len(_AT), count, features, side, side), values.detach()


def _convolution(kernel: Tensor, bias: Tensor) -> nn.Conv2d:
    """Return a convolution with a kernel of 3 or 5 rows and columns, padded by 1 along axes of size 5."""
    height, width = kernel.shape[2:]
    padding = (int(height > _REACH + 1), int(width > _REACH + 1))
    made = nn.Conv2d(kernel.shape[1], kernel.shape[0], (height, width), padding=padding)
    made.weight, made.bias = nn.Parameter(kernel.contiguous()), nn.Parameter(bias)
    return made
