"""Scores of the digits lab: fidelity, sharpness, and whether a reconstructed digit is still classified correctly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import numpy as np

from sr_demo.digits import data
from sr_demo.digits.data import Digits, Pixels
from sr_demo.digits.options import DigitModel
from sr_demo.image import Image, readonly
from sr_demo.metrics.full_reference import psnr_rgb, ssim_y
from sr_demo.progress import SILENT, Progress

METHODS: tuple[str, ...] = ("bicubic", *get_args(DigitModel))
_BATCH = 500
"""Digits per batch."""


def evaluate(digits: Digits, progress: Progress = SILENT) -> Iterator[dict[str, Any]]:
    """Score each method on `digits`: 28 x 28 is the reference, downscaled to 26 x 26 and upscaled to 28 x 28 again.

    Args:
        digits: HR images and labels.
        progress: Receives the progress; raises Cancelled on Stop.

    Yields:
        One row per method. `psnr` (dB), `ssim`: means over the digits, 8-bit gray values, no border cropped.
        `sharpness`: mean absolute gradient relative to the reference's; 1 is equally sharp. `accuracy`: share of digits
        that the reader, a classifier trained on real digits, classifies correctly. `method`, `digits`: name and number.
    """
    small = data.downscale(digits.images)
    steps = mean_gradient(digits.images)
    for index, method in enumerate(METHODS):
        part = progress.part(index / len(METHODS), (index + 1) / len(METHODS))
        drawn = _drawn(method, small, part.part(0.0, 0.5))
        psnr, ssim = np.mean(list(_scores(drawn, digits.images, part.part(0.5, 1.0))), axis=0)
        yield {
            "method": method,
            "psnr": float(psnr),
            "ssim": float(ssim),
            "sharpness": mean_gradient(drawn) / steps,
            "accuracy": accuracy(drawn, digits.labels),
            "digits": len(digits),
        }


def mean_gradient(images: Pixels) -> float:
    """Return the mean absolute difference of neighbouring pixels, in 8-bit steps.

    Horizontal and vertical neighbours have equal weight. `images`: (N, H, W) uint8.
    """
    values = images.astype(np.float32)
    across, down = np.abs(np.diff(values, axis=2)).mean(), np.abs(np.diff(values, axis=1)).mean()
    return float(across + down) / 2


def accuracy(images: Pixels, labels: Pixels) -> float:
    """Return the share of `images` (N, 28, 28) that the reader classifies as `labels` (N,), 0..1."""
    from sr_demo.digits import inference

    right = 0
    for start in range(0, len(labels), _BATCH):
        chosen = slice(start, start + _BATCH)
        right += int((inference.classify_digits(images[chosen]) == labels[chosen]).sum())
    return right / len(labels)


def as_image(image: Pixels) -> Image:
    """Convert (H, W) uint8 to (H, W, 3) float32 in [0, 1]."""
    return readonly(np.divide(np.repeat(image[..., None], 3, axis=2), 255, dtype=np.float32))


def score(image: Pixels, reference: Pixels) -> tuple[float, float]:
    """Return PSNR in dB and SSIM of two (H, W) uint8 gray images, no border cropped.

    All channels are equal, so that PSNR-RGB is the PSNR of the gray values.
    """
    a, b = as_image(image), as_image(reference)
    return psnr_rgb(a, b, border=0), ssim_y(a, b, border=0)


def _drawn(method: str, small: Pixels, progress: Progress) -> Pixels:
    if method == "bicubic":
        return data.bicubic(small)
    from sr_demo.digits import inference

    systems: dict[str, DigitModel] = {system: system for system in get_args(DigitModel)}
    drawn: list[Pixels] = []
    for start in range(0, len(small), _BATCH):
        progress(start / len(small), f"{method}: drawing")
        again = inference.reconstruct(small[start : start + _BATCH], systems[method])
        drawn.append(np.rint(again * 255).astype(np.uint8))
    return np.concatenate(drawn)


def _scores(drawn: Pixels, reference: Pixels, progress: Progress) -> Iterator[tuple[float, float]]:
    for index, (image, target) in enumerate(zip(drawn, reference, strict=True)):
        if index % _BATCH == 0:
            progress(index / len(reference), "measuring")
        psnr, ssim = score(image, target)
        # The PSNR of identical digits is infinite. It is limited to that of half an 8-bit step everywhere.
        yield min(psnr, 54.15), ssim
