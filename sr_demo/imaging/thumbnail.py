"""A small 8-bit version of an image, for a look at what it shows."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.image import Image


class Thumbnail(NamedTuple):
    """A small version, and how much smaller it is."""

    rgb: NDArray[np.uint8]
    """(h, w, 3)."""
    ratio: float
    """Pixels of the image per pixel here; 1 where it was small enough."""


def thumbnail(image: Image, most_side: int) -> Thumbnail:
    """Return an image with a longer side of at most `most_side` pixels.

    Of very large images only every few rows and columns are read, which costs milliseconds at any size; never use this where
    values count.

    Args:
        image: (H, W, 3) in [0, 1].
        most_side: in pixels.
    """
    ratio = max(max(image.shape[:2]) / most_side, 1.0)
    skip = max(int(ratio * 2 / 3), 1)
    # One pass over the values; `quantize` takes several, which is a tenth of a second for 20 megapixels.
    levels = np.asarray(cv2.convertScaleAbs(np.ascontiguousarray(image[::skip, ::skip]), alpha=255), np.uint8)
    if ratio > 1:
        size = (max(round(image.shape[1] / ratio), 1), max(round(image.shape[0] / ratio), 1))
        levels = np.asarray(cv2.resize(levels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return Thumbnail(levels, ratio)
