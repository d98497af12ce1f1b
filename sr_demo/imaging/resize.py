"""Upscaling and downscaling with Pillow's kernels, in float.

Pillow's BICUBIC (a = -0.5, antialiased when downscaling) agrees within 0.01 dB on Set5 with MATLAB's `imresize`, the standard
for published LR images and scores. torch's bicubic (a = -0.75) and downscaling without antialiasing do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from sr_demo.image import Image, Pixels, Size, quantize, readonly, unit
from sr_demo.imaging import srgb
from sr_demo.progress import SILENT, Progress
from sr_demo.system import large_array

Kernel = Literal["area", "bilinear", "bicubic", "lanczos"]
_KERNELS: dict[Kernel, tuple[Pillow.Resampling, float]] = {
    "area": (Pillow.Resampling.BOX, 0.5),
    "bilinear": (Pillow.Resampling.BILINEAR, 1),
    "bicubic": (Pillow.Resampling.BICUBIC, 2),
    "lanczos": (Pillow.Resampling.LANCZOS, 3),
}
"""Kernel -> Pillow's constant, and its radius in pixels of the coarser grid."""

_BAND = 32 * 2**20
"""Bytes of float32 that are resized at once. Each band reads further rows for the kernel, so that small bands read more."""


def resize(
    image: Pixels, size: tuple[int, int], kernel: Kernel = "bicubic", *, linear: bool = False,
    progress: Progress = SILENT,
) -> Image:  # fmt: skip
    """Resize an image in float32, without rounding to 8 bit. Large images are resized in bands of rows.

    Args:
        image: (H, W) or (H, W, C) float32 in [0, 1], or levels of 0..255.
        size: Height and width of the result.
        kernel: Interpolation kernel; antialiased for downscaling.
        linear: Average linear light instead of sRGB values; see `light`.
        progress: Receives 0..1 for large images, and is checked for Stop.

    Returns:
        (height, width) or (height, width, C) float32, clipped to [0, 1], read-only.
    """
    planes = image[..., None] if image.ndim == 2 else image
    out: NDArray[np.float32] | None = None
    for rows, band in resized_bands(planes, size, kernel, linear=linear):
        if len(band) == size[0]:
            out = band
            break
        out = large_array.zeros(*size, planes.shape[2]) if out is None else out
        out[rows] = band
        large_array.release(out[rows])
        progress(rows.stop / size[0])
    assert out is not None, "an image has rows"
    return readonly(out[..., 0] if image.ndim == 2 else out)


def resized_bands(
    planes: NDArray[Any], size: tuple[int, int], kernel: Kernel = "bicubic", *, linear: bool = False
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Resize in bands of rows, from the top, for results that must not be in memory as a whole.

    Args:
        planes: (H, W, C) floating point, or uint8 levels of 0..255, which are converted to [0, 1].
        size: Height and width of the result.
        kernel: See `resize`.
        linear: See `resize`; values must be in [0, 1] then.

    Yields:
        Rows of the result, and their values in [0, 1].
    """
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
            values = np.ascontiguousarray(unit(planes[low:high, :, c]), np.float32)
            plane = Pillow.fromarray(srgb.srgb_to_linear(values) if linear else values)
            band[..., c] = np.asarray(plane.resize((width, bottom - top), filtering, box))
        large_array.release(planes[low:high])
        np.clip(band, 0.0, 1.0, out=band)
        yield slice(top, bottom), srgb.linear_to_srgb(band) if linear else band


def downscale(image: Image, scale: int) -> Image:
    """Downscale an image with antialiased bicubic interpolation; the result is rounded to 8 bit, like an LR image file.

    Args:
        image: (H, W, 3) in [0, 1]; rows and columns beyond a multiple of `scale` are cut off.
        scale: Scale factor.

    Returns:
        (H // scale, W // scale, 3) in [0, 1].
    """
    cropped = crop_to_multiple(image, scale)
    size = Size(cropped.shape[0] // scale, cropped.shape[1] // scale)
    return readonly(np.divide(quantize(resize(cropped, size)), np.float32(255), dtype=np.float32))


def crop_to_multiple(image: Image, multiple: int) -> Image:
    """Return the top left part of `image` (H, W, ...) whose height and width are multiples of `multiple`."""
    height, width = image.shape[0] // multiple * multiple, image.shape[1] // multiple * multiple
    return image[:height, :width]
