"""Black stays black and white stays white: faithful networks miss even areas by a level or two of 255."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sr_demo.image import Image, Pixels, readonly
from sr_demo.system import large_array

_REACH = 2
"""Radius of the bicubic kernel in pixels of the input: an area is even where all that it reads has one value."""
_LEVELS = (0.0, 1.0)
"""Other levels are left to the network: to fix the steps of a gradient stored in 8 bits would turn them into bands."""


def keep_black_and_white(result: Pixels, image: Image) -> Pixels:
    """Set a result to exactly 0 or 1 where bicubic interpolation would give that because all it reads has this value.

    Args:
        result: (H, W, C) in [0, 1], or levels, that no one else holds; changed in place where that is possible.
        image: (h, w, C), what it was made from.

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
    """Return for each of `length` pixels the nearest of `source` pixels over the same distance."""
    return ((np.arange(length) + 0.5) * source / length).astype(np.intp)


def _even(image: Image, first: int, last: int, level: float) -> NDArray[np.bool_]:
    """Return (last - first, w, C): where these rows of `image`, and all pixels within reach, are at `level`."""
    top = max(first - _REACH, 0)
    equal = image[top : last + _REACH] == level
    return _eroded(_eroded(equal, 0), 1)[first - top : last - top] if equal.any() else equal[:0]


def _eroded(mask: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """Return where `mask` holds over the whole reach along an axis; what lies beyond its ends counts as held."""
    out = mask.copy()
    source, target = np.moveaxis(mask, axis, 0), np.moveaxis(out, axis, 0)
    for step in range(1, _REACH + 1):
        target[step:] &= source[:-step]
        target[:-step] &= source[step:]
    return out


def _writable(result: Pixels) -> Pixels:
    try:
        result.flags.writeable = True
    except ValueError:  # it belongs to another library, which does not hand its memory back
        own = large_array.zeros(*result.shape)
        for rows in large_array.bands(result, own):
            own[rows] = result[rows]
        return own
    return result
