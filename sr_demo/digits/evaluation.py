"""The digits lab in numbers: how close, how sharp, and whether a redrawn digit is still the same one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import numpy as np

from sr_demo.digits import data
from sr_demo.digits.data import Digits, Pixels
from sr_demo.digits.options import System
from sr_demo.image import Image, readonly
from sr_demo.metrics.full_reference import psnr_rgb, ssim_y
from sr_demo.progress import SILENT, Progress

METHODS: tuple[str, ...] = ("bicubic", *get_args(System))
_TOGETHER = 500
"""Digits that go through a network at once."""


def evaluate(digits: Digits, progress: Progress = SILENT) -> Iterator[dict[str, Any]]:
    """One row per method on `digits`: 28 x 28 is the truth, shrunk to 26 x 26 with antialiasing and drawn again at 28.

    `psnr`, `ssim`: means over the digits, gray values of 8 bit, nothing cut off. `sharpness`: mean step between
    neighbouring pixels by that of the truth; 1 is as sharp as the truth. `accuracy`: how often the reader, trained on
    real digits, sees the right one.
    """
    small = data.downscale(digits.pictures)
    steps = steepness(digits.pictures)
    for index, method in enumerate(METHODS):
        part = progress.part(index / len(METHODS), (index + 1) / len(METHODS))
        drawn = _drawn(method, small, part.part(0.0, 0.5))
        psnr, ssim = np.mean(list(_scores(drawn, digits.pictures, part.part(0.5, 1.0))), axis=0)
        yield {
            "method": method,
            "psnr": float(psnr),
            "ssim": float(ssim),
            "sharpness": steepness(drawn) / steps,
            "accuracy": accuracy(drawn, digits.labels),
            "digits": len(digits),
        }


def steepness(pictures: Pixels) -> float:
    """Mean absolute difference between horizontal and vertical neighbours, in steps of 8 bit. `pictures` (N, H, W)."""
    values = pictures.astype(np.float32)
    across, down = np.abs(np.diff(values, axis=2)).mean(), np.abs(np.diff(values, axis=1)).mean()
    return float(across + down) / 2


def accuracy(pictures: Pixels, labels: Pixels) -> float:
    """Part of `pictures` (N, 28, 28) that the reader takes for `labels`, 0..1."""
    from sr_demo.digits import lab

    right = 0
    for start in range(0, len(labels), _TOGETHER):
        chosen = slice(start, start + _TOGETHER)
        right += int((lab.read_digits(pictures[chosen]) == labels[chosen]).sum())
    return right / len(labels)


def as_image(picture: Pixels) -> Image:
    """(H, W) uint8 -> (H, W, 3) float32 in [0, 1]."""
    return readonly(np.divide(np.repeat(picture[..., None], 3, axis=2), 255, dtype=np.float32))


def score(picture: Pixels, truth: Pixels) -> tuple[float, float]:
    """PSNR in dB and SSIM of two gray pictures of 8 bit, nothing cut off. All channels alike, PSNR-RGB is that of gray."""
    a, b = as_image(picture), as_image(truth)
    return psnr_rgb(a, b, border=0), ssim_y(a, b, border=0)


def _drawn(method: str, small: Pixels, progress: Progress) -> Pixels:
    if method == "bicubic":
        return data.bicubic(small)
    from sr_demo.digits import lab

    systems: dict[str, System] = {system: system for system in get_args(System)}
    drawn: list[Pixels] = []
    for start in range(0, len(small), _TOGETHER):
        progress(start / len(small), f"{method}: drawing")
        again = lab.redraw(small[start : start + _TOGETHER], systems[method])
        drawn.append(np.rint(again * 255).astype(np.uint8))
    return np.concatenate(drawn)


def _scores(drawn: Pixels, truth: Pixels, progress: Progress) -> Iterator[tuple[float, float]]:
    for index, (picture, wanted) in enumerate(zip(drawn, truth, strict=True)):
        if index % _TOGETHER == 0:
            progress(index / len(truth), "measuring")
        psnr, ssim = score(picture, wanted)
        # An identical digit has no finite PSNR; half a step of 8 bit everywhere would have 54 dB.
        yield min(psnr, 54.15), ssim
