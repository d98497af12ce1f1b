"""Shares of correct, missing and invented detail in a result, measured against an HR reference.

They are defined as in opensr-test (Aybar et al. 2024, "A Comprehensive Benchmark for Optical Remote Sensing Image
Super-Resolution", IEEE document 10530998). Three images are compared: the result SR, the reference HR, and the input
resampled to their size, LR+. Distances are mean absolute differences of luma over a small window:

    r = d(LR+, HR),  d_im = d(SR, HR) / r,  d_om = d(SR, LR+) / r,  H = d_im + d_om - 1 >= 0

    improvement    d_im + d_om (1 - exp(-0.8 H))    small if SR is similar to HR
    omission       d_om + d_im (1 - exp(-0.8 H))    small if SR is similar to LR+
    hallucination  exp(-0.4 d_im d_om)              small if SR differs from both

A soft minimum (temperature 0.5) converts them to three shares that sum to 1. Pixels with small r are not counted, since the
input has all the detail of the reference there. All three images are rounded to 8 bit: of bicubic interpolation, which is
LR+, rounding the result alone would change a share of 10.7 % to as much as 14.8 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import BadInput
from sr_demo.image import Image, Pixels, Size, bt601_luma, quantize
from sr_demo.imaging.resize import resize
from sr_demo.system.large_array import bands

_CURVE, _CURVE_HALLUCINATION = 0.8, 0.4
_TEMPERATURE = 0.5
_LEAST = 2 / 255
"""Distance between input and reference below which no detail was lost, in units of the full range."""


@dataclass(frozen=True)
class Invention:
    """The three shares of a result, which sum to 1."""

    improvement: float
    """Detail of the reference that the result has too."""
    omission: float
    """Detail of the reference that the result lacks."""
    hallucination: float
    """Detail of the result that neither the reference nor the input has."""


def invention(result: Pixels, lr: Image, reference: Image) -> Invention | None:
    """Return the three shares of a result, averaged over all pixels where the reference has more detail than the input.

    Args:
        result: (H, W, 3) in [0, 1].
        lr: (h, w, 3) in [0, 1], the input of the method.
        reference: (H, W, 3) in [0, 1], the HR reference.

    Returns:
        The shares; None if the input has all the detail of the reference.

    Raises:
        BadInput: `result` and `reference` differ in size.
    """
    total, count = np.zeros(3), 0
    for _, shares, counted in _in_bands(result, lr, reference):
        total += shares[counted].sum(axis=0)
        count += int(counted.sum())
    return Invention(*(float(share) for share in total / count)) if count else None


def invention_map(result: Image, lr: Image, reference: Image) -> NDArray[np.float32]:
    """Return (H, W, 3): the shares improvement, omission, hallucination of each pixel; 0 for pixels that are not counted.

    See `invention` for arguments and errors.
    """
    made = np.zeros(result.shape, np.float32)
    for rows, shares, counted in _in_bands(result, lr, reference):
        made[rows] = np.where(counted[..., None], shares, 0)
    return made


def _in_bands(
    result: Pixels, lr: Image, reference: Image
) -> Iterator[tuple[slice, NDArray[np.float32], NDArray[np.bool_]]]:
    """Yield for each band of rows its slice, the shares (rows, W, 3), and which pixels are counted (rows, W)."""
    if result.shape != reference.shape:
        raise BadInput(
            f"The shares of invented detail need images of one size, not {result.shape[1]} x {result.shape[0]} and "
            f"{reference.shape[1]} x {reference.shape[0]} pixels."
        )
    upsampled = resize(lr, Size.of(reference))
    window = 2 * (round(reference.shape[0] / lr.shape[0]) // 2) + 1  # about one input pixel
    margin = window // 2
    mean = _mean_luma(reference)
    sr_offset, lr_offset = (_mean_luma(image) - mean for image in (result, upsampled))
    for rows in bands(result, reference, upsampled):
        wide = slice(max(rows.start - margin, 0), rows.stop + margin)
        sr, hr, up = (_luma(image[wide]) for image in (result, reference, upsampled))
        sr, up = sr - sr_offset, up - lr_offset
        inner = slice(rows.start - wide.start, rows.stop - wide.start)
        r, im, om = (_distance(a, b, window)[inner] for a, b in ((up, hr), (sr, hr), (sr, up)))
        counted = r > _LEAST
        safe = np.maximum(r, np.float32(_LEAST), dtype=np.float32)
        yield rows, _shares(np.divide(im, safe, dtype=np.float32), np.divide(om, safe, dtype=np.float32)), counted


def _distance(a: NDArray[Any], b: NDArray[Any], window: int) -> NDArray[np.float32]:
    return np.asarray(cv2.blur(np.abs(a - b), (window, window)), np.float32)


def _shares(d_im: NDArray[np.float32], d_om: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the shares of improvement, omission and hallucination, (..., 3), from the two relative distances."""
    curve = 1 - np.exp(-_CURVE * (d_im + d_om - 1))
    scores = np.stack([d_im + d_om * curve, d_om + d_im * curve, np.exp(-_CURVE_HALLUCINATION * d_im * d_om)], axis=-1)
    weights = np.exp((scores.min(axis=-1, keepdims=True) - scores) / _TEMPERATURE)
    return weights / weights.sum(axis=-1, keepdims=True)


def _luma(image: Pixels) -> NDArray[Any]:
    return bt601_luma(quantize(image))


def _mean_luma(image: Pixels) -> float:
    return sum(float(_luma(image[rows]).sum(dtype=np.float64)) for rows in bands(image)) / (
        image.shape[0] * image.shape[1]
    )
