"""Measured run times of a method at a few image sizes, stored in cards, with interpolation between the sizes.

The first run at a size takes longer than later ones, since kernels are compiled and memory is requested from the system.
Both are measured, since visitors upload images of all sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Seconds of one method with one backend, for images that are not cut into tiles."""

    backend: str
    """"torch" or "OpenVINO"; "" for methods without a network; else the source of the estimate."""
    threads: int
    """Number of threads; 0 if the seconds hardly depend on it."""
    sides: tuple[int, ...]
    """Sides in LR pixels of squares with as many pixels as the images, ascending."""
    first: tuple[float, ...]
    """Seconds of the first run at each side, in a process that has run the smaller ones before."""
    again: tuple[float, ...]
    """Seconds of later runs, minimum of several."""

    def seconds(self, pixels: float, *, again: bool) -> float:
        """Return the seconds for an image or tile.

        They are interpolated linearly between neighbouring sizes, and proportional to the pixels above the largest size.
        Below the smallest size, the line through the first two sizes is extrapolated, to a fixed cost of at least 0.

        Args:
            pixels: Number of LR pixels.
            again: Whether an image or tile of at least this size ran before.
        """
        counts = [float(side * side) for side in self.sides]
        times = self.again if again else self.first
        if pixels >= counts[-1] or len(counts) == 1:
            return times[-1] * pixels / counts[-1]
        if pixels >= counts[0]:
            return float(np.interp(pixels, counts, times))
        fixed = times[0] - counts[0] * (times[1] - times[0]) / (counts[1] - counts[0])
        fixed = max(fixed, 0.0)
        return fixed + (times[0] - fixed) * pixels / counts[0]

    def scaled(self, factor: float) -> Timing:
        """Return the timing with all seconds multiplied by `factor`."""
        return replace(
            self,
            first=tuple(factor * value for value in self.first),
            again=tuple(factor * value for value in self.again),
        )


def from_card(costs: Mapping[str, Any]) -> tuple[Timing, ...]:
    """Return the timings in the block `costs` of a card; none if no seconds were measured."""
    return tuple(
        Timing(backend, costs["threads"], *(tuple(found[name]) for name in ("sides", "first", "again")))
        for backend, found in costs.get("seconds", {}).items()
    )


def to_card(timings: tuple[Timing, ...]) -> dict[str, Any]:
    """Return the entries of a card's `costs` that `from_card` reads. All timings must have the same number of threads."""
    return {
        "threads": timings[0].threads,
        "seconds": {
            timing.backend: {
                "sides": list(timing.sides),
                "first": [_short(value) for value in timing.first],
                "again": [_short(value) for value in timing.again],
            }
            for timing in timings
        },
    }


def plain(source: str, per_pixel: float) -> Timing:
    """Return a timing of constant seconds per LR pixel, for unmeasured methods; `source` takes the place of the backend."""
    sides = (64, 128)
    times = tuple(per_pixel * side * side for side in sides)
    return Timing(source, 0, sides, times, times)


def _short(value: float) -> float:
    return float(f"{value:.3g}")
