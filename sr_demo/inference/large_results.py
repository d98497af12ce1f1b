"""Representation of large results of 8-bit images as levels of 0..255, which take a quarter of the memory of float32.

Tiles without blending are rounded when they are placed, other results when they are complete. Results that are processed
further, such as by resampling or blending, are not rounded before, so that the written files are identical.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sr_demo.image import ImageData, Size, quantize, readonly
from sr_demo.system import large_array

FROM = 32 * 10**6
"""Number of pixels above which a result is held as levels."""


def is_rounded(size: Size, bits: int) -> bool:
    """Return whether a result of `size` with `bits` per channel is held as levels."""
    return bits == 8 and size.height * size.width > FROM


def rounded(image: ImageData) -> ImageData:
    """Return a large 8-bit result as levels of 0..255; any other result unchanged."""
    pixels = image.pixels
    if pixels.dtype == np.uint8 or not is_rounded(image.size, image.bits):
        return image
    levels = large_array.levels(*pixels.shape)
    for rows in large_array.bands(pixels, levels):
        levels[rows] = quantize(pixels[rows])
    return replace(image, pixels=readonly(levels))
