"""Results of other tools on the Compare tab: the message when they are dropped, and their scores in a comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sr_demo.errors import Cancelled, SRError
from sr_demo.image import ImageData, Size, stated_pixels
from sr_demo.inference.jobs import Job, Progressed, RunEvent, Started, Stopped
from sr_demo.reports import external_results
from sr_demo.ui.callers import Caller
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.compare.scheduled_jobs import ComparisonInputs
from sr_demo.ui.html import fine_print, problem
from sr_demo.ui.languages import marked
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.source import Source
from sr_demo.ui.updates import Updates

_SECONDS = 2.0
"""Expected seconds for reading, aligning and scoring one result."""
RULE = f'<p class="sr-fine">{marked("brought_rule", most=external_results.MOST)}</p>'


class ExternalResult(NamedTuple):
    """One result of another tool."""

    job: Job
    read: Callable[[], ImageData]
    """Reads its crop of the compared region; called during a turn."""


def external_results_of(context: PageContext, files: Sequence[str] | None, source: Source) -> list[ExternalResult]:
    """Return the results that a visitor has dropped.

    Args:
        context: Provides uploads and limits for reading them.
        files: Their uploads.
        source: The photo that they show, and the region to compare.

    Raises:
        BadInput: There are too many.
        StorageError: A file cannot be read.
    """
    paths = [Path(file) for file in files or ()]
    return [
        ExternalResult(job, partial(_read, context, path, source))
        for job, path in zip(external_results.jobs_of(paths), paths, strict=True)
    ]


def _read(context: PageContext, path: Path, source: Source) -> ImageData:
    box = source.box()
    image = context.uploads.read(path, context.limits)
    return external_results.part(
        image, Size(source.height, source.width), box.top, box.left, Size(box.height, box.width)
    )


def score_in_turns(caller: Caller, results: Sequence[ExternalResult], inputs: ComparisonInputs) -> Iterator[RunEvent]:
    """Score results as `scheduled_jobs.run_in_turns` runs jobs: each in a turn that lasts until the next event is requested.

    Args:
        caller: The caller who takes the turns.
        results: Results to score, in order.
        inputs: The LR image and the reference to compare with.
    """
    for one in results:
        yield Started(one.job)
        try:
            for place in caller.waiting(_SECONDS):
                inputs.rest()
                yield Progressed(one.job, 0.0, str(place), None)
            yield external_results.attempt(one.job, one.read, *inputs.get())
        except Cancelled:
            yield Stopped(one.job)
        finally:
            caller.end_turn()


class ExternalResultHandlers:
    """Handlers of dropped results. They hold no state of their own."""

    def __init__(self, context: PageContext, components: CompareComponents) -> None:
        self._context, self._parts = context, components

    def describe(self, files: list[str] | None) -> Updates:
        """Show how the dropped files will be used, or an error if one cannot be read."""
        status = self._parts.choice.brought.status
        if not files:
            return {status: RULE}
        try:
            jobs = external_results.jobs_of([Path(file) for file in files])
            for file in files:
                stated_pixels(Path(file), self._context.limits)
        except SRError as exc:
            return {status: problem(str(exc))}
        names = ", ".join(job.title for job in jobs)
        return {status: fine_print(f"{names}: shown and scored by the next comparison.")}
