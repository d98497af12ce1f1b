"""Whether an image shows a flat drawing, as far as a simple look can say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FLAT, _WEAK = 8.0, 40.0
"""Levels between the darkest and the brightest pixel of a block: up to the first it is flat, to the second softly shaded."""
_LEAST_FLAT, _MOST_WEAK = 0.3, 0.14


def is_drawing(rgb: NDArray[np.float32]) -> bool:
    """Return whether an image (H, W, 3) in [0, 1] has flat areas and edges, with hardly a soft shade between them.

    Charts, logos and line art do. A shaded drawing does not: to a simple look it is like a photo.
    """
    rows, columns = rgb.shape[0] // 8, rgb.shape[1] // 8
    if min(rows, columns) < 4:
        return False
    bands = rgb[: rows * 8, : columns * 8].reshape(rows, 8, columns * 8 * 3)
    # Rows first: along them the values lie side by side.
    high, low = (reduce(bands, 1).reshape(rows, columns, 8, 3) for reduce in (np.max, np.min))
    spread = 255 * (high.max(axis=2) - low.min(axis=2)).max(axis=-1)
    flat = float((spread <= _FLAT).mean())
    weak = float(((spread > _FLAT) & (spread <= _WEAK)).mean())
    return flat >= _LEAST_FLAT and flat < 1 and weak <= _MOST_WEAK * (1 - flat)
