"""Enlarging and shrinking with Pillow's kernels, in float.

Pillow's BICUBIC (a = -0.5, antialiased when shrinking) agrees with MATLAB's `imresize` within 0.01 dB on Set5, which is
what published LR pictures and scores are made with. torch's bicubic (a = -0.75) and shrinking without antialiasing do not.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image as Pillow

from sr_demo.image import Image, quantise, readonly

Kernel = Literal["nearest", "bilinear", "bicubic", "lanczos"]
_KERNELS: dict[Kernel, Pillow.Resampling] = {
    "nearest": Pillow.Resampling.NEAREST,
    "bilinear": Pillow.Resampling.BILINEAR,
    "bicubic": Pillow.Resampling.BICUBIC,
    "lanczos": Pillow.Resampling.LANCZOS,
}


def resize(image: Image, size: tuple[int, int], kernel: Kernel = "bicubic") -> Image:
    """`image` (H, W) or (H, W, C), float32 in [0, 1] -> (height, width[, C]) = `size`, clipped to [0, 1], read-only.

    Each channel is resized in float32: nothing is rounded to 8 bit on the way.
    """
    height, width = size
    planes = image[..., None] if image.ndim == 2 else image
    out = np.empty((height, width, planes.shape[2]), np.float32)
    for c in range(planes.shape[2]):
        plane = Pillow.fromarray(np.ascontiguousarray(planes[..., c], np.float32))
        out[..., c] = np.asarray(plane.resize((width, height), _KERNELS[kernel]))
    np.clip(out, 0.0, 1.0, out=out)
    return readonly(out[..., 0] if image.ndim == 2 else out)


def shrink(image: Image, scale: int) -> Image:
    """`image` (H, W, 3) -> (H // scale, W // scale, 3): cropped to a multiple of `scale`, bicubic with antialiasing.

    The result is rounded to 8 bit, as a small picture in a file would be.
    """
    cropped = crop_to_multiple(image, scale)
    height, width = cropped.shape[0] // scale, cropped.shape[1] // scale
    return readonly(np.divide(quantise(resize(cropped, (height, width))), np.float32(255), dtype=np.float32))


def crop_to_multiple(image: Image, multiple: int) -> Image:
    """The top left part of `image` (H, W, ...) whose height and width are multiples of `multiple`."""
    height, width = image.shape[0] // multiple * multiple, image.shape[1] // multiple * multiple
    return image[:height, :width]
