"""What a run does when: phases, the budget, the learning rate. Pure values, no torch.

Legend: fraction = how much of the whole run is done, 0..1, by iterations or by seconds of training.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

from sr_demo.errors import BadInput


@dataclass(frozen=True)
class Phase:
    """One stretch of a run with its own losses, patch and learning rate."""

    share: float
    """Part of the whole run, 0..1. The shares of a recipe add up to 1."""
    losses: tuple[tuple[str, float], ...]
    """Names from `losses.py` (and "gan") with their weights."""
    rate: tuple[float, float]
    """Learning rate at the start and at the end of the phase; half a cosine between them."""
    patch: int
    """Side of the square LR patch in pixels."""
    batch: int


@dataclass(frozen=True)
class Budget:
    """When a run is over: after so many iterations, or after so many seconds spent in training. Exactly one is set."""

    iterations: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.iterations is None) == (self.seconds is None):
            raise BadInput("A training run needs either a number of minutes or a number of iterations.")
        if (self.iterations or self.seconds or 0) <= 0:
            raise BadInput("A training run needs more than zero minutes or iterations.")

    @property
    def length(self) -> dict[str, float]:
        """The one that is set, by its name."""
        return {"iterations": self.iterations} if self.iterations else {"seconds": self.seconds or 0.0}

    def fraction(self, iterations: int, seconds: float) -> float:
        """How much of the run is done, 0..1."""
        done = iterations / self.iterations if self.iterations else seconds / (self.seconds or 1.0)
        return min(done, 1.0)


def phase_at(phases: tuple[Phase, ...], fraction: float) -> tuple[Phase, float]:
    """The phase that `fraction` falls into, and how much of that phase is done (0..1)."""
    start = 0.0
    for phase in phases[:-1]:
        if fraction < start + phase.share:
            return phase, (fraction - start) / phase.share
        start += phase.share
    last = phases[-1]
    return last, min(max((fraction - start) / last.share, 0.0), 1.0)


def begun(phases: tuple[Phase, ...], fraction: float) -> tuple[Phase, ...]:
    """The phases that have begun by `fraction` of the run."""
    return phases[: phases.index(phase_at(phases, fraction)[0]) + 1]


def learning_rate(phases: tuple[Phase, ...], fraction: float, warm_up: float) -> float:
    """Half a cosine within the phase; over the first `warm_up` of the run it also rises linearly from a tenth."""
    phase, done = phase_at(phases, fraction)
    first, last = phase.rate
    rate = last + (first - last) * 0.5 * (1.0 + cos(pi * done))
    return rate * (0.1 + 0.9 * min(fraction / warm_up, 1.0)) if warm_up > 0 else rate
