"""Preservation of exact black and white areas, in which faithful networks are off by one or two 8-bit levels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sr_demo.image import Image, Pixels, readonly
from sr_demo.system import large_array

_REACH = 2
"""Radius of the bicubic kernel in pixels of the input; a pixel counts as even if all pixels within this radius are equal."""
_LEVELS = (0.0, 1.0)
"""The levels that are preserved. Preserving others would turn the 8-bit steps of a gradient into visible bands."""


def keep_black_and_white(result: Pixels, image: Image) -> Pixels:
    """Set a result to exactly 0 or 1 where all input pixels under the bicubic kernel have this value.

    Args:
        result: (H, W, C) in [0, 1], or levels of 0..255; changed in place if possible, so that it must not be in use.
        image: (h, w, C) in [0, 1], the input of the result.

    Returns:
        `result`, or a copy of it, read-only.
    """
    white = 255 if result.dtype == np.uint8 else 1
    rows, columns = (_sources(result.shape[axis], image.shape[axis]) for axis in (0, 1))
    for band in large_array.bands(result):
        first, last = int(rows[band.start]), int(rows[band.stop - 1]) + 1
        for level in _LEVELS:
            even = _even(image, first, last, level)
            if even.any():
                result = _writable(result)
                np.copyto(result[band], result.dtype.type(level * white), where=even[rows[band] - first][:, columns])
    return readonly(result)


def _sources(length: int, source: int) -> NDArray[np.intp]:
    """Return the index of the nearest input pixel for each result pixel; `length` and `source` are their numbers."""
    return ((np.arange(length) + 0.5) * source / length).astype(np.intp)


def _even(image: Image, first: int, last: int, level: float) -> NDArray[np.bool_]:
    """Return (last - first, w, C): where pixels in these rows of `image` and all pixels within reach equal `level`."""
    top = max(first - _REACH, 0)
    equal = image[top : last + _REACH] == level
    return _eroded(_eroded(equal, 0), 1)[first - top : last - top] if equal.any() else equal[:0]


def _eroded(mask: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Return where `mask` is True within the whole reach along an axis; outside of its ends it counts as True."""
    out = mask.copy()
    source, target = np.moveaxis(mask, axis, 0), np.moveaxis(out, axis, 0)
    for step in range(1, _REACH + 1):
        target[step:] &= source[:-step]
        target[:-step] &= source[step:]
    return out


def _writable(result: Pixels) -> Pixels:
    try:
        result.flags.writeable = True
    except ValueError:  # the memory belongs to another library and cannot be made writeable
        own = large_array.zeros(*result.shape)
        for rows in large_array.bands(result, own):
            own[rows] = result[rows]
        return own
    return result
