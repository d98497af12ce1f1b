"""Back-projection: correction of a result until it agrees with its input after downscaling (Irani and Peleg 1991).

    result += upscaled(sharpened(input - downscaled(result)))

Upscaling and downscaling blur the correction. `sharpened` compensates this blur; without it, a step leaves most of the error
near the Nyquist frequency of the input. One step with it corrects as much as eight without it, as measured on Set5.
"""

from __future__ import annotations

from math import sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.image import Image, Pixels, Size
from sr_demo.imaging.resize import resize, resized_bands
from sr_demo.system.large_array import bands, release, zeros

_STEPS = 2
"""Number of steps. The second one corrects borders, where upscaling differs, and the effect of clipping to [0, 1]."""
_REACH = 8
"""Radius of the sharpening filter in pixels of the input; less than 1e-4 of the filter is beyond it."""
_LEAST_SCALE = 1.25
"""Smallest scale factor for sharpening. Below it, the blur of upscaling varies with position and sharpening overshoots."""


def difference(image: Image, result: Pixels) -> NDArray[np.float32]:
    """Return the difference between the input and the downscaled result: (h, w, 3) in [-1, 1].

    Args:
        image: (h, w, 3) in [0, 1], the input.
        result: (H, W, 3) in [0, 1], or levels of 0..255. Large results are read in bands of rows.
    """
    out = zeros(*image.shape)
    for rows, band in resized_bands(result, Size.of(image)):
        np.subtract(image[rows], band, out=out[rows])
        release(out[rows])
    return out


def distance(planes: NDArray[np.float32]) -> float:
    """Return the root mean square of a `difference`; 1 / 255 is one 8-bit level."""
    return sqrt(sum(float(np.square(planes[rows], dtype=np.float64).sum()) for rows in bands(planes)) / planes.size)


def add_upscaled(result: NDArray[np.float32], planes: NDArray[np.float32]) -> None:
    """Add planes (h, w, 3) in [-1, 1] to a larger result (H, W, 3), in place, and clip it to [0, 1]."""
    shifted = zeros(*planes.shape)  # the resizing functions expect [0, 1], while differences are in [-1, 1]
    for rows in bands(planes, shifted):
        shifted[rows] = planes[rows] * np.float32(0.5) + np.float32(0.5)
        release(shifted[rows])
    for rows, band in resized_bands(shifted, Size.of(result)):
        np.clip(result[rows] + (band * 2 - 1), 0, 1, out=result[rows])
        release(result[rows])


def enforce_lr_consistency(result: NDArray[np.float32], image: Image, at_most: float, aim: float = 0.0) -> None:
    """Correct a result, in place, until its `distance` to the input is small enough.

    Differences that remain because of clipping to [0, 1], or after the last step, are accepted.

    Args:
        result: (H, W, 3) in [0, 1], at least as large as `image`.
        image: (h, w, 3) in [0, 1], the input.
        at_most: Largest `distance` that needs no correction.
        aim: Target `distance` of a correction.
    """
    for _ in range(_STEPS):
        planes = difference(image, result)
        far = distance(planes)
        if far <= at_most:
            return
        for rows in bands(planes):
            planes[rows] *= np.float32(1 - aim / far)
        add_upscaled(result, _sharpened(planes) if len(result) >= _LEAST_SCALE * len(image) else planes)


def _sharpened(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    out = zeros(*planes.shape)
    for rows in bands(planes, out):
        wide = slice(max(rows.start - _REACH, 0), rows.stop + _REACH)
        sharp = cv2.sepFilter2D(planes[wide], cv2.CV_32F, _FILTER, _FILTER, borderType=cv2.BORDER_REPLICATE)
        out[rows] = sharp[rows.start - wide.start : rows.stop - wide.start]
        release(out[rows])
    return out


def _inverse_filter() -> NDArray[np.float32]:
    """Return the filter that inverts the blur of upscaling and downscaling along one axis.

    It is the inverse of the response to a single pixel, by Fourier transform, and nearly the same for all factors from 1.25.
    """
    length, scale = 4 * _REACH + 1, 8
    middle = length // 2
    pixel = np.full((length, 1), 0.5, np.float32)
    pixel[middle] = 1
    again = resize(resize(pixel, (scale * length, 1)), (length, 1))[:, 0]
    response = np.fft.fft(np.fft.ifftshift(2 * again.astype(np.float64) - 1))
    inverse = np.fft.fftshift(np.fft.ifft(1 / response).real)[middle - _REACH : middle + _REACH + 1]
    return np.asarray(inverse / inverse.sum(), np.float32)


_FILTER = _inverse_filter()
