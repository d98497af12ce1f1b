"""Full-reference metrics of structure: MS-SSIM over five scales, and GMSD of gradients.

Legend and conventions as in `full_reference`: computed after rounding to 8 bit and cutting a border of `scale` pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.image import Pixels, bt601_luma, quantize
from sr_demo.metrics.full_reference import WINDOW, crop_borders, luma, moments
from sr_demo.system.large_array import bands, zeros

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales (Wang, Simoncelli and Bovik 2003, section 3.2)."""
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_SAME = 170.0
"""The constant c of GMSD for levels of 0 to 255 (Xue et al. 2014, section II.C)."""
_PREWITT = np.array([[1, 0, -1]] * 3, np.float64) / 3
_LEAST_ROWS = 64

Plane = NDArray[np.float32]


def ms_ssim_y(a: Pixels, b: Pixels, border: int = 4) -> float | None:
    """Return the MS-SSIM of two images on BT.601 Y.

    Wang, Simoncelli and Bovik 2003 ("Multiscale structural similarity for image quality assessment"), equation 7: contrast
    and structure at five scales, each half as large as the one before (means of 2 x 2 pixels), and luminance at the last.

    Args:
        a: (H, W, 3) in [0, 1].
        b: An image of the same size.
        border: Pixels to cut at each side.

    Returns:
        A value in [0, 1]; 1 for equal images. None if a side has fewer than 176 pixels after the border is cut, since
        the window of 11 pixels must fit at the last scale.

    Raises:
        BadInput: The sizes differ.
    """
    a, b = crop_borders(a, b, border)
    if min(a.shape[:2]) < WINDOW * 2 ** (len(_WEIGHTS) - 1):
        return None
    x, y = (_plane(image, luma) for image in (a, b))
    product = 1.0
    for number, weight in enumerate(_WEIGHTS):
        last = number == len(_WEIGHTS) - 1
        product *= max(_mean_similarity(x, y, luminance=last), 0.0) ** weight
        if not last:
            x, y = _halved(x), _halved(y)
    return product


def gmsd(a: Pixels, b: Pixels, border: int = 4) -> float | None:
    """Return the gradient magnitude similarity deviation of two images.

    Xue, Zhang, Mou and Bovik 2014 ("Gradient Magnitude Similarity Deviation", IEEE Transactions on Image Processing 23(2)):
    the standard deviation of the similarity of gradients. As in the authors' program, luma is in 0..255, averaged over 2 x 2
    pixels; gradients are computed by Prewitt filters with zero padding.

    Args:
        a: (H, W, 3) in [0, 1].
        b: An image of the same size.
        border: Pixels to cut at each side.

    Returns:
        0 for equal images, about 0.3 for very poor ones; None if a side has fewer than 6 pixels after the border is cut.

    Raises:
        BadInput: The sizes differ.
    """
    a, b = crop_borders(a, b, border)
    if min(a.shape[:2]) < 6:
        return None
    x, y = (_halved(_plane(image, _full_luma)) for image in (a, b))
    total, squares = 0.0, 0.0
    for rows in bands(x, y, least=_LEAST_ROWS):
        first, second = (_gradient(plane, rows) for plane in (x, y))
        similarity = (2 * first * second + _SAME) / (first**2 + second**2 + _SAME)
        total += float(similarity.sum())
        squares += float((similarity**2).sum())
    count = x.shape[0] * x.shape[1]
    return float(np.sqrt(max(squares - total**2 / count, 0.0) / (count - 1)))


def _full_luma(image: Pixels) -> NDArray[np.float64]:
    return bt601_luma(quantize(image).astype(np.float64))


def _plane(image: Pixels, values: Callable[[Pixels], NDArray[Any]]) -> Plane:
    """Return `values` of an image, computed in bands of rows; memory-mapped for a large image."""
    out = zeros(*image.shape[:2], 1)[..., 0]
    for rows in bands(image, out):
        out[rows] = values(image[rows])
    return out


def _halved(plane: Plane) -> Plane:
    """Return the means of 2 x 2 pixels; an odd last row or column is left out."""
    out = zeros(plane.shape[0] // 2, plane.shape[1] // 2, 1)[..., 0]
    width = 2 * out.shape[1]
    for rows in bands(out, plane):
        part = plane[2 * rows.start : 2 * rows.stop, :width].astype(np.float64)
        out[rows] = (part[::2, ::2] + part[1::2, ::2] + part[::2, 1::2] + part[1::2, 1::2]) / 4
    return out


def _mean_similarity(x: Plane, y: Plane, *, luminance: bool) -> float:
    """Return the mean of contrast times structure over all windows; with `luminance`, also times luminance."""
    total, count = 0.0, 0
    for rows in bands(x, y, overlap=WINDOW - 1, least=_LEAST_ROWS):
        mx, my, vx, vy, cov = moments(x[rows].astype(np.float64), y[rows].astype(np.float64))
        values = (2 * cov + _C2) / (vx + vy + _C2)
        if luminance:
            values = values * (2 * mx * my + _C1) / (mx * mx + my * my + _C1)
        total, count = total + float(values.sum()), count + values.size
    return total / count


def _gradient(plane: Plane, rows: slice) -> NDArray[np.float64]:
    """Return the gradient magnitude of some rows of a plane."""
    low, high = max(rows.start - 1, 0), min(rows.stop + 1, plane.shape[0])
    part = plane[low:high].astype(np.float64)
    across, down = (
        np.asarray(cv2.filter2D(part, cv2.CV_64F, kernel, borderType=cv2.BORDER_CONSTANT), np.float64)
        for kernel in (_PREWITT, _PREWITT.T)
    )
    return np.hypot(across, down)[rows.start - low : rows.stop - low]
