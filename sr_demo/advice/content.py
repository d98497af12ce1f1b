"""What an image shows, as far as a simple look can say: a flat drawing, or lines of small letters."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_FLAT, _WEAK = 8.0, 40.0
"""Levels between the darkest and the brightest pixel of a block: up to the first it is flat, to the second softly shaded."""
_LEAST_FLAT, _MOST_WEAK = 0.3, 0.14
_LETTER_HEIGHTS = (5, 40)
_WINDOW, _CONTRAST = 25, 15
"""Side in pixels of the surroundings that a letter stands out from, and by how many levels."""
_LEAST_IN_LINE = 5
_NEIGHBOURS = 60
_NARROW = 0.45
"""Width of letters relative to their height: spines of books, railings and reeds stand in lines too, and are narrower."""


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


def letters(luma: NDArray[np.uint8]) -> int:
    """Return how many shapes stand in lines as small letters do, dark on bright or bright on dark.

    Args:
        luma: (H, W).
    """
    return max(_in_lines(luma), _in_lines(np.subtract(255, luma, dtype=np.uint8)))


def _in_lines(luma: NDArray[np.uint8]) -> int:
    """Count dark shapes that stand in lines of five or more."""
    dark = cv2.adaptiveThreshold(luma, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, _WINDOW, _CONTRAST)
    _, _, found, _ = cv2.connectedComponentsWithStats(dark, connectivity=8)
    shapes = np.asarray(found[1:], np.int64)
    width, height, area = shapes[:, 2], shapes[:, 3], shapes[:, 4]
    low, high = _LETTER_HEIGHTS
    filled = (area >= 8) & (area >= 0.15 * width * height) & (area <= 0.95 * width * height)
    shapes = shapes[(height >= low) & (height <= high) & (width <= 2 * height) & (6 * width >= height) & filled]
    if len(shapes) < _LEAST_IN_LINE:
        return 0
    shapes = shapes[np.argsort(shapes[:, 0], kind="stable")]
    line = _lines(shapes)
    total = 0
    for number in np.flatnonzero(np.bincount(line) >= _LEAST_IN_LINE):
        members = shapes[line == number]
        if np.median(members[:, 2] / members[:, 3]) >= _NARROW:
            total += len(members)
    return total


def _lines(shapes: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return a number for each shape, equal for those of one line; `shapes` (n, 5) are sorted by their left edge."""
    left, width, height = shapes[:, 0], shapes[:, 2], shapes[:, 3]
    bottom = shapes[:, 1] + height
    line = np.arange(len(shapes))
    for i in range(len(shapes)):
        near = slice(i + 1, i + 1 + _NEIGHBOURS)
        gap = left[near] - (left[i] + width[i])
        follows = (
            (gap >= -1) & (gap <= 0.8 * max(height[i], 4)) & (np.abs(bottom[near] - bottom[i]) <= 0.3 * height[i])
            & (height[near] <= 1.8 * height[i]) & (height[i] <= 1.8 * height[near])
        )  # fmt: skip
        if follows.any():
            line[i + 1 + int(np.argmax(follows))] = line[i]
    return line
