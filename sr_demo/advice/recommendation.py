"""The recommendation for one photo: the methods that the first matching rule names, of those that are offered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sr_demo.advice.estimates import Certainty, Estimate, Estimates
from sr_demo.advice.rules import RULES, Rule
from sr_demo.hub import checkpoints
from sr_demo.inference.jobs import Job

Note = Literal["faces", "letters"]


@dataclass(frozen=True)
class Recommendation:
    """What to take for a photo, and why."""

    estimates: Estimates
    rule: Rule
    looks: Job
    """For an image to look at."""
    measuring: Job
    """For an image to measure, count or read in."""
    certainty: Certainty
    """Never more than that of the estimates behind it, and never sure: the methods have not run yet."""

    @property
    def notes(self) -> tuple[Note, ...]:
        """What to watch for in the result of `looks`, where that may invent detail."""
        if not self.looks.approach.invents_with(self.looks.checkpoint):
            return ()
        found = self.estimates
        return (*(("faces",) if found.faces.value else ()), *(("letters",) if found.has_letters else ()))

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The methods to tick, each once."""
        return tuple({job.key: job for job in (self.looks, self.measuring)}.values())


def recommend(estimates: Estimates, jobs: Sequence[Job]) -> Recommendation | None:
    """Return what to take for a photo.

    Args:
        estimates: what the photo is like.
        jobs: the methods that are offered; those that would have to be downloaded first are not recommended.

    Returns:
        None where no method is there.
    """
    here = [job for job in jobs if checkpoints.is_available(job.checkpoint)]
    if not here:
        return None
    rule = next(rule for rule in RULES if rule.when(estimates))
    read: list[Estimate[Any]] = [getattr(estimates, name) for name in rule.reads]
    return Recommendation(
        estimates,
        rule,
        looks=_first(rule.looks, here),
        measuring=_first(rule.measuring, here),
        certainty=min(Certainty.LIKELY, *(one.certainty for one in read)),
    )


def _first(names: Sequence[str], jobs: Sequence[Job]) -> Job:
    """Return the first job of these names that there is, else the first of all."""
    by_name = {job.full_name: job for job in jobs}
    return next((by_name[name] for name in names if name in by_name), jobs[0])


def record(found: Recommendation) -> dict[str, Any]:
    """Return a recommendation as JSON-able data."""
    estimates = found.estimates
    named = ("jpeg_quality", "noise", "detail_end", "signal_end", "drawing", "letters", "faces")
    return {
        "width": estimates.size.width,
        "height": estimates.size.height,
        "estimates": {name: _estimate(getattr(estimates, name)) for name in named},
        "looks": found.looks.full_name,
        "measuring": found.measuring.full_name,
        "certainty": found.certainty.name.lower(),
        "rule": found.rule.id,
        "reason": found.rule.reason,
        "notes": list(found.notes),
    }


def _estimate(one: Estimate[Any]) -> dict[str, Any]:
    value = round(one.value, 3) if isinstance(one.value, float) else one.value
    return {"value": value, "certainty": one.certainty.name.lower()}
