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

    Of large images only two rows and two columns are read for each one here, which costs milliseconds at any size; never
    use this where values count.

    Args:
        image: (H, W, 3) in [0, 1].
        most_side: in pixels.
    """
    ratio = max(max(image.shape[:2]) / most_side, 1.0)
    width, height = (max(round(side / ratio), 1) for side in image.shape[1::-1])
    # A mean of 2 x 2 pixels is quick, one over parts of pixels is not.
    sampled = cv2.resize(image, (2 * width, 2 * height), interpolation=cv2.INTER_NEAREST) if ratio > 2 else image
    # One pass over the values; `quantize` takes several, which is a tenth of a second for 20 megapixels.
    levels = np.asarray(cv2.convertScaleAbs(sampled, alpha=255), np.uint8)
    if ratio > 1:
        levels = np.asarray(cv2.resize(levels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return Thumbnail(levels, ratio)
