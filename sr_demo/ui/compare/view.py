"""From a picture and a choice of methods to what the page shows, step by step while it is computed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sr_demo.diffusion.trajectory import Walk
from sr_demo.image import Image, ImageData, Limits, read, readonly, write_png
from sr_demo.imaging.degradation import Realistic
from sr_demo.imaging.resize import resize
from sr_demo.inference.jobs import Done, Failed, Job, Progressed, Result
from sr_demo.inference.runner import Runner
from sr_demo.metrics.full_reference import LR_CONSISTENCY, PSNR_Y
from sr_demo.reports import formatting
from sr_demo.reports.bundle import Comparison, write_downloads
from sr_demo.reports.evaluation import small_version
from sr_demo.reports.saved_image import SavedImage
from sr_demo.reports.scatter_chart import Point, quality_against_time
from sr_demo.reports.table import html_table
from sr_demo.system import large_array
from sr_demo.ui.callers import Caller
from sr_demo.ui.compare import families as families_view
from sr_demo.ui.compare.families import Answer
from sr_demo.ui.compare.in_turn import Inputs, compared
from sr_demo.ui.compare.progress_list import ProgressList
from sr_demo.ui.store import Store
from sr_demo.ui.viewer.viewer import ViewerImage, file_url

_SHOWN_PIXELS = 40_000_000
"""Browsers fail on very large pictures: beyond this a smaller copy is shown, and the download is whole."""
_SECONDS_BETWEEN = 0.2
"""Progress reaches the page at most this often."""
_FRESH_SECONDS = 1.0
_INVENTS = "may invent detail: do not measure in it"


@dataclass(frozen=True)
class Task:
    """What was asked for."""

    load: Callable[[], ImageData]
    """Reads the region to work on; called in the turn of the comparison, perhaps several times."""
    jobs: Sequence[Job]
    truth_known: bool
    """True: shrink first, and score against the picture itself."""
    realistic: Realistic | None = None
    """How to damage it while shrinking; None for plain bicubic."""
    seconds: Callable[[Job], float] = lambda job: 1.0
    """What a job is expected to take."""


@dataclass
class View:
    """What the page shows of one comparison."""

    progress: ProgressList
    pictures: list[ViewerImage] = field(default_factory=list)
    shown: list[SavedImage] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    """Downloads, once everything has ended: "zip", "html", "json"."""
    changed: float = field(default_factory=time.monotonic)
    """When pictures, table and chart changed last."""
    families: str = ""
    """GAN and diffusion explained on this picture, once everything has ended; empty where no such method ran."""

    def fresh(self) -> bool:
        """Whether pictures, table and chart are worth sending: they changed within the last second.

        Sending them once is not enough: the browser drops an update that is followed by another within one frame.
        """
        return time.monotonic() - self.changed < _FRESH_SECONDS

    def table(self) -> str:
        """The table of results as HTML."""
        return html_table(self.results)

    def chart(self) -> str:
        """Quality against time as SVG; nothing for fewer than two results."""
        column = PSNR_Y if any(r.scores.psnr_y is not None for r in self.results) else LR_CONSISTENCY
        points = [
            Point(r.job.title, max(r.seconds, 1e-3), value)
            for r in self.results
            if (value := getattr(r.scores, column.key)) is not None and value != float("inf")
        ]
        return quality_against_time(points, f"{column.title} in {column.unit}") if len(points) > 1 else ""


def compare(runner: Runner, store: Store, task: Task, caller: Caller) -> Iterator[View]:
    """Run the task; yield the view whenever it is worth showing again. Raises SRError on what concerns the whole run."""
    with store.lent() as folder:
        yield from _compare(runner, folder, task, caller)


def _compare(runner: Runner, folder: Path, task: Task, caller: Caller) -> Iterator[View]:
    scale = task.jobs[0].approach.scale
    view = View(ProgressList.of(task.jobs))

    def load() -> tuple[ImageData, Image | None]:
        small, truth = task.load(), None
        if task.truth_known:
            small, truth = small_version(small, scale, task.realistic)
        if not view.pictures:
            _show_input(view, folder, small, truth, scale)
        return small, truth

    inputs = Inputs(load)
    yield view
    last = time.monotonic()
    for event in compared(runner, caller, task.jobs, task.seconds, inputs):
        view.progress.take(event)
        if isinstance(event, Done):
            _add(view, folder, event.result, inputs.get()[1])
        elif isinstance(event, Failed):
            view.failures.append((event.job.title, event.message))
        elif isinstance(event, Progressed) and time.monotonic() - last < _SECONDS_BETWEEN:
            continue
        last = time.monotonic()
        yield view
    if view.results:
        try:
            for _ in caller.waiting(1.0, stopped=True):
                inputs.rest()
                yield view
            view.families = _families(view, folder, inputs.get()[1])
            view.files = _downloads(view, task, inputs.get()[0], folder)
        finally:
            caller.end_turn()
    yield view


def _show_input(view: View, folder: Path, small: ImageData, truth: Image | None, scale: int) -> None:
    view.changed = time.monotonic()
    if truth is None:
        _show(view, folder, "input", "Your picture", "as it came in", small)
    else:
        _show(view, folder, "truth", "The truth", "your picture", replace(small, rgb=truth), is_truth=True)
        _show(view, folder, "input", "Input", f"the truth, {scale}x smaller", small)


def _add(view: View, folder: Path, result: Result, truth: Image | None) -> None:
    view.changed = time.monotonic()
    job = result.job
    note = _note(job)
    view.results.append(result)
    name = _file_name(job)
    difference = ""
    if truth is not None:
        file = folder / f"{name}_difference.png"
        write_png(_plain(_difference(result.picture.rgb, truth)), file)
        difference = file_url(file)
    _show(view, folder, name, job.title, formatting.scores_line(result.scores), result.picture, note, difference)
    # The picture itself is on the disk now; keeping a dozen large results in memory would exhaust a small machine.
    view.results[-1] = replace(result, picture=_outline(result.picture))


def _families(view: View, folder: Path, truth: Image | None) -> str:
    """The way of the first method that showed one, beside the results of the adversarial ones."""
    walks = [(shown, result) for result in view.results for shown in result.seen if isinstance(shown, Walk)]
    walk, walked = walks[0] if walks else (None, None)
    once: list[Answer] = []
    for result in view.results:
        same_size = walked is not None and result.picture.rgb.shape == walked.picture.rgb.shape
        height, width = result.picture.rgb.shape[:2]
        if result.job.approach.family == "adversarial" and same_size and height * width <= Limits().max_pixels:
            once.append(Answer(result.job.title, read(folder / f"{_file_name(result.job)}.png").rgb))
    ran = {result.job.approach.family for result in view.results}
    return families_view.shown(
        walk, walked.job.title if walked else "", once, truth, both={"adversarial", "diffusion"} <= ran
    )


def _file_name(job: Job) -> str:
    return job.key.replace(":", "-")


def _note(job: Job) -> str:
    """What to know while looking at the result."""
    if not job.approach.invents_with(job.checkpoint):
        return ""
    return f"{_INVENTS}. {job.checkpoint.note}" if job.checkpoint.note else _INVENTS


def _show(
    view: View, folder: Path, name: str, label: str, scores: str, picture: ImageData, note: str = "",
    difference_url: str = "", is_truth: bool = False,
) -> None:  # fmt: skip
    """Write a picture and add it to the view."""
    height, width = picture.rgb.shape[:2]
    file = folder / f"{name}.png"
    write_png(picture, file)
    shown = file
    if height * width > _SHOWN_PIXELS:
        shown = folder / f"{name}_smaller.png"
        ratio = (_SHOWN_PIXELS / (height * width)) ** 0.5
        size = (int(width * ratio), int(height * ratio))
        write_png(_plain(resize(picture.rgb, (size[1], size[0]), "area")), shown)
        note = f"{note}; " if note else ""
        note += "shown smaller here; the zip below holds it whole"
    what = {"truth": "The true picture", "input": "The input"}.get(name, f"Result of {label}")
    alt = f"{what}, {width} by {height} pixels"
    view.shown.append(SavedImage(file, (height, width), label, scores, alt))
    view.pictures.append(
        ViewerImage(
            id=name,
            label=label,
            scores=scores,
            note=note,
            url=file_url(shown),
            difference_url=difference_url,
            width=width,
            height=height,
            alt=alt,
            reference=is_truth,
        )
    )


def _difference(result: Image, truth: Image) -> Image:
    """|result - truth|, the largest of the three colours, four times brighter, as gray."""
    out = large_array.zeros(*result.shape)
    for rows in large_array.bands(out, result, truth):
        error = np.abs(result[rows] - truth[rows]).max(axis=2, keepdims=True)
        out[rows] = np.clip(error * np.float32(4), 0, 1)
    return readonly(out)


def _plain(image: Image) -> ImageData:
    return ImageData(image, None, False, 8, None, "", ())


def _outline(picture: ImageData) -> ImageData:
    """The same size without the pixels: a view of a single zero."""
    empty = np.broadcast_to(np.zeros(1, np.float32), picture.rgb.shape)
    return replace(picture, rgb=empty, alpha=None)


def _downloads(view: View, task: Task, small: ImageData, folder: Path) -> dict[str, Path]:
    comparison = Comparison(small.name, small.rgb.shape[:2], _how(task), view.results, view.shown, view.failures)
    return write_downloads(comparison, folder)


def _how(task: Task) -> str:
    if not task.truth_known:
        return "Enlarged as it came in; there is no truth to compare with."
    if task.realistic is None:
        return "Made from the true picture by bicubic shrinking with antialiasing."
    r = task.realistic
    return f"Made from the true picture by realistic damage: {r}."
