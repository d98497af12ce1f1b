"""The method that enlarges the whole photo where the others are given a part of it, and the time and memory it takes."""

from __future__ import annotations

from collections.abc import Sequence

from sr_demo.errors import SRError
from sr_demo.inference import memory_need
from sr_demo.inference.jobs import Job
from sr_demo.inference.memory_need import Traits
from sr_demo.ui.method_choices import Context, quickest, seconds
from sr_demo.ui.source import Source

PATIENCE_SECONDS = 30.0
"""A whole photo that takes longer is enlarged on request only."""


def job_for(context: Context, jobs: Sequence[Job], source: Source) -> Job | None:
    """Return the quickest network among the jobs of a comparison, if it can enlarge the whole photo soon enough.

    Args:
        context: Provides the estimates.
        jobs: Those that are given a part, with the requested size.
        source: The photo and the part.

    Returns:
        One of the jobs; None where the part is all of the photo, or where it would take too long or too much memory.
    """
    if not source.is_part():
        return None
    job = quickest(context.runner.estimates, jobs, (source.height, source.width))
    fits = job is not None and _fits(job, source) and expected(context, job, source) <= PATIENCE_SECONDS
    return job if fits else None


def expected(context: Context, job: Job, source: Source) -> float:
    """Return the seconds that the whole photo takes."""
    return seconds(context, job, (source.height, source.width), opacity=source.opacity)


def _fits(job: Job, source: Source) -> bool:
    traits = Traits(job.approach, job.checkpoint, job.options, source.opacity, size=job.size)
    try:
        memory_need.refuse(traits, (source.height, source.width), memory_need.room())
    except SRError:
        return False
    return True
