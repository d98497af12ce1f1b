"""An image of a comparison on disk, for the viewer, the shared page and the zip."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from sr_demo.image import ImageData, Metadata, Size, write_png
from sr_demo.imaging.resize import resize
from sr_demo.inference.faithful import detail_of
from sr_demo.inference.jobs import ImageResult, Job
from sr_demo.reports import formatting

_MAX_SHOWN_PIXELS = 40_000_000
"""Number of pixels above which browsers get a smaller copy, since they fail on very large images; downloads are complete."""
INVENTS = "may invent detail: do not measure in it"


class Part(NamedTuple):
    """Position of a part of an image, in fractions of the whole width and height."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class SavedImage:
    """A PNG file and the texts shown with it."""

    path: Path
    size: Size
    label: str
    """Content of the image: the title of a method, "Input" or the like."""
    scores: str
    """Scores in one short line, or the origin of the image."""
    alt: str
    """Alternative text."""
    note: str = ""
    """Note that users should read with the image; "" for none."""
    reference: bool = False
    """Whether it is the HR reference that the others are scored against."""
    small_copy: Path | None = None
    """Smaller copy that a browser loads instead of a very large image."""
    name: str = ""
    """See `id`."""
    part: Part | None = None
    """Position of the image within the others if it shows only a part of them; None if it shows the same."""

    @property
    def id(self) -> str:
        """Name in the viewer: `name`, else the stem of the file."""
        return self.name or self.path.stem

    @property
    def shown(self) -> Path:
        """The file that a browser loads."""
        return self.small_copy or self.path


def save(
    image: ImageData, path: Path, label: str, scores: str, what: str, *, note: str = "", reference: bool = False
) -> SavedImage:
    """Write an image, and a smaller copy beside it if it is too large for a browser.

    Args:
        image: The image to write.
        path: The PNG file.
        label: See `SavedImage`.
        scores: See `SavedImage`.
        what: Beginning of the alternative text, which ends with the size.
        note: See `SavedImage`.
        reference: See `SavedImage`.

    Raises:
        StorageError: The disk is full, or cannot be written.
    """
    size = image.size
    write_png(image, path)
    alt = f"{what}, {size.width} by {size.height} pixels"
    return SavedImage(path, size, label, scores, alt, note, reference, _small_copy(image, path))


def save_result(result: ImageResult, folder: Path, ending: str = "") -> SavedImage:
    """Write the image of a result into `folder`, named by `stem` and `ending`. Raises StorageError."""
    job = result.job
    sizing = result.sizing if "," in result.sizing else ""  # a single run is not described
    seconds = "" if result.is_brought else formatting.seconds(result.seconds)
    parts = (formatting.scores_line(result.scores), seconds, sizing)
    scores = "   ".join(filter(None, parts))
    path = folder / f"{stem(job)}{ending}.png"
    return save(result.image, path, job.title, scores, f"Result of {job.title}", note=_note(result))


def stem(job: Job) -> str:
    """Return the stem of a result's file name: "real-esrgan", or "real-esrgan_detail-60" with reduced detail."""
    detail = detail_of(job)
    return job.file_name if detail == 1 else f"{job.file_name}_detail-{100 * detail:.0f}"


def _note(result: ImageResult) -> str:
    """Return the note that users should read with a result."""
    job = result.job
    if result.is_brought:
        return formatting.how(result)
    if not job.approach.invents_with(job.checkpoint):
        return ""
    invents = f"{INVENTS}. {job.checkpoint.note}" if job.checkpoint.note else INVENTS
    mask = formatting.MASKED if result.masked else ""
    parts = (formatting.detail(job), mask, result.faces_sentence, *result.remarks, invents)
    return "; ".join(filter(None, parts))


def shown_file(path: Path) -> Path:
    """Return the file that a browser loads for an image that `save` wrote to `path`."""
    copy = _small_copy_of(path)
    return copy if copy.is_file() else path


def _small_copy_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}_smaller.png")


def _small_copy(image: ImageData, path: Path) -> Path | None:
    """Write a smaller copy beside `path` and return it if the image is too large for a browser; else return None."""
    height, width = image.size
    if height * width <= _MAX_SHOWN_PIXELS:
        return None
    ratio = (_MAX_SHOWN_PIXELS / (height * width)) ** 0.5
    copy = _small_copy_of(path)
    write_png(reduced(image, Size(int(height * ratio), int(width * ratio))), copy)
    return copy


def reduced(image: ImageData, size: Size) -> ImageData:
    """Return a smaller copy for display, with 8 bits and without metadata, but with its profile and alpha channel."""
    alpha = None if image.alpha is None else resize(image.alpha, size, "area")
    return replace(image, pixels=resize(image.pixels, size, "area"), alpha=alpha, bits=8, metadata=Metadata())
