"""Gaussian noise as a function of position: a pixel's value does not depend on the tile or the order of computation."""

from __future__ import annotations

import numpy as np

from sr_demo.image import Image

_BLOCK = 64
"""Side in SR pixels of the blocks that have their own random stream."""


def noise_at(height: int, width: int, seed: int, sample: int, level: int) -> Image:
    """Return standard normal noise for the top left corner of an image.

    A larger `height` or `width` adds values at the bottom or on the right and does not change the others.

    Args:
        height: Height in SR pixels.
        width: Width in SR pixels.
        seed: The user's seed.
        sample: Number of the sample, if several are drawn with one seed.
        level: Level of the chain that the noise leads to.

    Returns:
        (height, width, 3) float32, mean 0, standard deviation 1.
    """
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    out = np.empty((rows * _BLOCK, columns * _BLOCK, 3), np.float32)
    for row in range(rows):
        for column in range(columns):
            stream = np.random.SeedSequence((seed, sample, level, row, column))
            block = np.random.Generator(np.random.PCG64(stream)).standard_normal((_BLOCK, _BLOCK, 3), np.float32)
            out[row * _BLOCK : (row + 1) * _BLOCK, column * _BLOCK : (column + 1) * _BLOCK] = block
    return out[:height, :width]
