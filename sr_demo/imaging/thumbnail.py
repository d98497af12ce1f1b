"""A small 8-bit version of an image, for analysis of its content."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.image import Image


class Thumbnail(NamedTuple):
    """A thumbnail and its scale."""

    rgb: NDArray[np.uint8]
    """(h, w, 3)."""
    ratio: float
    """Ratio of the sides of the image and the thumbnail; 1 if the image was small enough."""


def thumbnail(image: Image, most_side: int) -> Thumbnail:
    """Return an image with a longer side of at most `most_side` pixels.

    Only two rows and two columns of a large image are sampled for each row and column of the thumbnail, which takes
    milliseconds at any size. Not suitable where exact values matter.

    Args:
        image: (H, W, 3) in [0, 1].
        most_side: Longer side of the thumbnail in pixels.
    """
    ratio = max(max(image.shape[:2]) / most_side, 1.0)
    width, height = (max(round(side / ratio), 1) for side in image.shape[1::-1])
    # A mean of 2 x 2 pixels is fast, unlike a mean over fractions of pixels.
    sampled = cv2.resize(image, (2 * width, 2 * height), interpolation=cv2.INTER_NEAREST) if ratio > 2 else image
    # One pass over the values; the passes of `quantize` would take a tenth of a second for 20 megapixels.
    levels = np.asarray(cv2.convertScaleAbs(sampled, alpha=255), np.uint8)
    if ratio > 1:
        levels = np.asarray(cv2.resize(levels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return Thumbnail(levels, ratio)
