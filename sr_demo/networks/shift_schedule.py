"""The chain of residual-shift diffusion (Yue et al. 2023, arXiv 2307.12348): from the truth to a noisy start picture.

Legend: x0 = the truth, y = the start picture, both in [0, 1]; t = level, 0 (the truth) .. T (the start picture and noise);
eta = how far x has been shifted towards y; kappa = standard deviation of the noise at level T.

    x_t = x0 + eta_t (y - x0) + kappa sqrt(eta_t) noise
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt


@dataclass(frozen=True)
class Step:
    """One step back: x_next = keep * x + replace * (estimate of x0) + noise * N(0, 1)."""

    level: int
    """Where x stands before the step."""
    below: int
    """Where it stands after it."""
    keep: float
    replace: float
    noise: float


@dataclass(frozen=True)
class Schedule:
    """How much of the shift has happened at each level: sqrt(eta) grows as a power of the level in its exponent."""

    levels: int = 15
    kappa: float = 0.12
    least: float = 0.01
    """Standard deviation of the noise at level 1."""
    power: float = 0.7
    """Below 1, the shift grows quickly at first; paper: 0.3, on another scale."""

    def eta(self, level: int) -> float:
        """The shift at `level`, 0..1: 0 at level 0, (least / kappa)^2 at level 1, and 1 at the last level."""
        if level == 0:
            return 0.0
        first = self.least / self.kappa
        done = 1.0 if self.levels == 1 else ((level - 1) / (self.levels - 1)) ** self.power
        return first ** (2 * (1 - done))

    def spread(self, level: int) -> float:
        """Standard deviation of the noise that x holds at `level`."""
        return self.kappa * sqrt(self.eta(level))

    def steps(self, count: int) -> tuple[Step, ...]:
        """`count` steps (1..levels) from the last level to 0, evenly spread over the levels: fewer are longer.

        Each draws from the distribution of x at the lower level given x and x0 (eq. 7 of the paper, with the levels
        between left out, which the chain allows because it depends on eta alone).
        """
        at = [int(self.levels * i / count + 0.5) for i in range(count, -1, -1)]
        return tuple(self._step(level, below) for level, below in pairwise(at))

    def _step(self, level: int, below: int) -> Step:
        high, low = self.eta(level), self.eta(below)
        return Step(level, below, low / high, (high - low) / high, self.kappa * sqrt(low / high * (high - low)))
