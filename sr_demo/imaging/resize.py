"""Enlarging and shrinking with Pillow's kernels, in float.

Pillow's BICUBIC (a = -0.5, antialiased when shrinking) agrees with MATLAB's `imresize` within 0.01 dB on Set5, which is
what published LR pictures and scores are made with. torch's bicubic (a = -0.75) and shrinking without antialiasing do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from sr_demo.image import Image, quantize, readonly
from sr_demo.system import large_array

Kernel = Literal["area", "bilinear", "bicubic", "lanczos"]
_KERNELS: dict[Kernel, tuple[Pillow.Resampling, float]] = {
    "area": (Pillow.Resampling.BOX, 0.5),
    "bilinear": (Pillow.Resampling.BILINEAR, 1),
    "bicubic": (Pillow.Resampling.BICUBIC, 2),
    "lanczos": (Pillow.Resampling.LANCZOS, 3),
}
"""With how far each reaches, in pixels of the larger picture's grid."""

_BAND = 32 * 2**20
"""Bytes of float32 that are resized at once. A band reads a little more than it answers for: smaller ones read more."""


def resize(image: Image, size: tuple[int, int], kernel: Kernel = "bicubic") -> Image:
    """`image` (H, W) or (H, W, C), float32 in [0, 1] -> (height, width[, C]) = `size`, clipped to [0, 1], read-only.

    Each channel is resized in float32: nothing is rounded to 8 bit on the way. What is large is done in bands of rows,
    with the same result.
    """
    planes = image[..., None] if image.ndim == 2 else image
    out: NDArray[np.float32] | None = None
    for rows, band in resized_bands(planes, size, kernel):
        if len(band) == size[0]:
            out = band
            break
        out = large_array.zeros(*size, planes.shape[2]) if out is None else out
        out[rows] = band
        large_array.release(out[rows])
    assert out is not None, "a picture has rows"
    return readonly(out[..., 0] if image.ndim == 2 else out)


def resized_bands(
    planes: NDArray[Any], size: tuple[int, int], kernel: Kernel = "bicubic"
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """`planes` (H, W, C) as `resize` resizes them, from the top: rows of the result, and what belongs there."""
    height, width = size
    filtering, reach = _KERNELS[kernel]
    ratio = planes.shape[0] / height
    reach *= max(ratio, 1)
    row = 4 * planes.shape[2] * max(width, planes.shape[1] * ceil(ratio))
    step = max(_BAND // row, 1)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        low = max(floor(top * ratio - reach) - 1, 0)
        high = min(ceil(bottom * ratio + reach) + 1, planes.shape[0])
        box = (0, top * ratio - low, planes.shape[1], min(bottom * ratio - low, high - low))
        band = np.empty((bottom - top, width, planes.shape[2]), np.float32)
        for c in range(planes.shape[2]):
            plane = Pillow.fromarray(np.ascontiguousarray(planes[low:high, :, c], np.float32))
            band[..., c] = np.asarray(plane.resize((width, bottom - top), filtering, box))
        large_array.release(planes[low:high])
        yield slice(top, bottom), np.clip(band, 0.0, 1.0, out=band)


def downscale(image: Image, scale: int) -> Image:
    """`image` (H, W, 3) -> (H // scale, W // scale, 3): cropped to a multiple of `scale`, bicubic with antialiasing.

    The result is rounded to 8 bit, as a small picture in a file would be.
    """
    cropped = crop_to_multiple(image, scale)
    height, width = cropped.shape[0] // scale, cropped.shape[1] // scale
    return readonly(np.divide(quantize(resize(cropped, (height, width))), np.float32(255), dtype=np.float32))


def crop_to_multiple(image: Image, multiple: int) -> Image:
    """The top left part of `image` (H, W, ...) whose height and width are multiples of `multiple`."""
    height, width = image.shape[0] // multiple * multiple, image.shape[1] // multiple * multiple
    return image[:height, :width]
