"""An uploaded image, downscaled and opaque: for previews, and for tabs that recompute while a control moves."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sr_demo.image import Image, ImageData, Limits, Size, read
from sr_demo.imaging.resize import Kernel, resize

_LIGHT = 0.7
"""Mean brightness of what is visible above which the background is black."""


def read_small(path: str, side: int, limits: Limits, kernel: Kernel = "bicubic") -> Image:
    """Read an image file and downscale it where it is larger than `side`.

    Args:
        path: The file.
        side: Largest height and width of the result, pixels.
        limits: Largest file and image that may be read.
        kernel: See `resize`.

    Returns:
        (H, W, 3) float32 in [0, 1], opaque: see `on_background`.

    Raises:
        BadInput: The file is not an image, or exceeds `limits`.
    """
    return downscaled(read(Path(path), limits), side, kernel)


def downscaled(image: ImageData, side: int, kernel: Kernel = "bicubic") -> Image:
    """Downscale an image where it is larger than `side`; arguments and result are those of `read_small`."""
    height, width = image.size
    ratio = min(1.0, side / max(height, width))
    return on_background(image, Size(max(round(height * ratio), 1), max(round(width * ratio), 1)), kernel)


def on_background(image: ImageData, size: Size, kernel: Kernel = "bicubic") -> Image:
    """Resize an image to `size` and return it as (H, W, 3) float32 in [0, 1], without transparency.

    Transparent pixels become white, or black where what is visible is light: a drawing stays visible either way.
    """
    rgb = image.rgb if size == image.size else resize(image.rgb, size, kernel)
    if image.alpha is None:
        return rgb
    alpha = (image.alpha if size == image.size else resize(image.alpha, size, kernel))[..., None]
    seen = float(alpha.sum())
    light = float((rgb * alpha).mean(axis=2).sum()) / seen if seen else 0.0
    return rgb * alpha + np.float32(light <= _LIGHT) * (1 - alpha)
