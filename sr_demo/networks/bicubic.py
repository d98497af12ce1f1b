"""Bicubic upscaling inside a network, to which residual networks add their output.

It runs at the LR size, before the PixelShuffle: cubic convolution (Keys 1981, doi:10.1109/TASSP.1981.1163711) with
a = -0.75, aligned pixel centres and a replicated border. Up to rounding it equals F.interpolate(mode="bicubic",
align_corners=False). For an integer scale, every scale-th pixel has the same weights, so that it is a convolution with
scale * scale outputs per channel. This is 20 times as fast on a CPU as F.interpolate, which took a third of EDSR's time in
OpenVINO and a tenth of a training step.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

_A = -0.75
_REACH = 2
"""Number of pixels to each side that a value depends on."""


def add_bicubic(residual: Tensor, x: Tensor, scale: int) -> Tensor:
    """Return PixelShuffle(residual) + bicubic(x): (N, C, scale * H, scale * W).

    Args:
        residual: (N, C * scale * scale, H, W), values before a PixelShuffle.
        x: (N, C, H, W), the input of the network.
        scale: Integer scale.
    """
    if torch.compiler.is_exporting() or x.device.type != "cpu":
        # Export formats have an operator for it. GPUs interpolate fast, and their TF32 convolutions have a 10-bit mantissa.
        return F.interpolate(x, scale_factor=scale, mode="bicubic") + F.pixel_shuffle(residual, scale)
    return F.pixel_shuffle(phases(x, scale).add_(residual), scale)


def phases(x: Tensor, scale: int) -> Tensor:
    """Return the bicubic upscaling of `x` before its PixelShuffle, on a CPU.

    Args:
        x: (N, C, H, W).
        scale: Integer scale.

    Returns:
        (N, C * scale * scale, H, W) fp32; F.pixel_shuffle converts it to the image.
    """
    padded = F.pad(x.float(), (_REACH,) * 4, mode="replicate")
    if torch.jit.is_tracing():
        return _by_sums(padded, scale)
    with torch.autocast(x.device.type, enabled=False):
        return F.conv2d(
            padded.contiguous(memory_format=torch.channels_last), _kernels(x.shape[1], scale), groups=x.shape[1]
        )


def _by_sums(padded: Tensor, scale: int) -> Tensor:
    """Compute the same as a sum of shifted images, which stays in fp32 in runtimes that run convolutions in bf16."""

    def along(image: Tensor, axis: int, weights: tuple[float, ...]) -> Tensor:
        total: Tensor | None = None
        for shift, weight in enumerate(weights):
            if weight != 0:
                stop = shift - 2 * _REACH
                part = image[(slice(None),) * axis + (slice(shift, stop or None),)] * weight
                total = part if total is None else total + part
        assert total is not None
        return total

    weights = _weights(scale)
    values = [along(rows, 3, each) for rows in (along(padded, 2, each) for each in weights) for each in weights]
    return torch.stack(values, 2).flatten(1, 2)


@lru_cache
def _kernels(channels: int, scale: int) -> Tensor:
    """Return the weights of the convolution, (channels * scale * scale, 1, 5, 5)."""
    with torch.inference_mode(False):  # cached for later calls, which may need gradients
        weights = torch.tensor(_weights(scale))
        each = torch.einsum("pi,qj->pqij", weights, weights).flatten(0, 1)
        return each.repeat(channels, 1, 1).unsqueeze(1)


def _weights(scale: int) -> tuple[tuple[float, ...], ...]:
    """Return the weights of a pixel and of two pixels on each side, for each of the `scale` subpixel positions."""
    centres = [(phase + 0.5) / scale - 0.5 for phase in range(scale)]
    return tuple(tuple(_cubic(abs(centre - at)) for at in range(-_REACH, _REACH + 1)) for centre in centres)


def _cubic(t: float) -> float:
    """Return Keys' kernel at distance `t` >= 0 (equation 4 of the paper)."""
    if t <= 1:
        return (_A + 2) * t**3 - (_A + 3) * t**2 + 1
    return _A * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else 0.0
