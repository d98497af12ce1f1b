"""The faithful partner of a generative method: what its detail is blended with where less than all of it is requested.

The partner of all of them is EDSR, which ships with this app, is quick, and was trained for fidelity alone. It upscales the
same input to the same size; `imaging/detail.py` blends the two.
"""

from __future__ import annotations

from dataclasses import replace

from sr_demo.approaches import edsr
from sr_demo.imaging.output_size import times
from sr_demo.inference.jobs import Job
from sr_demo.options import as_dict, build

APPROACH = edsr.APPROACH


def detail_of(job: Job) -> float:
    """Return how much of its detail a job shows: 1 for every method that invents nothing, whatever its options say."""
    return float(getattr(job.options, "detail", 1)) if job.approach.invents_with(job.checkpoint) else 1.0


def is_adjustable(job: Job) -> bool:
    """Return whether a result of `job` can show less of its detail."""
    return job.approach.invents_with(job.checkpoint) and hasattr(job.options, "detail")


def with_detail(job: Job, detail: float) -> Job:
    """Return an adjustable job with another detail."""
    return replace(job, options=build(job.approach.options, {**as_dict(job.options), "detail": detail}))


def partner(job: Job) -> Job | None:
    """Return the job whose result that of `job` is blended with; None where `job` shows its result as it is."""
    return None if detail_of(job) == 1 else faithful_job(job)


def faithful_job(job: Job) -> Job:
    """Return the job of the faithful method, for results as large as those of `job`."""
    checkpoint = APPROACH.checkpoint()
    own = APPROACH.scale_of(checkpoint)
    size = job.size or (None if job.scale == own else times(job.scale))
    return Job(APPROACH, checkpoint, APPROACH.options(), size=size)
