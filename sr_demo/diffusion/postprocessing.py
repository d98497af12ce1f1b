"""From a sample to the result: colours, how far it may leave the start picture, and agreement with the input."""

from __future__ import annotations

import cv2
import numpy as np

from sr_demo.image import Image
from sr_demo.imaging.resize import resize
from sr_demo.progress import Progress

_LEVELS = 5
"""Of the wavelet decomposition: what is coarser than about 2^5 pixels is colour, what is finer is detail."""


def finished(
    sample: Image, start: Image, image: Image, creativity: float, agreement: int, colour: str, progress: Progress
) -> Image:
    """`sample`, `start`: (4 H, 4 W, 3), about [0, 1]; `image`: (H, W, 3). -> (4 H, 4 W, 3), clipped to [0, 1]."""
    fixed = with_colours_of(start, sample, colour)
    mixed = start + np.float32(creativity) * (fixed - start)
    return agreeing(np.clip(mixed, 0, 1), image, agreement, progress)


def with_colours_of(start: Image, sample: Image, how: str) -> Image:
    """`sample` with the colours of `start`, both (H, W, 3).

    "wavelet": broad areas are those of `start`, from an à-trous decomposition, as Wang et al. 2023 (arXiv 2305.07015)
    do. "adain": each channel gets its mean and standard deviation (Huang and Belongie 2017, arXiv 1703.06868).
    "none": as it is.
    """
    if how == "wavelet":
        return sample + _broad(start - sample)
    if how == "adain":
        mean, deviation = sample.mean((0, 1)), sample.std((0, 1)) + 1e-6
        return (sample - mean) / deviation * start.std((0, 1)) + start.mean((0, 1))
    return sample


def agreeing(estimate: Image, image: Image, steps: int, progress: Progress) -> Image:
    """Back-projection (Irani and Peleg 1991): each step adds, enlarged, what `image` has and the shrunk estimate lacks."""
    height, width = image.shape[:2]
    for step in range(steps):
        progress(step / steps, "agreeing with the picture")
        missing = np.subtract(image, resize(estimate, (height, width)), dtype=np.float32)
        # Kernels here work on [0, 1]; differences lie in [-1, 1].
        enlarged = resize(missing * np.float32(0.5) + np.float32(0.5), (estimate.shape[0], estimate.shape[1])) * 2 - 1
        estimate = np.clip(estimate + enlarged, 0, 1)
    return estimate


def _broad(picture: Image) -> Image:
    """What is left of `picture` after blurring with a kernel that doubles its reach `_LEVELS` times."""
    for level in range(_LEVELS):
        kernel = np.zeros(2 ** (level + 1) + 1, np.float32)
        kernel[[0, 2**level, -1]] = 0.25, 0.5, 0.25
        blurred = cv2.sepFilter2D(picture, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
        picture = np.asarray(blurred, np.float32)
    return picture
