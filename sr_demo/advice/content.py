"""A simple test for flat drawings, such as charts, logos and line art."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FLAT, _WEAK = 8.0, 40.0
"""Largest contrast (brightest minus darkest value, in levels) of a flat and of a softly shaded block of 8 x 8 pixels."""
_LEAST_FLAT, _MOST_WEAK = 0.3, 0.14


def is_drawing(rgb: NDArray[np.float32]) -> bool:
    """Return whether an image (H, W, 3) in [0, 1] consists of flat areas and edges, with hardly any soft shading.

    True for charts, logos and line art. False for shaded drawings, which this test cannot distinguish from photos.
    """
    rows, columns = rgb.shape[0] // 8, rgb.shape[1] // 8
    if min(rows, columns) < 4:
        return False
    bands = rgb[: rows * 8, : columns * 8].reshape(rows, 8, columns * 8 * 3)
    # The rows of a block are reduced first, so that numpy works on contiguous rows of the image.
    high, low = (reduce(bands, 1).reshape(rows, columns, 8, 3) for reduce in (np.max, np.min))
    spread = 255 * (high.max(axis=2) - low.min(axis=2)).max(axis=-1)
    flat = float((spread <= _FLAT).mean())
    weak = float(((spread > _FLAT) & (spread <= _WEAK)).mean())
    return flat >= _LEAST_FLAT and flat < 1 and weak <= _MOST_WEAK * (1 - flat)
