"""Results of other tools on the Compare tab: what is said when they are dropped, and their scores in a comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sr_demo.errors import Cancelled, SRError
from sr_demo.image import ImageData, Size, stated_pixels
from sr_demo.inference.jobs import Job, Progressed, RunEvent, Started, Stopped
from sr_demo.reports import brought
from sr_demo.ui.callers import Caller
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.compare.in_turn import Inputs
from sr_demo.ui.html import fine_print, problem
from sr_demo.ui.languages import marked
from sr_demo.ui.method_choices import Context
from sr_demo.ui.source import Source
from sr_demo.ui.updates import Updates

_SECONDS = 2.0
"""Expected duration of reading, aligning and scoring one."""
RULE = f'<p class="sr-fine">{marked("brought_rule", most=brought.MOST)}</p>'


class Brought(NamedTuple):
    """One result of another tool."""

    job: Job
    read: Callable[[], ImageData]
    """Reads what it shows of the region that is compared; called in a turn."""


def brought_of(context: Context, files: Sequence[str] | None, source: Source) -> list[Brought]:
    """Return the results that a visitor has dropped.

    Args:
        context: reads them.
        files: uploads.
        source: the photo that they show, and the region to compare.

    Raises:
        BadInput: there are too many.
        StorageError: one cannot be read.
    """
    paths = [Path(file) for file in files or ()]
    return [
        Brought(job, partial(_read, context, path, source))
        for job, path in zip(brought.jobs_of(paths), paths, strict=True)
    ]


def _read(context: Context, path: Path, source: Source) -> ImageData:
    box = source.box()
    image = context.uploads.read(path, context.limits)
    return brought.part(image, Size(source.height, source.width), box.top, box.left, Size(box.height, box.width))


def scored(caller: Caller, results: Sequence[Brought], inputs: Inputs) -> Iterator[RunEvent]:
    """Score results like `in_turn.compared` runs jobs: each in a turn that lasts until the next event is requested.

    Args:
        caller: Whose turns are used.
        results: What to score, in order.
        inputs: What they are compared with.
    """
    for one in results:
        yield Started(one.job)
        try:
            for place in caller.waiting(_SECONDS):
                inputs.rest()
                yield Progressed(one.job, 0.0, str(place), None)
            yield brought.attempt(one.job, one.read, *inputs.get())
        except Cancelled:
            yield Stopped(one.job)
        finally:
            caller.end_turn()


class BroughtHandlers:
    """Stateless apart from what it is made of."""

    def __init__(self, context: Context, components: CompareComponents) -> None:
        self._context, self._parts = context, components

    def describe(self, files: list[str] | None) -> Updates:
        """Say what will become of the files that were dropped, or what is wrong with one."""
        status = self._parts.choice.brought.status
        if not files:
            return {status: RULE}
        try:
            jobs = brought.jobs_of([Path(file) for file in files])
            for file in files:
                stated_pixels(Path(file), self._context.limits)
        except SRError as exc:
            return {status: problem(str(exc))}
        names = ", ".join(job.title for job in jobs)
        return {status: fine_print(f"{names}: shown and scored by the next comparison.")}
