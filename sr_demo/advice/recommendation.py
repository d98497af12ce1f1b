"""The recommendation for one photo: the available methods that the first matching rule names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sr_demo.advice.estimates import Certainty, Estimate, PhotoEstimates
from sr_demo.advice.rules import RULES, Rule
from sr_demo.hub import checkpoints
from sr_demo.inference.jobs import Job

Note = Literal["faces", "letters"]


@dataclass(frozen=True)
class Recommendation:
    """The recommended methods for a photo, with the reasons."""

    estimates: PhotoEstimates
    rule: Rule
    looks: Job
    """The method for an image to look at."""
    measuring: Job
    """The method for an image in which people measure, count or read."""
    certainty: Certainty
    """The lowest certainty of the estimates that the rule reads, at most LIKELY, since the methods have not run yet."""

    @property
    def notes(self) -> tuple[Note, ...]:
        """What to watch for in the result of `looks`; empty if that method does not invent detail."""
        if not self.looks.approach.invents_with(self.looks.checkpoint):
            return ()
        found = self.estimates
        return (*(("faces",) if found.faces.value else ()), *(("letters",) if found.has_letters else ()))

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The recommended methods without duplicates."""
        return tuple({job.key: job for job in (self.looks, self.measuring)}.values())


def recommend(estimates: PhotoEstimates, jobs: Sequence[Job]) -> Recommendation | None:
    """Return the recommendation for a photo.

    Args:
        estimates: Properties of the photo.
        jobs: The methods to choose from; those that need a download first are not recommended.

    Returns:
        The recommendation; None if no method is available without a download.
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
    """Return the job of the first name that is among `jobs`, otherwise the first job."""
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
