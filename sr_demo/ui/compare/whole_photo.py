"""Selection of the method that upscales the whole photo while the others are given a part, by its time and memory."""

from __future__ import annotations

from collections.abc import Sequence

from sr_demo.errors import SRError
from sr_demo.inference import memory_need
from sr_demo.inference.jobs import Job
from sr_demo.inference.memory_need import Traits
from sr_demo.ui.method_choices import PageContext, quickest, seconds
from sr_demo.ui.source import Source

PATIENCE_SECONDS = 30.0
"""Longest time estimate for upscaling the whole photo without a request."""


def whole_photo_job(context: PageContext, jobs: Sequence[Job], source: Source) -> Job | None:
    """Return the fastest network among the jobs of a comparison if it can upscale the whole photo in time.

    Args:
        context: Provides the time estimates.
        jobs: Jobs on the part, with the requested size.
        source: The photo and the part.

    Returns:
        One of the jobs; None if the part is the whole photo, or if upscaling would take too much time or memory.
    """
    if not source.is_part():
        return None
    job = quickest(context.runner.estimates, jobs, (source.height, source.width))
    fits = job is not None and _fits(job, source) and expected(context, job, source) <= PATIENCE_SECONDS
    return job if fits else None


def expected(context: PageContext, job: Job, source: Source) -> float:
    """Return the time estimate of `job` for the whole photo, in seconds."""
    return seconds(context, job, (source.height, source.width), opacity=source.opacity)


def _fits(job: Job, source: Source) -> bool:
    traits = Traits(job.approach, job.checkpoint, job.options, source.opacity, size=job.size)
    try:
        memory_need.refuse(traits, (source.height, source.width), memory_need.available_resources())
    except SRError:
        return False
    return True
