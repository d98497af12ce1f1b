"""How sharp an image looks, to compare results of the same scene: edges count, whether they are true or not."""

from __future__ import annotations

import numpy as np

from sr_demo.image import Pixels, unit

_MOST_VALUES = 2_000_000
"""Pixels that are looked at; of larger images only some rows are."""


def sharpness(image: Pixels) -> float:
    """Return the root mean square of the gradient of brightness, per width of the image.

    The square counts a step more than a ramp of the same height. Per width, the same scene, drawn with more pixels but no
    sharper, scores the same.

    Args:
        image: (H, W, 3) in [0, 1], or levels; in memory or in a file.

    Returns:
        A number from 0; 0 for an image of fewer than 2 x 2 pixels.
    """
    height, width = image.shape[:2]
    if min(height, width) < 2:
        return 0.0
    rows = np.arange(0, height - 1, max(height * width // _MOST_VALUES, 1))
    upper, lower = (unit(image[at]).mean(axis=2) for at in (rows, rows + 1))
    return float(width * np.sqrt(np.square(np.diff(upper, axis=1)).mean() + np.square(upper - lower).mean()))
