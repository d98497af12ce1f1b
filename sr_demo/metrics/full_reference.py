"""PSNR, SSIM, agreement with the input and NIQE, each with its convention in its name.

Conventions of the published tables: BT.601 luma (Y), after rounding to 8 bit, a border of `scale` pixels cut off,
float64. Legend: H, W = height and width in pixels; every picture is (H, W, 3) float32 RGB in [0, 1].
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import inf, log10

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import BadInput
from sr_demo.image import Image, quantize
from sr_demo.imaging.resize import resize
from sr_demo.metrics.niqe import niqe
from sr_demo.system.large_array import bands

LUMA = np.array([65.481, 128.553, 24.966]) / 255.0
"""ITU-R BT.601 with footroom: Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255 for R, G, B in 0..255."""
_LEAST_ROWS = 64
"""Of a band for SSIM, whose bands share ten rows."""
_WINDOW, _SIGMA = 11, 1.5
"""SSIM's Gaussian window: 11 x 11, sigma 1.5 (Wang et al. 2004, section III.C)."""


@dataclass(frozen=True)
class Column:
    """One number shown beside a picture."""

    key: str
    """Key in JSON and in the evaluation rows."""
    title: str
    unit: str
    help: str
    """One sentence a person without the field's training understands."""
    digits: int
    higher_is_better: bool = True


PSNR_Y = Column(
    "psnr_y", "PSNR-Y", "dB",
    "How close the brightness is to the true picture, pixel by pixel (BT.601 Y, 8 bit, border of 4 px cut): "
    "about 1 dB more is a visible difference; higher is closer, not always nicer.", 2,
)  # fmt: skip
SSIM_Y = Column(
    "ssim_y", "SSIM-Y", "",
    "How well local structure matches the true picture (Y, 11 x 11 Gaussian window): 1 is identical.", 4,
)  # fmt: skip
PSNR_RGB = Column("psnr_rgb", "PSNR-RGB", "dB", "The same closeness over all three colours instead of brightness.", 2)
LR_CONSISTENCY = Column(
    "lr_consistency", "Agrees with input", "dB",
    "The result is shrunk again and compared with what went in (PSNR-RGB, bicubic): "
    "low values mean that the method changed or invented something the input does not say.", 2,
)  # fmt: skip
NIQE = Column(
    "niqe", "NIQE (own fit)", "",
    "How far the local statistics are from those of clean photos, without looking at any truth (fitted on our photos, so "
    "not comparable with published values): lower looks more natural to this measure; can be fooled.", 2,
    higher_is_better=False,
)  # fmt: skip
COLUMNS: tuple[Column, ...] = (PSNR_Y, SSIM_Y, PSNR_RGB, LR_CONSISTENCY, NIQE)


@dataclass(frozen=True)
class Scores:
    """What could be measured for one result; None where there is no truth to compare with, or (NIQE) too little picture."""

    psnr_y: float | None = None
    ssim_y: float | None = None
    psnr_rgb: float | None = None
    lr_consistency: float | None = None
    niqe: float | None = None


def score(result: Image, lr: Image, truth: Image | None, scale: int) -> Scores:
    """All columns for one result. `truth` (if any) has the size of `result`; `lr` is what the approach was given."""
    with ThreadPoolExecutor(1) as beside:  # Pillow, OpenCV and numpy let two threads compute at once
        naturalness = beside.submit(niqe, result)
        agreement = lr_consistency(result, lr)
        if truth is None:
            return Scores(lr_consistency=agreement, niqe=naturalness.result().value)
        return Scores(
            psnr_y=psnr_y(result, truth, scale),
            ssim_y=ssim_y(result, truth, scale),
            psnr_rgb=psnr_rgb(result, truth, scale),
            lr_consistency=agreement,
            niqe=naturalness.result().value,
        )


def psnr_y(a: Image, b: Image, border: int = 4) -> float:
    """PSNR in dB on BT.601 Y after rounding to 8 bit; `inf` for identical pictures."""
    a, b = _comparable(a, b, border)
    total = sum(float(((_luma(a[rows]) - _luma(b[rows])) ** 2).sum()) for rows in bands(a, b))
    return _psnr(total, a.shape[0] * a.shape[1])


def psnr_rgb(a: Image, b: Image, border: int = 4) -> float:
    """PSNR in dB over the three colours after rounding to 8 bit; `inf` for identical pictures."""
    a, b = _comparable(a, b, border)
    total = sum(float(((quantize(a[rows]).astype(np.float64) - quantize(b[rows])) ** 2).sum()) for rows in bands(a, b))
    return _psnr(total, a.size)


def ssim_y(a: Image, b: Image, border: int = 4) -> float:
    """Mean SSIM on BT.601 Y after rounding to 8 bit (Wang et al. 2004: K1 = 0.01, K2 = 0.03, L = 255, windows inside).

    Pictures smaller than the window after the border is cut are compared as one window: means, variances and covariance
    over the whole picture.
    """
    a, b = _comparable(a, b, border)
    if min(a.shape[:2]) < _WINDOW:
        return float(_ssim_formula(*(_moments_whole(_luma(a), _luma(b)))))
    total, count = 0.0, 0
    overlap = _WINDOW - 1
    for rows in bands(a, b, overlap=overlap, least=_LEAST_ROWS):
        values = _ssim_formula(*_moments(_luma(a[rows]), _luma(b[rows])))
        total, count = total + float(np.sum(values)), count + int(np.size(values))
    return total / count


def lr_consistency(result: Image, lr: Image) -> float:
    """PSNR-RGB in dB between `result` shrunk to the size of `lr` (bicubic, antialiased) and `lr`; no border is cut."""
    return psnr_rgb(resize(result, (lr.shape[0], lr.shape[1])), lr, border=0)


def _comparable(a: Image, b: Image, border: int) -> tuple[Image, Image]:
    if a.shape != b.shape:
        raise BadInput(
            f"Two pictures of different size cannot be compared: {a.shape[1]} x {a.shape[0]} and "
            f"{b.shape[1]} x {b.shape[0]} pixels."
        )
    if border and min(a.shape[:2]) > 2 * border:
        a, b = a[border:-border, border:-border], b[border:-border, border:-border]
    return a, b


def _psnr(squared_error: float, count: int) -> float:
    return inf if squared_error == 0 else 10 * log10(255.0**2 * count / squared_error)


def _luma(image: Image) -> NDArray[np.float64]:
    return 16.0 + quantize(image).astype(np.float64) @ LUMA


def _moments(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Gaussian-weighted means, variances and covariance of every window that lies inside, each (H - 10, W - 10)."""
    kernel = cv2.getGaussianKernel(_WINDOW, _SIGMA, cv2.CV_64F)
    half = _WINDOW // 2

    def mean(z: NDArray[np.float64]) -> NDArray[np.float64]:
        filtered = cv2.sepFilter2D(z, cv2.CV_64F, kernel, kernel)
        return np.asarray(filtered, np.float64)[half:-half, half:-half]

    mx, my = mean(x), mean(y)
    return mx, my, mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my


def _moments_whole(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    mx, my = np.mean(x), np.mean(y)
    return tuple(np.asarray(v) for v in (mx, my, np.var(x), np.var(y), np.mean((x - mx) * (y - my))))


def _ssim_formula(
    mx: NDArray[np.float64], my: NDArray[np.float64], vx: NDArray[np.float64], vy: NDArray[np.float64],
    cov: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return ((2 * mx * my + c1) * (2 * cov + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))
