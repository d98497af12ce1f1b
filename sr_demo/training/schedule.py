"""The schedule of a run: phases, budget, learning rate. Does not import torch.

Legend: fraction = finished share of the whole run, 0..1, by iterations or by seconds of training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi
from typing import Any

from sr_demo.errors import BadInput

Plan = dict[str, float]
"""A planned length of the whole run: {"from": iteration, "iterations" or "seconds": length}."""


@dataclass(frozen=True)
class Phase:
    """A part of a run with its own losses, patch size, batch size and learning rate."""

    share: float
    """Share of the whole run, 0..1. The shares of a recipe's phases sum to 1."""
    losses: tuple[tuple[str, float], ...]
    """Names from `losses.py` (also "gan", "perceptual", and those of `cycle.py`) with their weights."""
    rate: tuple[float, float]
    """Learning rate at the start and at the end of the phase; cosine annealing between them."""
    patch: int
    """Side of the square LR patch in pixels."""
    batch: int


@dataclass(frozen=True)
class Budget:
    """Length of a run: a number of iterations or of seconds spent in training. Exactly one is set."""

    iterations: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.iterations is None) == (self.seconds is None):
            raise BadInput("A training run needs either a number of minutes or a number of iterations.")
        if not 0 < (self.iterations or self.seconds or 0) < math.inf:  # NaN is not
            raise BadInput("A training run needs more than zero minutes or iterations, and an end.")

    @classmethod
    def chosen(
        cls, iterations: int | None, minutes: float | None, plans: Sequence[Mapping[str, Any]], default: float
    ) -> Budget:
        """Return the length that was given, else the one planned last, else `default` minutes.

        Args:
            iterations: Given number of iterations; it comes before `minutes`.
            minutes: Given number of minutes.
            plans: Those of the state that the run goes on from; see `Trainer.plans`.
            default: Minutes of a new run.

        Raises:
            BadInput: The given length is not more than zero.
        """
        if iterations is not None:
            return cls(iterations=iterations)
        if minutes is not None:
            return cls(seconds=minutes * 60)
        if plans:
            return cls(iterations=plans[-1].get("iterations"), seconds=plans[-1].get("seconds"))
        return cls(seconds=default * 60)

    @property
    def length(self) -> dict[str, float]:
        """The value that is set, by its name."""
        return {"iterations": self.iterations} if self.iterations else {"seconds": self.seconds or 0.0}

    def fraction(self, iterations: int, seconds: float) -> float:
        """Return the finished share of the run, 0..1."""
        done = iterations / self.iterations if self.iterations else seconds / (self.seconds or 1.0)
        return min(done, 1.0)


def with_plan(plans: Sequence[Plan], budget: Budget, iteration: int) -> list[Plan]:
    """Return `plans` and the length of `budget`, planned at `iteration`, unless it is the one recorded last."""
    length = budget.length
    if plans and length.items() <= plans[-1].items():
        return list(plans)
    return [*plans, {"from": iteration, **length}]


def phase_at(phases: tuple[Phase, ...], fraction: float) -> tuple[Phase, float]:
    """Return the phase at `fraction` of the run, and the finished share of that phase, 0..1."""
    start = 0.0
    for phase in phases[:-1]:
        if fraction < start + phase.share:
            return phase, (fraction - start) / phase.share
        start += phase.share
    last = phases[-1]
    return last, min(max((fraction - start) / last.share, 0.0), 1.0)


def phases_until(phases: tuple[Phase, ...], fraction: float) -> tuple[Phase, ...]:
    """Return the phases that have started by `fraction` of the run."""
    return phases[: phases.index(phase_at(phases, fraction)[0]) + 1]


def learning_rate(phases: tuple[Phase, ...], fraction: float, warm_up: float) -> float:
    """Return the learning rate: cosine annealing within the phase, times a linear warm-up from 0.1 to 1.

    Args:
        phases: All phases of the recipe.
        fraction: Finished share of the run, 0..1.
        warm_up: Share of the run over which the rate rises.
    """
    phase, done = phase_at(phases, fraction)
    first, last = phase.rate
    rate = last + (first - last) * 0.5 * (1.0 + cos(pi * done))
    return rate * (0.1 + 0.9 * min(fraction / warm_up, 1.0)) if warm_up > 0 else rate
