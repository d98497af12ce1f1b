"""What the page offers: each method with its price on this machine, and how much of the picture to work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sr_demo.hub import checkpoints
from sr_demo.image import Limits
from sr_demo.inference.jobs import Job
from sr_demo.inference.runner import Runner
from sr_demo.inference.upscale import passes
from sr_demo.reports import formatting
from sr_demo.spec import Approach
from sr_demo.system import hardware
from sr_demo.ui.callers import Callers
from sr_demo.ui.source import REGION_SIDES, Source
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store

WHOLE = "whole"
"""Value of the region choice that means the whole picture."""
DOWNLOAD = "download"
"""Owner of the box that allows large downloads, among the owners of options."""
PRECISION = "precision"
"""Owner of the choice of precision, likewise."""


@dataclass(frozen=True)
class Context:
    """What the tab works with."""

    approaches: Sequence[Approach]
    runner: Runner
    store: Store
    stops: Stops
    limits: Limits
    callers: Callers = field(default_factory=Callers)


def offered(approaches: Sequence[Approach]) -> tuple[list[Job], list[Job]]:
    """A job for each approach's default checkpoint, and one for each further checkpoint; unselected ones with the latter."""
    first: list[Job] = []
    more: list[Job] = []
    for approach in runnable(approaches):
        for index, checkpoint in enumerate(approach.checkpoints):
            job = Job(approach, checkpoint, approach.options())
            (first if index == 0 and approach.preselected else more).append(job)
    return first, more


def runnable(approaches: Sequence[Approach]) -> list[Approach]:
    """Those that this machine has the GPU, the memory and the packages for."""
    return [approach for approach in approaches if not hardware.obstacle(approach.checkpoints[0].needs)]


def absent(approaches: Sequence[Approach]) -> list[tuple[str, str]]:
    """Those that it has not: label with the reason, and key, as the choices of a checkbox group that cannot be used."""
    jobs = [(Job(a, a.checkpoints[0], a.options()), hardware.obstacle(a.checkpoints[0].needs)) for a in approaches]
    return [(formatting.absent_label(job, why), job.key) for job, why in jobs if why]


def downloads(approaches: Sequence[Approach]) -> str:
    """The large downloads that somebody must agree to first, with their sizes; empty where there are none."""
    missing = [
        f"{approach.title} about {formatting.megabytes(checkpoint.bytes)}"
        for approach in runnable(approaches)
        for checkpoint in approach.checkpoints
        if checkpoint.repositories and not checkpoints.is_available(checkpoint)
    ]
    return ", ".join(missing)


def labels(
    context: Context, jobs: Sequence[Job], size: tuple[int, int], *, opacity: bool = False
) -> list[tuple[str, str]]:
    """Choices of a checkbox group: label with the price, as `seconds` has it, and key."""
    return [
        (
            formatting.method_label(
                job, seconds(context, job, size, opacity=opacity), checkpoints.is_available(job.checkpoint)
            ),
            job.key,
        )
        for job in jobs
    ]


def seconds(context: Context, job: Job, size: tuple[int, int], *, opacity: bool = False) -> float:
    """Expected seconds of one job on a picture of `size` (height, width in LR pixels), with or without an alpha channel."""
    return context.runner.estimates.seconds(job, size) * passes(job.approach, job.checkpoint, opacity=opacity)


def region_choices(source: Source | None) -> list[tuple[str, str]]:
    """The whole picture, and the regions that are clearly smaller than it."""
    choices = [("The whole picture", WHOLE)]
    if source is not None:
        choices += [
            (f"A part of {side} × {side}", str(side))
            for side in REGION_SIDES
            if side * side < 0.8 * source.width * source.height and side <= max(source.width, source.height)
        ]
    return choices
