"""Measurements of one image of a data set: size, brightness, sharpness, spectrum, difficulty, thumbnail.

Legend: Y = BT.601 luma in 0..255; HR, LR = the large and the small image of a pair; s = scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.datasets.entries import SCALE
from sr_demo.errors import BadInput
from sr_demo.image import Image, bt601_luma, quantize
from sr_demo.imaging.resize import downscale, resize
from sr_demo.metrics.full_reference import psnr_y
from sr_demo.metrics.niqe import niqe

LARGEST = 1024
"""Largest side in pixels of the measured area; of a larger image, the central part is measured."""
FREQUENCIES = 24
"""Number of rings of the spectrum, from 0 to 0.5 cycles per pixel."""
_SQUARE = 256
"""Side of the square whose spectrum is computed; smaller images use their own largest square, of at least 32."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class ImageStatistics:
    """Measurements of one image."""

    name: str
    width: int
    height: int
    gray: bool
    brightness: float
    """Mean Y."""
    contrast: float
    """Standard deviation of Y."""
    clipped: float
    """Share of pixels with Y of 0 to 1 or of 254 to 255."""
    sharpness: float
    """Standard deviation of the Laplacian of Y, in levels; low for a blurred image."""
    niqe: float | None
    psnr_y: float
    """PSNR-Y in dB of bicubic upscaling against HR; high for images that are easy to upscale, `inf` if nothing is lost."""
    spectrum: Doubles | None
    """(24,): mean power in dB of rings of equal width, 0 to 0.5 cycles per pixel; None for images under 32 pixels."""
    thumb: NDArray[np.uint8]
    """(32, 32) Y of the whole image, for the search for copies."""


def measure(name: str, hr: Image, lr: Image | None, scale: int = SCALE) -> ImageStatistics:
    """Measure one image.

    Args:
        name: Name of the image, for the report.
        hr: (H, W, 3) float32 in [0, 1].
        lr: (H // s, W // s, 3) float32 in [0, 1]; None computes it by bicubic downscaling.
        scale: HR size divided by LR size.

    Raises:
        BadInput: The image is too small for the scale.
    """
    height, width = hr.shape[:2]
    if min(height, width) < 2 * scale:
        raise BadInput(f"{name} has {width} x {height} pixels: too small for scale {scale}.")
    hr_part, lr_part = _central_part(hr, lr, scale)
    luma = luma_of(hr_part)
    upscaled = resize(lr_part, (hr_part.shape[0], hr_part.shape[1]))
    return ImageStatistics(
        name=name,
        width=width,
        height=height,
        gray=bool((hr[..., 0] == hr[..., 1]).all() and (hr[..., 1] == hr[..., 2]).all()),
        brightness=float(luma.mean()),
        contrast=float(luma.std()),
        clipped=float(np.mean((luma <= 1) | (luma >= 254))),
        sharpness=float(np.asarray(cv2.Laplacian(luma, cv2.CV_32F)).std()),
        niqe=niqe(hr_part).value,
        psnr_y=psnr_y(upscaled, hr_part, scale),
        spectrum=radial_spectrum(luma),
        thumb=thumbnail(hr),
    )


def luma_of(image: Image) -> NDArray[np.float32]:
    """Return Y of an image (H, W, 3) in [0, 1], rounded to 8 bit first: (H, W) float32 in 0..255."""
    return bt601_luma(quantize(image).astype(np.float32))


def thumbnail(image: Image) -> NDArray[np.uint8]:
    """Return Y of the whole image (H, W, 3), averaged to (32, 32) uint8."""
    small = cv2.resize(luma_of(image), (32, 32), interpolation=cv2.INTER_AREA)
    return np.rint(np.asarray(small)).clip(0, 255).astype(np.uint8)


def radial_spectrum(luma: NDArray[np.float32]) -> Doubles | None:
    """Return the power spectrum of the central square under a Hann window, averaged over rings.

    White noise of standard deviation s has 20 log10 s dB in every ring; spectra of photos fall by 6 dB per octave or more.

    Args:
        luma: (H, W) float32 in 0..255.

    Returns:
        (24,) float64 in dB; None for images with a side under 32 pixels.
    """
    side = min(*luma.shape, _SQUARE)
    if side < 32:
        return None
    top, left = ((length - side) // 2 for length in luma.shape)
    square = luma[top : top + side, left : left + side].astype(np.float64)
    window = np.outer(np.hanning(side), np.hanning(side))
    power = np.abs(np.fft.rfft2((square - square.mean()) * window)) ** 2 / (window**2).sum()
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    ring = (radius * 2 * FREQUENCIES).astype(int)
    inside = ring < FREQUENCIES
    sums = np.bincount(ring[inside], power[inside], FREQUENCIES)
    counts = np.bincount(ring[inside], minlength=FREQUENCIES)
    return 10 * np.log10(np.maximum(sums / np.maximum(counts, 1), 1e-6))


def crops(hr: Image, lr: Image | None, side: int, scale: int = SCALE) -> tuple[Image, Image, Image]:
    """Cut the crop with the most detail among nine positions in an image.

    Args:
        hr: (H, W, 3) float32 in [0, 1].
        lr: (H // s, W // s, 3) float32 in [0, 1]; None computes it by bicubic downscaling.
        side: Side of the crop in HR pixels; smaller images give a smaller crop.
        scale: HR size divided by LR size.

    Returns:
        HR (side, side, 3), LR (side / s, side / s, 3), and LR upscaled by bicubic (side, side, 3).
    """
    hr_part, lr_part = _central_part(hr, lr, scale)
    size = min(side, *(length // scale * scale for length in hr_part.shape[:2])) // scale
    detail = cv2.boxFilter(np.abs(np.asarray(cv2.Laplacian(luma_of(lr_part), cv2.CV_32F))), -1, (size, size))
    places = [
        (round(y * (lr_part.shape[0] - size) / 2), round(x * (lr_part.shape[1] - size) / 2))
        for y in range(3) for x in range(3)
    ]  # fmt: skip
    top, left = max(places, key=lambda place: float(np.asarray(detail)[place[0] + size // 2, place[1] + size // 2]))
    upscaled = resize(lr_part, (hr_part.shape[0], hr_part.shape[1]))
    area = (slice(top * scale, (top + size) * scale), slice(left * scale, (left + size) * scale))
    return hr_part[area], lr_part[top : top + size, left : left + size], upscaled[area]


def finite(values: Sequence[float | None]) -> list[float]:
    """Return the values that are finite numbers."""
    return [value for value in values if value is not None and value < inf]


def _central_part(hr: Image, lr: Image | None, scale: int) -> tuple[Image, Image]:
    """Return the central part of a pair, at most `LARGEST` HR pixels a side, HR exactly `scale` times LR."""
    small = downscale(hr, scale) if lr is None else lr
    most = LARGEST // scale
    height, width = min(small.shape[0], most), min(small.shape[1], most)
    top, left = (small.shape[0] - height) // 2, (small.shape[1] - width) // 2
    large = hr[top * scale : (top + height) * scale, left * scale : (left + width) * scale]
    return large, small[top : top + height, left : left + width]
