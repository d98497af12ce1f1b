"""Perceived sharpness of an image, for comparing results of the same scene; correct and invented edges count alike."""

from __future__ import annotations

import numpy as np

from sr_demo.image import Pixels, unit

_MOST_VALUES = 2_000_000
"""Largest number of pixels that are measured; in larger images, only some rows are."""


def sharpness(image: Pixels) -> float:
    """Return the root mean square of the gradient of brightness, per width of the image.

    Because of the square, a step counts more than a ramp of the same height. Because of the unit, more pixels of the same
    scene without more sharpness give the same value.

    Args:
        image: (H, W, 3) in [0, 1], or levels of 0..255; in memory or memory-mapped.

    Returns:
        A number >= 0; 0 for an image of fewer than 2 x 2 pixels.
    """
    height, width = image.shape[:2]
    if min(height, width) < 2:
        return 0.0
    rows = np.arange(0, height - 1, max(height * width // _MOST_VALUES, 1))
    upper, lower = (unit(image[at]).mean(axis=2) for at in (rows, rows + 1))
    return float(width * np.sqrt(np.square(np.diff(upper, axis=1)).mean() + np.square(upper - lower).mean()))
