"""Corrections of a sample: colours, blending with the initial estimate, back-projection."""

from __future__ import annotations

import cv2
import numpy as np

from sr_demo.image import Image
from sr_demo.imaging.back_projection import add_upscaled, difference
from sr_demo.progress import Progress

_LEVELS = 5
"""Levels of the wavelet decomposition: structure coarser than about 2^5 pixels counts as colour, finer one as detail."""


def finished(
    sample: Image, start: Image, image: Image, creativity: float, agreement: int, colour: str, progress: Progress
) -> Image:
    """Apply all corrections to a sample.

    Args:
        sample: (4*H, 4*W, 3) float32, about [0, 1].
        start: The initial estimate, same shape and range.
        image: The input, (H, W, 3) in [0, 1].
        creativity: Weight of the sample against `start`, 0..1.
        agreement: Steps of back-projection.
        colour: "wavelet", "adain" or "none"; see `with_colours_of`.
        progress: Reports the steps; raises Cancelled on Stop.

    Returns:
        (4*H, 4*W, 3) float32, clipped to [0, 1].
    """
    fixed = with_colours_of(start, sample, colour)
    mixed = start + np.float32(creativity) * (fixed - start)
    return back_projected(np.clip(mixed, 0, 1), image, agreement, progress)


def with_colours_of(start: Image, sample: Image, how: str) -> Image:
    """Return `sample` with the colours of `start`.

    Args:
        start: (H, W, 3) float32.
        sample: Same shape.
        how: "wavelet": low frequencies of `start`, from an à-trous decomposition (Wang et al. 2023, arXiv 2305.07015);
            "adain": mean and standard deviation of each channel (Huang and Belongie 2017, arXiv 1703.06868);
            "none": `sample` unchanged.
    """
    if how == "wavelet":
        return sample + _low_frequencies(start - sample)
    if how == "adain":
        mean, deviation = sample.mean((0, 1)), sample.std((0, 1)) + 1e-6
        return (sample - mean) / deviation * start.std((0, 1)) + start.mean((0, 1))
    return sample


def back_projected(estimate: Image, image: Image, steps: int, progress: Progress) -> Image:
    """Improve LR consistency by iterative back-projection (Irani and Peleg 1991): add the upscaled LR residual.

    Args:
        estimate: (4*H, 4*W, 3) in [0, 1].
        image: The input, (H, W, 3) in [0, 1].
        steps: Number of iterations; 0 returns `estimate`.
        progress: Reports the steps; raises Cancelled on Stop.
    """
    estimate = estimate.copy()
    for step in range(steps):
        progress(step / steps, "agreeing with the picture")
        add_upscaled(estimate, difference(image, estimate))
    return estimate


def _low_frequencies(image: Image) -> Image:
    """Blur `image` (H, W, 3) with `_LEVELS` à-trous kernels, each twice as wide as the one before."""
    for level in range(_LEVELS):
        kernel = np.zeros(2 ** (level + 1) + 1, np.float32)
        kernel[[0, 2**level, -1]] = 0.25, 0.5, 0.25
        blurred = cv2.sepFilter2D(image, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
        image = np.asarray(blurred, np.float32)
    return image
