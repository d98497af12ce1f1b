"""Full-reference metrics: PSNR, SSIM and LR consistency, with the conventions of published tables.

Computed on BT.601 luma (Y) or RGB in float64, after rounding to 8 bit and cutting a border of `scale` pixels.
Legend: H, W = height and width in pixels; every image is (H, W, 3) float32 RGB in [0, 1], or levels of 0..255.
"""

from __future__ import annotations

from math import inf, log10

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import BadInput
from sr_demo.image import BT601, Image, Pixels, Size, quantize
from sr_demo.imaging.resize import resize
from sr_demo.system.large_array import bands

LUMA = 219 * np.array(BT601) / 255
"""ITU-R BT.601 with footroom: Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255 for R, G, B in 0..255."""
_LEAST_ROWS = 64
"""Smallest height of a band for SSIM, whose bands share ten rows."""
WINDOW, _SIGMA = 11, 1.5
"""SSIM's Gaussian window: 11 x 11, sigma 1.5 (Wang et al. 2004, section III.C)."""


def psnr_y(a: Pixels, b: Pixels, border: int = 4) -> float:
    """Return the PSNR of two images on BT.601 Y after rounding to 8 bit.

    Args:
        a: (H, W, 3) in [0, 1].
        b: An image of the same size.
        border: Pixels to cut at each side; images with sides of at most twice the border are not cut.

    Returns:
        PSNR in dB; `inf` for equal images.

    Raises:
        BadInput: The sizes differ.
    """
    a, b = crop_borders(a, b, border)
    total = sum(float(((luma(a[rows]) - luma(b[rows])) ** 2).sum()) for rows in bands(a, b))
    return _psnr(total, a.shape[0] * a.shape[1])


def psnr_rgb(a: Pixels, b: Pixels, border: int = 4) -> float:
    """Return the PSNR of two images over the three colours after rounding to 8 bit. See `psnr_y` for the arguments."""
    a, b = crop_borders(a, b, border)
    total = sum(float(((quantize(a[rows]).astype(np.float64) - quantize(b[rows])) ** 2).sum()) for rows in bands(a, b))
    return _psnr(total, a.size)


def ssim_y(a: Pixels, b: Pixels, border: int = 4) -> float:
    """Return the mean SSIM of two images on BT.601 Y after rounding to 8 bit. See `psnr_y` for the arguments.

    Wang et al. 2004: K1 = 0.01, K2 = 0.03, L = 255, only windows inside the image. Images that are smaller than the window
    after the border is cut are compared as one window, with means, variances and covariance over the whole image.
    """
    a, b = crop_borders(a, b, border)
    if min(a.shape[:2]) < WINDOW:
        return float(_ssim_formula(*(_moments_whole(luma(a), luma(b)))))
    total, count = 0.0, 0
    overlap = WINDOW - 1
    for rows in bands(a, b, overlap=overlap, least=_LEAST_ROWS):
        values = _ssim_formula(*moments(luma(a[rows]), luma(b[rows])))
        total, count = total + float(np.sum(values)), count + int(np.size(values))
    return total / count


def lr_consistency(result: Pixels, lr: Image) -> float:
    """Return the PSNR-RGB in dB between `lr` and `result`, downscaled to its size by antialiased bicubic.

    No border is cut.
    """
    return psnr_rgb(resize(result, Size.of(lr)), lr, border=0)


def crop_borders(a: Pixels, b: Pixels, border: int) -> tuple[Pixels, Pixels]:
    """Return both images without their border. Raises BadInput when the sizes differ."""
    if a.shape != b.shape:
        raise BadInput(
            f"Two images of different size cannot be compared: {a.shape[1]} x {a.shape[0]} and "
            f"{b.shape[1]} x {b.shape[0]} pixels."
        )
    if border and min(a.shape[:2]) > 2 * border:
        a, b = a[border:-border, border:-border], b[border:-border, border:-border]
    return a, b


def _psnr(squared_error: float, count: int) -> float:
    """Return the PSNR in dB from the sum of squared errors over `count` values in 0..255."""
    return inf if squared_error == 0 else 10 * log10(255.0**2 * count / squared_error)


def luma(image: Pixels) -> NDArray[np.float64]:
    """Return BT.601 Y in 16..235 of an image in [0, 1]."""
    return 16.0 + quantize(image).astype(np.float64) @ LUMA


def moments(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return Gaussian-weighted means, variances and covariance of all windows inside the image, each (H - 10, W - 10)."""
    kernel = cv2.getGaussianKernel(WINDOW, _SIGMA, cv2.CV_64F)
    half = WINDOW // 2

    def mean(z: NDArray[np.float64]) -> NDArray[np.float64]:
        filtered = cv2.sepFilter2D(z, cv2.CV_64F, kernel, kernel)
        return np.asarray(filtered, np.float64)[half:-half, half:-half]

    mx, my = mean(x), mean(y)
    return mx, my, mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my


def _moments_whole(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return means, variances and covariance of two whole planes."""
    mx, my = np.mean(x), np.mean(y)
    return tuple(np.asarray(v) for v in (mx, my, np.var(x), np.var(y), np.mean((x - mx) * (y - my))))


def _ssim_formula(
    mx: NDArray[np.float64], my: NDArray[np.float64], vx: NDArray[np.float64], vy: NDArray[np.float64],
    cov: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """Return SSIM from means, variances and covariance (Wang et al. 2004, equation 13)."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return ((2 * mx * my + c1) * (2 * cov + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))
