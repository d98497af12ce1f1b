"""JPEG compression of batches in torch: encoding and decoding without a file.

ITU-T T.81: YCbCr, chroma at half size (4:2:0), 8 x 8 DCT, and the example tables of annex K, scaled by the quality as in
libjpeg. Entropy coding is omitted, since it is lossless.
"""

from __future__ import annotations

from math import cos, pi, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from sr_demo.image import BT601

_LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
_CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99), (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99), (99,) * 8, (99,) * 8, (99,) * 8, (99,) * 8,
)  # fmt: skip
_DCT = tuple(
    tuple((sqrt(1 / 8) if k == 0 else 0.5) * cos((2 * n + 1) * k * pi / 16) for n in range(8)) for k in range(8)
)
"""Matrix of the orthonormal DCT-II: row k, column n."""
_TO_YCC = (BT601, (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))
"""YCbCr to RGB (ITU-T T.871, JFIF), without the offset of 128 on Cb and Cr, which the level shift cancels."""


def jpeg(images: Tensor, quality: Tensor) -> Tensor:
    """Compress and decompress images.

    Args:
        images: (N, 3, H, W) float in [0, 1].
        quality: (N,), 1..100.

    Returns:
        (N, 3, H, W) float in [0, 1], rounded to multiples of 1/255.
    """
    height, width = images.shape[2:]
    padded = F.pad(images, (0, -width % 16, 0, -height % 16), mode="replicate").float()
    ycc = _mix(torch.round(padded.clamp(0, 1) * 255.0), _TO_YCC)
    luma = _quantize_dct(ycc[:, :1] - 128.0, _table(_LUMA_TABLE, quality)) + 128.0
    chroma = _quantize_dct(F.avg_pool2d(ycc[:, 1:], 2), _table(_CHROMA_TABLE, quality))
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    rgb = _mix(torch.cat((luma, chroma), dim=1), _TO_RGB)
    return torch.round(rgb.clamp(0, 255))[:, :, :height, :width] / 255.0


def _mix(images: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    return torch.einsum("dc,nchw->ndhw", torch.tensor(matrix, device=images.device), images)


def _table(table: tuple[tuple[int, ...], ...], quality: Tensor) -> Tensor:
    """Scale a quantization table by libjpeg's rule (jcparam.c): qualities (N,) -> steps (N, 8, 8) in 1..255."""
    q = quality.float().clamp(1, 100)
    percent = torch.where(q < 50, 5000.0 / q, 200.0 - 2.0 * q).floor()
    base = torch.tensor(table, dtype=torch.float32, device=quality.device)
    return ((base * percent[:, None, None] + 50.0) / 100.0).floor().clamp(1, 255)


def _quantize_dct(planes: Tensor, steps: Tensor) -> Tensor:
    """Round the DCT coefficients of 8 x 8 blocks to multiples of `steps`: (N, C, H, W), H and W multiples of 8."""
    n, c, height, width = planes.shape
    dct = torch.tensor(_DCT, device=planes.device)
    blocks = planes.reshape(n, c, height // 8, 8, width // 8, 8).transpose(3, 4)
    step = steps[:, None, None, None]
    coefficients = torch.round(dct @ blocks @ dct.T / step) * step
    return (dct.T @ coefficients @ dct).transpose(3, 4).reshape(n, c, height, width)
