"""The one image convention, and the only door for picture files."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
"""(H, W, 3) float32 RGB in [0, 1], finite, read-only."""


def readonly(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same array, marked read-only."""
    array.flags.writeable = False
    return array


def quantise(image: Image) -> NDArray[np.uint8]:
    """[0, 1] -> 0..255, rounded (truncating would cost up to 2.6 dB on a nearly perfect result)."""
    return np.rint(image * np.float32(255)).clip(0, 255).astype(np.uint8)
