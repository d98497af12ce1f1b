"""The intermediate states of one run of the sampler, as plain values without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.image import Image
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.spec import Upscaler


@dataclass(frozen=True)
class SamplingStep:
    """States before and after one sampling step; images (4*H, 4*W, 3) float32, about [0, 1], not clipped."""

    step: int
    """Number of this step, 1..of."""
    of: int
    shift: float
    """eta of the schedule before this step, 0..1: how far `before` is shifted from HR to the initial estimate."""
    noise: float
    """Standard deviation of the noise in `before`."""
    before: Image
    """Input of the network."""
    estimate: Image
    """The network's estimate of HR."""
    after: Image
    """State at the next lower level; the sample after the last step."""


@dataclass(frozen=True)
class Trajectory:
    """A square crop of all states from the initial estimate to the result; images (side, side, 3) float32."""

    top: int
    left: int
    """Position of the crop in the result, pixels."""
    start: Image
    steps: tuple[SamplingStep, ...]
    result: Image
    """After colour correction, back-projection and the mean over all samples."""
    samples: int
    """Number of samples in the result; `steps` are those of the first."""
    spread: NDArray[np.float32] | None = None
    """(4*H, 4*W): standard deviation over the samples of their luma above the input's Nyquist frequency; None for one."""

    def forward(self, hr: Image) -> tuple[Image, ...]:
        """Return the states of the forward process from `hr` at the levels of `steps`, lowest level first.

        The noise is the one that this run started with, so that the last state equals the input of the first step if
        `hr` has the same size as the crop.

        Args:
            hr: (side, side, 3) in [0, 1], level 0 of the chain.
        """
        first = self.steps[0]
        noise = (first.before - self.start) / first.noise if first.noise else np.zeros_like(self.start)
        return tuple(
            hr + np.float32(step.shift) * (self.start - hr) + np.float32(step.noise) * noise
            for step in reversed(self.steps)
        )


@runtime_checkable
class TracingUpscaler(Upscaler, Protocol):
    """An upscaler that records the sampling steps on the way to its result."""

    def upscale_traced(self, image: Image, options: Options, progress: Progress) -> tuple[Image, Trajectory]:
        """Like `upscale`, but also return the sampling steps of one square crop of the result."""
        ...


def most_detailed_square(image: Image, side: int) -> tuple[int, int]:
    """Return top and left of the square with the most fine detail, inside the image.

    Args:
        image: (H, W, 3) in [0, 1].
        side: Side of the square, pixels.
    """
    height, width = image.shape[:2]
    gray = np.ascontiguousarray(image.mean(axis=2, dtype=np.float32))
    detail = np.abs(gray - cv2.GaussianBlur(gray, (0, 0), 2.0))
    sums = cv2.integral(detail)
    rows, columns = (np.unique(np.linspace(0, length - side, 33).astype(int)) for length in (height, width))
    low, high = np.ix_(rows, columns), np.ix_(rows + side, columns + side)
    total = sums[high] - sums[np.ix_(rows, columns + side)] - sums[np.ix_(rows + side, columns)] + sums[low]
    row, column = np.unravel_index(int(total.argmax()), total.shape)
    return int(rows[row]), int(columns[column])


def cropped(step: SamplingStep, top: int, left: int, side: int) -> SamplingStep:
    """Return `step` cropped to one square, copied so that the whole states can be freed."""
    before, estimate, after = (
        np.ascontiguousarray(image[top : top + side, left : left + side]).copy()
        for image in (step.before, step.estimate, step.after)
    )
    return replace(step, before=before, estimate=estimate, after=after)
