"""Noise that belongs to places: the same at the same pixel, whatever part of a picture is computed, and in what order."""

from __future__ import annotations

import numpy as np

from sr_demo.image import Image

_BLOCK = 64
"""Side of the squares that are drawn at once, SR pixels."""


def noise_at(height: int, width: int, seed: int, sample: int, level: int) -> Image:
    """Normal noise (height, width, 3), float32, mean 0 and standard deviation 1, for the picture's top left corner.

    Each of `seed`, `sample` (which of several results) and `level` gives noise of its own. Growing the picture to the
    right or below does not change what was there.
    """
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    out = np.empty((rows * _BLOCK, columns * _BLOCK, 3), np.float32)
    for row in range(rows):
        for column in range(columns):
            stream = np.random.SeedSequence((seed, sample, level, row, column))
            block = np.random.Generator(np.random.PCG64(stream)).standard_normal((_BLOCK, _BLOCK, 3), np.float32)
            out[row * _BLOCK : (row + 1) * _BLOCK, column * _BLOCK : (column + 1) * _BLOCK] = block
    return out[:height, :width]
