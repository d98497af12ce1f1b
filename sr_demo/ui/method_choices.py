"""The choices on the page: methods with their time estimates, and regions of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sr_demo.checkpoint import Checkpoint
from sr_demo.hub import checkpoints
from sr_demo.image import Limits, Size
from sr_demo.imaging.output_size import OutputSize
from sr_demo.inference.jobs import Job
from sr_demo.inference.runner import Runner
from sr_demo.inference.time_estimates import TimeEstimates
from sr_demo.inference.upscale import passes
from sr_demo.reports import formatting
from sr_demo.spec import Approach
from sr_demo.system import hardware
from sr_demo.system.file_sizes import file_size
from sr_demo.ui.callers import Callers
from sr_demo.ui.histories import Histories
from sr_demo.ui.languages import text
from sr_demo.ui.shared_links import Links
from sr_demo.ui.source import REGION_SIDES, Source
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from sr_demo.ui.uploads import UploadCache
from sr_demo.ui.visitor_models import VisitorModels

WHOLE = "whole"
"""Value of the region choice for the whole image."""
DOWNLOAD = "download"
"""`Bound.owner` of the box that allows large downloads."""
_TYPICAL = Size(256, 256)
"""Size of the input assumed in estimates if there is no photo."""
_QUICK_SECONDS = 5.0
"""Time estimate above which the best checkpoint of an approach is replaced by a faster one."""
PRECISION = "precision"
"""`Bound.owner` of the choice of precision."""


@dataclass(frozen=True)
class PageContext:
    """Objects and settings that the tabs share."""

    approaches: Sequence[Approach]
    runner: Runner
    store: Store
    stops: Stops
    limits: Limits
    callers: Callers = field(default_factory=Callers)
    uploads: UploadCache = field(default_factory=UploadCache)
    models: VisitorModels = field(default_factory=VisitorModels)
    histories: Histories = field(default_factory=Histories)
    links: Links = field(default_factory=Links)
    shares: bool = False
    """Whether visitors may create links to their results (`shared_links`)."""
    community: bool = False
    """Whether visitors may search OpenModelDB and download from it."""
    private: bool = False
    """Whether only the user of this computer visits the page; downloaded models are then kept."""


def offered(approaches: Sequence[Approach], estimates: TimeEstimates | None = None) -> tuple[list[Job], list[Job]]:
    """Return the jobs of the main list, and all further checkpoints that run here.

    The main list contains the ticked checkpoint of each preselected approach, and the first one if it is not published.

    Args:
        approaches: The catalogue.
        estimates: Used to select a checkpoint of an approach; None selects the best one regardless of its time.
    """
    first: list[Job] = []
    more: list[Job] = []
    for approach in runnable(approaches):
        chosen = _ticked_checkpoint(approach, estimates)
        for index, checkpoint in enumerate(approach.checkpoints):
            job = Job(approach, checkpoint, approach.options())
            at_once = checkpoint is chosen or (index == 0 and checkpoint.kind != "hub")
            (first if at_once and chosen is not None else more).append(job)
    return first, more


def ticked(jobs: Sequence[Job], estimates: TimeEstimates | None = None) -> list[str]:
    """Return the keys of the jobs that are ticked when the page opens; none of them needs a download."""
    return [job.key for job in jobs if job.checkpoint is _ticked_checkpoint(job.approach, estimates)]


def _ticked_checkpoint(approach: Approach, estimates: TimeEstimates | None) -> Checkpoint | None:
    leading = _leading_checkpoint(approach, estimates)
    return leading if approach.preselected and checkpoints.is_available(leading) else None


def representative_jobs(
    approaches: Sequence[Approach], estimates: TimeEstimates | None = None, *, quick: bool = False
) -> list[Job]:
    """Return one job for each approach that runs here, which represents it in the ticks of the page and its presets.

    This is the best stored checkpoint, or the fastest stored one if the best takes longer than `_QUICK_SECONDS`.

    Args:
        approaches: The catalogue.
        estimates: Used to select a checkpoint of an approach; None selects the best one regardless of its time.
        quick: Whether an approach's first checkpoint is considered as a faster one too.
    """
    return [Job(a, _leading_checkpoint(a, estimates, quick=quick), a.options()) for a in runnable(approaches)]


def _leading_checkpoint(approach: Approach, estimates: TimeEstimates | None, *, quick: bool = False) -> Checkpoint:
    best = checkpoints.default(approach)
    named = [*map(approach.checkpoint, approach.preferred), *([approach.checkpoints[0]] if quick else [])]
    stored = [checkpoint for checkpoint in named if checkpoints.is_available(checkpoint)]
    if estimates is None or len(stored) < 2:
        return best
    expected = {c.name: _typical_seconds(approach, c, estimates) for c in stored}
    return min(stored, key=lambda c: expected[c.name]) if expected[best.name] > _QUICK_SECONDS else best


def _typical_seconds(approach: Approach, checkpoint: Checkpoint, estimates: TimeEstimates) -> float:
    return estimates.seconds(Job(approach, checkpoint, approach.options()), _TYPICAL)


def quickest(estimates: TimeEstimates, jobs: Sequence[Job], size: tuple[int, int] = _TYPICAL) -> Job | None:
    """Return the fastest network among `jobs`, if possible one that invents no detail; None if there is no network.

    Args:
        estimates: Provides the time estimates.
        jobs: Jobs to choose from.
        size: (height, width) of the LR image.
    """
    networks = [job for job in jobs if job.approach.family not in ("baseline", "retrieval")]
    faithful = [job for job in networks if not job.approach.invents_with(job.checkpoint)]
    return min(faithful or networks, key=lambda job: estimates.seconds(job, size), default=None)


def quicker_note(approaches: Sequence[Approach], estimates: TimeEstimates) -> str:
    """Return sentences on the faster checkpoints that are ticked instead of the best ones, with the reasons, or ""."""
    sentences: list[str] = []
    for job in representative_jobs(approaches, estimates):
        best = checkpoints.default(job.approach)
        if job.approach.preselected and job.checkpoint is not best:
            expected = formatting.seconds(_typical_seconds(job.approach, best, estimates))
            sentences.append(
                f"{replace(job, checkpoint=best).title} would take about {expected} for {_TYPICAL.width} × {_TYPICAL.height} "
                f"pixels on this server, so the quicker {job.title} is ticked."
            )
    return " ".join(sentences)


def runnable(approaches: Sequence[Approach]) -> list[Approach]:
    """Return the approaches for which this computer has the required GPU, memory and packages."""
    return [approach for approach in approaches if not hardware.obstacle(approach.checkpoints[0].needs)]


def unavailable_choices(approaches: Sequence[Approach]) -> list[tuple[str, str]]:
    """Return the approaches that cannot run, as choices of a disabled checkbox group: (label with the reason, key)."""
    jobs = [(Job(a, a.checkpoints[0], a.options()), hardware.obstacle(a.checkpoints[0].needs)) for a in approaches]
    return [(formatting.absent_label(job, why), job.key) for job, why in jobs if why]


def downloads(approaches: Sequence[Approach]) -> str:
    """Return the large downloads that need the visitor's agreement, with their sizes, as text; empty if there are none."""
    missing = [
        f"{approach.title} about {file_size(checkpoint.bytes)}"
        for approach in runnable(approaches)
        for checkpoint in approach.checkpoints
        if checkpoint.asks_first and not checkpoints.is_available(checkpoint)
    ]
    return ", ".join(missing)


def labels(
    context: PageContext,
    jobs: Sequence[Job],
    lr_size: tuple[int, int],
    *,
    opacity: bool = False,
    size: OutputSize | None = None,
) -> list[tuple[str, str]]:
    """Return choices of a checkbox group: (label with the time estimate, key).

    Args:
        context: Provides the estimates.
        jobs: The methods.
        lr_size: (height, width) of the LR image.
        opacity: Whether the image has an alpha channel.
        size: Requested size of the results, with a factor; None for the scale of each method.
    """

    def label(job: Job) -> str:
        expected = seconds(context, job.sized(size), lr_size, opacity=opacity)
        return formatting.method_label(job, expected, checkpoints.is_available(job.checkpoint))

    return [(label(job), job.key) for job in jobs]


def seconds(context: PageContext, job: Job, size: tuple[int, int], *, opacity: bool = False) -> float:
    """Return the expected seconds of one job.

    Args:
        context: Provides the estimates.
        job: The job to run.
        size: (height, width) of the LR image.
        opacity: Whether the image has an alpha channel.
    """
    return context.runner.estimates.seconds(job, size) * passes(job.approach, job.checkpoint, opacity=opacity)


def typical_seconds(context: PageContext, job: Job) -> float:
    """Return the expected seconds of a job on an image that is not decoded yet."""
    # Without the image's size, no factor follows from a width or height in pixels.
    sized = job if job.size is None or job.size.factor is not None else replace(job, size=None)
    return context.runner.estimates.seconds(sized, _TYPICAL)


def region_choices(source: Source | None) -> list[tuple[str, str]]:
    """Return the choices (label, value) of regions: the whole image, then squares by their side."""
    sides = region_sides(source) if source else []
    return [(text("region_whole"), WHOLE), *((f"{side} px", str(side)) for side in sides)]


def region_sides(source: Source) -> list[int]:
    """Return the sides of the regions that cover less than 80 % of the image."""

    def pixels(side: int) -> int:
        return min(side, source.width) * min(side, source.height)

    return [side for side in REGION_SIDES if pixels(side) < 0.8 * source.width * source.height]
