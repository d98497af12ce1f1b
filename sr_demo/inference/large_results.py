"""How large results of images in 8 bits are held: as the levels that are written, a quarter of the memory of float32.

Tiles that are placed side by side are rounded where they are placed; other results when they are complete. What is computed
with, such as a result before it is resampled or blended with another, is not rounded: files are the same, byte for byte.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sr_demo.image import ImageData, Size, quantize, readonly
from sr_demo.system import large_array

FROM = 32 * 10**6
"""Pixels beyond which a result is held as levels."""


def is_rounded(size: Size, bits: int) -> bool:
    """Return whether a result of `size` with `bits` per channel is held as levels."""
    return bits == 8 and size.height * size.width > FROM


def rounded(image: ImageData) -> ImageData:
    """Return a large result in 8 bits with levels of 0..255; any other as it is."""
    pixels = image.pixels
    if pixels.dtype == np.uint8 or not is_rounded(image.size, image.bits):
        return image
    levels = large_array.levels(*pixels.shape)
    for rows in large_array.bands(pixels, levels):
        levels[rows] = quantize(pixels[rows])
    return replace(image, pixels=readonly(levels))
