"""Running the methods of one comparison, with an update of the page after every event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from sr_demo.image import Image, ImageData, Size
from sr_demo.imaging.degradation import Realistic
from sr_demo.inference.jobs import Done, Failed, Job, Progressed
from sr_demo.inference.runner import Runner
from sr_demo.reports.bundle import PAGE, Comparison, write_downloads
from sr_demo.reports.evaluation import lr_and_reference
from sr_demo.reports.saved_image import Part
from sr_demo.ui.callers import Caller
from sr_demo.ui.compare.external_results import ExternalResult, score_in_turns
from sr_demo.ui.compare.progress_list import ProgressList
from sr_demo.ui.compare.scheduled_jobs import ComparisonInputs, run_in_turns
from sr_demo.ui.compare.view import View
from sr_demo.ui.store import Store
from sr_demo.ui.viewer.shared_page import write_page

_SECONDS_BETWEEN = 0.2
"""Smallest interval of progress updates on the page, in seconds."""


class WholePhoto(NamedTuple):
    """The whole photo, of which the other jobs are given a part, and the job that upscales it."""

    job: Job
    load: Callable[[], ImageData]
    """Reads it, like `Task.load`."""
    seconds: float
    """Expected duration of `job` in seconds."""
    size: Size
    part: Part
    """Position of the part."""


class Given(NamedTuple):
    """Sizes that tell how the image to work on was made from the photo: a part was cut out of it, and that was reduced."""

    photo: Size
    part: Size
    """Equal to `photo` for the whole photo."""
    reduced: Size
    """Equal to `part` where nothing was reduced."""

    @property
    def is_part(self) -> bool:
        """Whether a part was cut out."""
        return self.part != self.photo

    @property
    def is_reduced(self) -> bool:
        """Whether the photo or its part was reduced."""
        return self.reduced != self.part

    def caption(self) -> str:
        """Return a phrase for the image; "" for the photo as it was uploaded."""
        if self.is_part:
            return "part of your photo, reduced" if self.is_reduced else "part of your photo"
        return "your photo, reduced" if self.is_reduced else ""

    def sentences(self) -> list[str]:
        """Return sentences for a report; none for the photo as it was uploaded."""
        said: list[str] = []
        photo, part = self.photo, self.part
        if self.is_part:
            said.append(
                f"Each method enlarged only a part ({part.width} x {part.height} of {photo.width} x {photo.height} pixels), "
                "and the numbers are for that part."
            )
        if self.is_reduced:
            size = f"first reduced to {self.reduced.width} x {self.reduced.height} pixels."
            said.append(f"The part was {size}" if self.is_part else f"The photo was {size}")
        return said


@dataclass(frozen=True)
class Task:
    """A comparison to run."""

    load: Callable[[], ImageData]
    """Reads the region to work on; called during a turn, possibly several times."""
    jobs: Sequence[Job]
    has_reference: bool
    """Whether to downscale the image first and to score results against the image itself."""
    realistic: Realistic | None = None
    """Degradation of the LR image; None for plain bicubic downscaling."""
    seconds: Callable[[Job], float] = lambda job: 1.0
    """Returns the expected seconds of a job."""
    lr_size: Size = Size(1, 1)
    """Expected size of the LR image, which sets the aspect ratio of placeholders for images."""
    given: Given | None = None
    """How `load` makes the image from the photo; None for the photo as it was uploaded."""
    scene: str = ""
    """Identifies photo and region: the viewer keeps its zoom between comparisons of the same scene."""
    centre: tuple[float, float] | None = None
    """See `viewer_value`."""
    brought: Sequence[ExternalResult] = ()
    """Results of other tools, scored after the jobs."""
    whole: WholePhoto | None = None
    """Upscaled last."""


def compare(runner: Runner, store: Store, task: Task, caller: Caller) -> Iterator[View]:
    """Run a comparison and yield its view whenever that has changed.

    Args:
        runner: Runs the jobs.
        store: Provides the folder for the images.
        task: What to run.
        caller: The caller who takes the turns.

    Raises:
        SRError: The whole comparison failed; the failure of one method is part of the view.
    """
    with store.lent() as folder:
        progress = ProgressList.of([*task.jobs, *(one.job for one in task.brought)], task.whole and task.whole.job)
        part = task.whole and task.whole.part
        view = View(folder, progress, task.lr_size, scene=task.scene, centre=task.centre, part=part)
        yield from _compare(runner, view, task, caller)


def _compare(runner: Runner, view: View, task: Task, caller: Caller) -> Iterator[View]:
    scale = task.jobs[0].test_scale if task.has_reference else 1
    draws_steps = any(job.approach.family == "diffusion" for job in task.jobs)

    def load() -> tuple[ImageData, Image | None]:
        lr, reference = task.load(), None
        if task.has_reference:
            lr, reference = lr_and_reference(lr, scale, task.realistic)
        if not view.images:
            caption = task.given.caption() if task.given and not task.whole else ""
            view.add_input(task.whole.load() if task.whole else lr, reference, scale, caption)
        return lr, reference

    inputs = ComparisonInputs(load)
    yield view
    last = time.monotonic()
    ours = run_in_turns(runner, caller, task.jobs, task.seconds, inputs)
    for event in chain(ours, score_in_turns(caller, task.brought, inputs)):
        view.progress.update(event)
        if isinstance(event, Done):
            view.add_result(event.result, inputs.get()[1], keep_pixels=draws_steps)
        elif isinstance(event, Failed):
            view.failures.append((event.job.title, event.message))
        elif isinstance(event, Progressed) and time.monotonic() - last < _SECONDS_BETWEEN:
            continue
        last = time.monotonic()
        yield view
    if task.whole and task.whole.job.key in {result.job.key for result in view.results}:
        yield from _enlarge_whole(runner, view, task.whole, caller)
    else:
        view.progress.whole = None
    if view.results:
        try:
            for _ in caller.waiting(1.0, stopped=True):
                inputs.rest()
                yield view
            lr, reference = inputs.get()
            view.explain_families(reference)
            view.files = _write_downloads(view, task, lr)
        finally:
            caller.end_turn()
    yield view


def _enlarge_whole(runner: Runner, view: View, whole: WholePhoto, caller: Caller) -> Iterator[View]:
    """Upscale the whole photo after its part; if that fails, the results of the part remain."""
    line, last = view.progress.whole, time.monotonic()
    assert line is not None
    inputs = ComparisonInputs(lambda: (whole.load(), None))
    for event in run_in_turns(runner, caller, [whole.job], lambda _: whole.seconds, inputs):
        line.update(event)
        if isinstance(event, Done):
            view.add_whole(event.result)
        elif isinstance(event, Failed):
            view.failures.append((f"{event.job.title}, the whole photo", event.message))
        elif isinstance(event, Progressed) and time.monotonic() - last < _SECONDS_BETWEEN:
            continue
        last = time.monotonic()
        yield view


def _write_downloads(view: View, task: Task, lr: ImageData) -> dict[str, Path]:
    results = [replace(result, trajectory=()) for result in view.results]  # megabytes that are no longer needed
    view.comparison = Comparison(
        lr.name, Size.of(lr.rgb), _origin(task, view), results, view.saved(), view.failures, view.pair(), view.centre
    )
    return write_all(view.comparison, view.folder)


def write_all(comparison: Comparison, folder: Path) -> dict[str, Path]:
    """Write the downloads of a comparison into its folder, in place of earlier ones. Raises StorageError."""
    return write_downloads(comparison, write_page(comparison, folder / PAGE), folder)


def _origin(task: Task, view: View) -> str:
    """Return where the LR image comes from, and what became of the whole photo where it is a part."""
    cut = task.given.sentences() if task.given else []
    if task.has_reference:
        if task.realistic is None:
            made = "Made from the original by bicubic downscaling with antialiasing."
        else:
            made = f"Made from the original by realistic degradation: {task.realistic}."
        return " ".join([*cut, made])
    if task.given and task.given.is_reduced:
        how = "There is no original to compare with."
    else:
        how = "Enlarged as uploaded; there is no original to compare with."
    whole = [f"The whole photo was enlarged too, by {task.whole.job.title}."] if task.whole and view.has_whole else []
    return " ".join([how, *cut, *whole])
