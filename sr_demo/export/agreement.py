"""Comparison of an exported file with its network: both run on the same images and are timed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, log10

import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import SRError
from sr_demo.imaging.resolution_chart import resolution_chart

log = logging.getLogger("sr_demo")

_SIZES = ((37, 61), (64, 48), (95, 33))
"""Heights and widths of the images on which file and network are compared."""
_TIMED = 128
"""Side of the image on which file and network are timed."""

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(1, 3, H, W) float32 -> (1, 3, H * scale, W * scale) float32, both in [0, 1]."""


@dataclass(frozen=True)
class Agreement:
    """Difference between the file and its network over all test images, for values in [0, 1]."""

    largest: float
    mean: float
    psnr: float
    """PSNR in dB with peak 1, without rounding to 8 bit; inf if the results are identical."""
    seconds_here: float
    """Median time for an image of 128 x 128 pixels in torch, fp32."""
    seconds_there: float
    """Median time in the runtime of the file's format."""


def translating(run: Run, kind: str) -> Run:
    """Return `run` with the exceptions of its runtime translated into an SRError."""

    def checked(x: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            return run(x)
        except Exception as exc:
            log.warning("the %s file does not run", kind, exc_info=exc)
            raise SRError(
                f"The {kind} file does not run on a picture of {x.shape[3]} x {x.shape[2]} pixels in its own runtime, "
                "so it is not exported. Try another --format."
            ) from exc

    return checked


def compare(here: Run, there: Run) -> Agreement:
    """Compare network and file on parts of the resolution chart, which contains all frequencies and hard edges."""
    chart = resolution_chart(256).transpose(2, 0, 1)[None]
    differences: list[NDArray[np.float64]] = []
    for number, (height, width) in enumerate(_SIZES):
        top, left = 40 + 30 * number, 20 + 70 * number
        part = np.ascontiguousarray(chart[:, :, top : top + height, left : left + width])
        one, other = here(part), there(part)
        if one.shape != other.shape:
            raise SRError(
                f"The file returns {other.shape} for {width} x {height} pixels, not {one.shape}: it is not exported."
            )
        differences.append((one.astype(np.float64) - other).ravel())
    difference = np.concatenate(differences)
    squared = float(np.mean(difference**2))
    timed = np.ascontiguousarray(chart[:, :, 60 : 60 + _TIMED, 10 : 10 + _TIMED])
    return Agreement(
        largest=float(np.abs(difference).max()),
        mean=float(np.abs(difference).mean()),
        psnr=inf if squared == 0 else -10 * log10(squared) if np.isfinite(squared) else -inf,
        seconds_here=_median_seconds(here, timed),
        seconds_there=_median_seconds(there, timed),
    )


def _median_seconds(run: Run, image: NDArray[np.float32]) -> float:
    """Return the median time of three runs after a warm-up."""
    run(image)
    taken: list[float] = []
    for _ in range(3):
        begun = time.perf_counter()
        run(image)
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken))
