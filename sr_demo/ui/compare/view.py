"""The view of one comparison on the page: saved images, table, chart, explanation, downloads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr_demo.image import Image, ImageData, Pixels, Size, quantize, readonly, unit, write_png
from sr_demo.inference.faithful import is_adjustable
from sr_demo.inference.jobs import ImageResult, Result
from sr_demo.metrics.scores import LR_CONSISTENCY, PSNR_Y
from sr_demo.metrics.sharpness import sharpness
from sr_demo.reports import formatting
from sr_demo.reports.bundle import Comparison
from sr_demo.reports.detail_bars import detail_bars
from sr_demo.reports.saved_image import Part, SavedImage, save, save_result
from sr_demo.reports.scatter_chart import Point, quality_against_time
from sr_demo.reports.table import html_table
from sr_demo.system import large_array
from sr_demo.ui.compare import family_explanation
from sr_demo.ui.compare.family_explanation import OnePassResult
from sr_demo.ui.compare.progress_list import JobProgress, ProgressList
from sr_demo.ui.viewer.viewer import ViewerImage, file_url

_FRESH_SECONDS = 1.0
MOST_SPREAD = 0.25
"""Spread of a diffusion model's samples (standard deviation) that is white in its image file."""


@dataclass(frozen=True)
class ShownImage:
    """A saved image with data for the viewer only."""

    saved: SavedImage
    difference: Path | None = None
    """Image of the absolute difference to the reference."""
    invents: bool = False
    """Whether the detail of the image can be reduced."""

    def for_viewer(self) -> ViewerImage:
        """Return the image in the viewer's format."""
        height, width = self.saved.size
        smaller = "shown smaller here; its file is whole" if self.saved.small_copy else ""
        return ViewerImage(
            id=self.saved.id,
            label=self.saved.label,
            url=file_url(self.saved.shown),
            width=width,
            height=height,
            alt=self.saved.alt,
            scores=self.saved.scores,
            note="; ".join(filter(None, (self.saved.note, smaller))),
            difference_url=file_url(self.difference) if self.difference else "",
            download_url=file_url(self.saved.path) if self.saved.small_copy else "",
            reference=self.saved.reference,
            invents=self.invents,
            part=self.saved.part,
        )


@dataclass
class View:
    """The view of one comparison. Finished images are saved to `folder`; only their numbers stay in memory."""

    folder: Path
    progress: ProgressList
    lr_size: Size
    """Expected size of the LR image, for placeholders in the right aspect ratio."""
    images: list[ShownImage] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    """Title of a method and its error message."""
    files: dict[str, Path] = field(default_factory=dict)
    """Downloads by kind, after the end of the comparison: "zip", "html", "json"."""
    comparison: Comparison | None = None
    """Content of the downloads, after the end of the comparison."""
    changed: float = field(default_factory=time.monotonic)
    """Time (`time.monotonic`) of the last change of images, table or chart."""
    families: str = ""
    """HTML that explains GANs and diffusion models, after the end of the comparison; empty if no such method ran."""
    name: str = ""
    """Name of the photo's file."""
    scene: str = ""
    """See `viewer_value`."""
    centre: tuple[float, float] | None = None
    """See `viewer_value`."""
    part: Part | None = None
    """Where the LR image lies in the photo, if the viewer shows the whole of that; None where they are the same."""
    has_whole: bool = False
    """Whether the whole photo, of which the methods were given a part, is enlarged, too."""
    one_pass: list[OnePassResult] = field(default_factory=list)
    """Results of GANs, for `families` only."""
    sharpness: dict[str, float] = field(default_factory=dict)
    """Sharpness of results by file name, except mosaics, whose patches are sharp regardless of their content."""

    def is_fresh(self) -> bool:
        """Return whether table and chart should be sent: something changed within the last second.

        Sending them once is not enough: the browser drops an update that is followed by another one within one frame.
        """
        return time.monotonic() - self.changed < _FRESH_SECONDS

    def saved(self) -> list[SavedImage]:
        """Return all images with their files, for reports and the zip."""
        return [shown.saved for shown in self.images]

    def for_viewer(self) -> list[ViewerImage]:
        """Return all images in the viewer's format, with placeholders for those that are not finished."""
        shown = {one.saved.id: one.for_viewer() for one in self.images}
        results = [
            shown.get(line.job.file_name) or replace(_pending(line, self.lr_size), part=self.part)
            for line in self._ordered()
        ]
        names = {line.job.file_name for line in self.progress.lines.values()}
        given = [image for name, image in shown.items() if name not in names]
        waiting = replace(_expected("input", "Your photo", self.lr_size), part=self.part)
        return [*(given or [waiting]), *results]

    def _ordered(self) -> list[JobProgress]:
        """Return the lines of all methods, that of the method which upscales the whole photo first."""
        lines, whole = list(self.progress.lines.values()), self.progress.whole
        return sorted(lines, key=lambda line: whole is None or line.job.key != whole.job.key)

    def pair(self) -> tuple[str, str] | None:
        """Return the ids of the input and the sharpest result, which the slider opens with; None without results."""
        return ("input", max(self.sharpness, key=lambda name: self.sharpness[name])) if self.sharpness else None

    def table(self) -> str:
        """Return the table of results as HTML."""
        return html_table(self.results)

    def chart(self) -> str:
        """Return the charts as SVG; see the function `chart`."""
        return chart(self.results)

    def add_input(self, lr: ImageData, reference: Image | None, scale: int, caption: str = "") -> None:
        """Save and show the input of the methods.

        Args:
            lr: The LR image, or the whole photo if the LR image is a `part` of it.
            reference: (H, W, 3) float32 in [0, 1], the HR reference; None if unknown.
            scale: Scale factor between LR image and reference.
            caption: What was made of the photo; "" for nothing.
        """
        self.name = lr.name
        if reference is None:
            whole = self.part is not None
            self._add(lr, "input", "Your photo", caption or "as uploaded", "The whole photo" if whole else "The input")
        else:
            hr = replace(lr, pixels=reference)
            self._add(hr, "truth", "Original", caption or "your photo", "The original", reference=True)
            self._add(lr, "input", "Small version", f"the original, {scale}x smaller", "The small version")

    def add_result(self, result: ImageResult, reference: Image | None, keep_pixels: bool) -> None:
        """Save and show a result; afterwards only its numbers stay in memory.

        Args:
            result: Result from the runner.
            reference: (H, W, 3) float32 in [0, 1], the HR reference; None if unknown.
            keep_pixels: Whether to keep the pixels of a GAN's result, to be drawn beside the steps of a diffusion model.
        """
        job, image = result.job, result.image
        name = job.file_name
        difference = None
        if reference is not None:
            difference = self.folder / f"{name}_difference.png"
            write_png(ImageData(difference_image(image.pixels, reference)), difference)
        saved = replace(save_result(result, self.folder), part=self.part)
        spread = result.trajectory[0].spread if result.trajectory else None
        if spread is not None:
            write_png(gray_image(spread / MOST_SPREAD), self.folder / f"{name}_spread.png")
        self._show(ShownImage(saved, difference, is_adjustable(job)))
        if job.approach.family != "retrieval":
            self.sharpness[name] = sharpness(image.pixels)
        if keep_pixels and job.approach.family == "adversarial":
            # A larger array is stored on disk already, and takes no memory.
            in_memory = image.pixels.nbytes <= large_array.IN_MEMORY
            self.one_pass.append(OnePassResult(job.title, quantize(image.pixels) if in_memory else image.pixels))
        # Without its image: a dozen large images would exhaust the memory of a small computer.
        self.results.append(result.without_image())

    def add_whole(self, result: ImageResult) -> None:
        """Save the result for the whole photo, and show it in place of the same method's result for the part.

        The scores in its caption stay those of the part, as in the table.
        """
        name = result.job.file_name
        saved = save_result(result, self.folder, "_whole")
        parts = [one for one in self.results if one.job.key == result.job.key]
        scores = [f"{formatting.scores_line(one.scores)}   {formatting.seconds(one.seconds)} (part)" for one in parts]
        shown = ShownImage(
            replace(saved, name=name, scores="   ".join([*scores, f"whole photo {formatting.seconds(result.seconds)}"]))
        )
        self.images = [shown if one.saved.id == name else one for one in self.images]
        self.has_whole = True
        self.changed = time.monotonic()

    def explain_families(self, reference: Image | None) -> None:
        """Draw the steps of the first diffusion model that recorded them, beside GANs' results of the same size.

        Args:
            reference: (H, W, 3) float32 in [0, 1], the HR reference; None if unknown.
        """
        explained = family_explanation.FamilyExplanation.of(self.results, self.one_pass, reference)
        self.families = family_explanation.explanation(explained)
        self.one_pass.clear()

    def _add(
        self, image: ImageData, name: str, label: str, scores: str, what: str, *, reference: bool = False
    ) -> None:  # fmt: skip
        """Write an image to `name`.png and show it; `what` begins its text alternative."""
        self._show(ShownImage(save(image, self.folder / f"{name}.png", label, scores, what, reference=reference)))

    def _show(self, image: ShownImage) -> None:
        self.images.append(image)
        self.changed = time.monotonic()


def chart(results: Sequence[Result]) -> str:
    """Return SVG charts: quality against time for at least two results, and with a reference the shares of detail."""
    column, meaning = LR_CONSISTENCY, "how well results agree with your photo"
    if any(r.scores.psnr_y is not None for r in results):
        column, meaning = PSNR_Y, ""
    points = [
        Point(r.job.title, None if r.is_brought else max(r.seconds, 1e-3), value)
        for r in results
        if (value := getattr(r.scores, column.key)) is not None and value != float("inf")
    ]
    if len(points) < 2:
        return detail_bars(results)
    scatter = quality_against_time(points, column.title, column.unit, meaning=meaning, ranks=column.ranks)
    return scatter + detail_bars(results)


def _expected(name: str, label: str, size: Size) -> ViewerImage:
    """Return the placeholder of an image that is not finished."""
    alt = f"{label}, not there yet"
    return ViewerImage(name, label, "", max(size.width, 1), max(size.height, 1), alt, status="waiting")


def _pending(line: JobProgress, lr_size: Size) -> ViewerImage:
    """Return the placeholder of a result that is not finished, or has failed."""
    job = line.job
    box = _expected(job.file_name, job.title, job.plan(lr_size).size)
    return replace(
        box, status=line.text, fraction=line.fraction, failed=line.failed, invents=is_adjustable(job)
    )  # fmt: skip


def gray_image(plane: NDArray[np.float32]) -> ImageData:
    """Return (H, W) values, clipped to [0, 1], as a gray image."""
    clipped = np.clip(plane, 0, 1)[..., None]
    return ImageData(readonly(np.ascontiguousarray(np.broadcast_to(clipped, (*plane.shape, 3)))), gray=True)


def difference_image(result: Pixels, reference: Image) -> Image:
    """Return four times the maximum of |result - reference| over the channels, as a gray (H, W, 3) in [0, 1]."""
    out = large_array.zeros(*result.shape)
    for rows in large_array.bands(out, result, reference):
        error = np.abs(unit(result[rows]) - reference[rows]).max(axis=2, keepdims=True)
        out[rows] = np.clip(error * np.float32(4), 0, 1)
    return readonly(out)
