"""Noise schedule of residual-shift diffusion (ResShift, Yue et al. 2023, arXiv 2307.12348).

Legend: x0 = HR; y = initial estimate, both in [0, 1]; t = level (the paper's timestep), 0 (x0) to T (y plus noise);
eta = share of the shift of x towards y; kappa = standard deviation of the noise at level T.

    x_t = x0 + eta_t (y - x0) + kappa sqrt(eta_t) N(0, 1)        (equation 2)
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt


@dataclass(frozen=True)
class Step:
    """One reverse step: x_next = keep * x + replace * (estimate of x0) + noise * N(0, 1)."""

    level: int
    """Level before the step."""
    below: int
    """Level after the step."""
    keep: float
    replace: float
    noise: float


@dataclass(frozen=True)
class Schedule:
    """The shift at each level: sqrt(eta) is an exponential of a power of the level, as in the paper."""

    levels: int = 15
    kappa: float = 0.12
    least: float = 0.01
    """Standard deviation of the noise at level 1."""
    power: float = 0.7
    """Exponent p of the paper; below 1, the shift grows fast at first. The paper uses 0.3 with another kappa."""

    def eta(self, level: int) -> float:
        """Return the shift at `level`, 0..1: 0 at level 0, (least / kappa)^2 at level 1, 1 at the last level."""
        if level == 0:
            return 0.0
        first = self.least / self.kappa
        done = 1.0 if self.levels == 1 else ((level - 1) / (self.levels - 1)) ** self.power
        return first ** (2 * (1 - done))

    def spread(self, level: int) -> float:
        """Return the standard deviation of the noise in x at `level`."""
        return self.kappa * sqrt(self.eta(level))

    def steps(self, count: int) -> tuple[Step, ...]:
        """Return `count` steps (1..levels) from the last level to 0, evenly spread over the levels.

        Each step samples from the distribution of x at the lower level given x and x0 (equation 7 of the paper). Levels
        between them may be skipped, because the process depends on eta alone.
        """
        levels = [int(self.levels * i / count + 0.5) for i in range(count, -1, -1)]
        return tuple(self._step(level, below) for level, below in pairwise(levels))

    def _step(self, level: int, below: int) -> Step:
        high, low = self.eta(level), self.eta(below)
        return Step(level, below, low / high, (high - low) / high, self.kappa * sqrt(low / high * (high - low)))
