"""How long a method takes for pictures of a few sizes: measured once, kept in a card, read off in between.

A picture larger than any before it is slower than the same again: kernels are made, and memory is fetched from the system.
Both were measured, since visitors bring pictures of all sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Seconds of one method in one engine, for pictures in one piece."""

    backend: str
    """"torch" or "OpenVINO"; empty for what is no network; else where the seconds come from."""
    threads: int
    """How many computed; 0 where their number changes little."""
    sides: tuple[int, ...]
    """Of squares as large as the pictures, in LR pixels, rising."""
    first: tuple[float, ...]
    """Seconds of the first run at each side, in a process that has run the smaller ones."""
    again: tuple[float, ...]
    """Seconds of later runs, the least of several."""

    def seconds(self, pixels: float, *, again: bool) -> float:
        """For a piece of so many LR pixels: a straight line between neighbouring sizes; above the largest, its rate.

        Below the smallest the line of the first two sizes goes on, but not below its rate.
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
        """The same shape, `factor` times as slow."""
        return replace(
            self,
            first=tuple(factor * value for value in self.first),
            again=tuple(factor * value for value in self.again),
        )


def from_card(costs: Mapping[str, Any]) -> tuple[Timing, ...]:
    """What the block `costs` of a card says; nothing where no seconds were measured.

    Earlier cards held the rate of later runs at 256 x 256 on two threads.
    """
    if "seconds" not in costs and "seconds_per_pixel" in costs:
        times = (costs["seconds_per_pixel"] * 256 * 256,)
        return (Timing("torch", 2, (256,), times, times),)
    return tuple(
        Timing(backend, costs["threads"], *(tuple(found[name]) for name in ("sides", "first", "again")))
        for backend, found in costs.get("seconds", {}).items()
    )


def to_card(timings: tuple[Timing, ...]) -> dict[str, Any]:
    """The entries of a card's `costs` that `from_card` reads; all timings were taken with the same number of threads."""
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
    """So many seconds per LR pixel, whatever the size: where nothing was measured. `source` says where it comes from."""
    sides = (64, 128)
    times = tuple(per_pixel * side * side for side in sides)
    return Timing(source, 0, sides, times, times)


def _short(value: float) -> float:
    return float(f"{value:.3g}")
