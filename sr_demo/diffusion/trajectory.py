"""What a walk of the chain shows of itself, as plain values: no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from sr_demo.image import Image
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.spec import Upscaler


@dataclass(frozen=True)
class Look:
    """The state after one step. Pictures (4 H, 4 W, 3), float32, about [0, 1], not clipped."""

    step: int
    """1..of."""
    of: int
    shift: float
    """How far the state before this step was shifted from the truth to the start picture, 0..1 (eta of the schedule)."""
    noise: float
    """Standard deviation of the noise that was in the state before this step."""
    before: Image
    """The state that the network was shown."""
    estimate: Image
    """What it made of it."""
    after: Image
    """The state that the next step begins with; the sample itself after the last one."""


@dataclass(frozen=True)
class Walk:
    """One square part of a picture on its way from the start picture to the result. Pictures (side, side, 3)."""

    top: int
    left: int
    """Where the part lies in the result, pixels."""
    start: Image
    looks: tuple[Look, ...]
    result: Image
    """After colours, agreement with the input, and the mean of all samples."""
    samples: int
    """How many samples the result is the mean of; the looks are those of the first."""

    def forward(self, truth: Image) -> tuple[Image, ...]:
        """How training would have destroyed `truth` (side, side, 3): the states at the levels of the looks, least first.

        The forward formula of `schedule` with the very noise that this walk began with, so that the last state is the one
        that the first look was shown.
        """
        first = self.looks[0]
        noise = (first.before - self.start) / first.noise if first.noise else np.zeros_like(self.start)
        return tuple(
            truth + np.float32(look.shift) * (self.start - truth) + np.float32(look.noise) * noise
            for look in reversed(self.looks)
        )


@runtime_checkable
class TracingUpscaler(Upscaler, Protocol):
    """An upscaler that records the steps on the way to its result."""

    def upscale_traced(self, image: Image, options: Options, progress: Progress) -> tuple[Image, Walk]:
        """`upscale`, with the steps that led to one part of the result."""
        ...


def busiest(picture: Image, side: int) -> tuple[int, int]:
    """Top and left of the square of `side` pixels of `picture` (H, W, 3) with the most fine detail; inside the picture."""
    height, width = picture.shape[:2]
    gray = np.ascontiguousarray(picture.mean(axis=2, dtype=np.float32))
    detail = np.abs(gray - cv2.GaussianBlur(gray, (0, 0), 2.0))
    sums = cv2.integral(detail)
    rows, columns = (np.unique(np.linspace(0, length - side, 33).astype(int)) for length in (height, width))
    low, high = np.ix_(rows, columns), np.ix_(rows + side, columns + side)
    total = sums[high] - sums[np.ix_(rows, columns + side)] - sums[np.ix_(rows + side, columns)] + sums[low]
    row, column = np.unravel_index(int(total.argmax()), total.shape)
    return int(rows[row]), int(columns[column])


def part_of(look: Look, top: int, left: int, side: int) -> Look:
    """`look` at one square of the picture only, copied, so that the whole states can be forgotten."""
    before, estimate, after = (
        np.ascontiguousarray(picture[top : top + side, left : left + side]).copy()
        for picture in (look.before, look.estimate, look.after)
    )
    return replace(look, before=before, estimate=estimate, after=after)
