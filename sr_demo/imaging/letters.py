"""A simple detector of lines of small letters in an image: shapes of similar height, side by side.

Letters are not read, so that the script does not matter. Among 260 photos, three had enough such shapes: one with a sign, and
two false positives with steps and a railing.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.image import Image, bt601_luma
from sr_demo.imaging.thumbnail import thumbnail

_LETTER_HEIGHTS = (5, 40)
_WINDOW, _CONTRAST = 25, 15
"""Side in pixels of the window for local thresholding, and the contrast of letters in levels."""
_LEAST_IN_LINE = 5
_NEIGHBOURS = 60
_NARROW = 0.45
"""Smallest width of letters relative to their height, which excludes spines of books, railings and reeds."""
_LOOKED_AT = 1024
"""Longer side in pixels of the image in which text is searched. Images of up to half this side are upscaled by 2, since their
letters may be too small to be separated."""
_LEAST_LETTERS = 30


def has_fine_text(image: Image) -> bool:
    """Return whether an image (H, W, 3) in [0, 1] contains lines of small letters."""
    luma = luma_levels(image, _LOOKED_AT)
    if 2 * max(luma.shape) <= _LOOKED_AT:
        luma = np.asarray(cv2.resize(luma, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
    return letters(luma) >= _LEAST_LETTERS


def luma_levels(image: Image, most_side: int) -> NDArray[np.uint8]:
    """Return the luma of an image in levels, as input for `letters`.

    Args:
        image: (H, W, 3) in [0, 1].
        most_side: Longer side of the result in pixels.
    """
    return np.rint(bt601_luma(thumbnail(image, most_side).rgb.astype(np.float32))).astype(np.uint8)


def letters(luma: NDArray[np.uint8]) -> int:
    """Return the number of shapes arranged in lines like small letters, dark on bright or bright on dark.

    Args:
        luma: (H, W) uint8.
    """
    return max(_in_lines(luma), _in_lines(np.subtract(255, luma, dtype=np.uint8)))


def _in_lines(luma: NDArray[np.uint8]) -> int:
    """Count dark shapes in lines of five or more."""
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
    """Return the number of its line for each shape; `shapes` (n, 5) are sorted by their left edge."""
    count = len(shapes)
    left, width, height = shapes[:, 0], shapes[:, 2], shapes[:, 3]
    bottom = shapes[:, 1] + height
    one = np.arange(count)[:, None]
    after = one + np.arange(1, _NEIGHBOURS + 1)
    other = np.minimum(after, count - 1)
    gap = left[other] - (left + width)[:, None]
    own = height[:, None]
    follows = (
        (after < count) & (gap >= -1) & (gap <= 0.8 * np.maximum(own, 4))
        & (np.abs(bottom[other] - bottom[:, None]) <= 0.3 * own)
        & (height[other] <= 1.8 * own) & (own <= 1.8 * height[other])
    )  # fmt: skip
    # Each shape is linked to the first one that follows it; if several are linked to one shape, the nearest is kept.
    leading = np.flatnonzero(follows.any(axis=1))
    line = np.arange(count)
    before = np.full(count, -1)
    np.maximum.at(before, other[leading, follows[leading].argmax(axis=1)], leading)
    line = np.where(before >= 0, before, line)
    while not np.array_equal(line, line[line]):
        line = line[line]
    return line
