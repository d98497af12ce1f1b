"""Upscaling of many photos, one after the other, into one zip. The failure of one photo does not affect the others."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from sr_demo.advice.focus import focus
from sr_demo.codecs.sniff import kind_of
from sr_demo.errors import BadInput, SRError, log_unexpected
from sr_demo.image import Image, ImageData, Limits, Output, Size, crop, read, write, write_png
from sr_demo.inference.jobs import Done, Failed, ImageResult, Job, Progressed, Stopped
from sr_demo.inference.runner import Runner
from sr_demo.reports import formatting
from sr_demo.reports.bundle import ZIP, disk_errors_translated, machine
from sr_demo.reports.table import record
from sr_demo.system.outputs import free_path, truncated_name
from sr_demo.ui.callers import Caller
from sr_demo.ui.compare.saving import check_size
from sr_demo.ui.compare.scheduled_jobs import ComparisonInputs, run_in_turns
from sr_demo.ui.fetching import check_present
from sr_demo.ui.uploads import public

MOST_PHOTOS = 50
MOST_METHODS = 4
_SIDE = 64
"""Side in pixels of the part of a photo that its thumbnails show: small, so that differences are visible."""
_SECONDS_BETWEEN = 0.3
"""Smallest interval of progress updates within a photo, in seconds."""


class Thumbnail(NamedTuple):
    """A small part of an image, in a file of its own."""

    label: str
    path: Path


@dataclass
class Photo:
    """A photo in the queue, with its state and results."""

    path: Path
    state: str = "waiting"
    thumbnails: list[Thumbnail] = field(default_factory=list[Thumbnail])
    """Thumbnails of the photo, then of each result."""
    focus: tuple[float, float] = (0.5, 0.5)
    """Where the thumbnails are taken from; see `focus`."""
    results: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Records of the results; see `table.record`."""
    failures: list[str] = field(default_factory=list[str])
    """Error messages, one sentence each."""

    @property
    def name(self) -> str:
        """Name of the file, which may contain any characters."""
        return self.path.name

    def end(self, *, stopped: bool) -> None:
        """Set the final state."""
        self.state = "stopped" if stopped else "done" if self.results else "did not work"


def check_counts(photos: int, methods: int) -> None:
    """Raise BadInput if there are too many photos for one queue, or too many or no methods."""
    if photos > MOST_PHOTOS:
        raise BadInput(
            f"At most {MOST_PHOTOS} photos at once, and these are {photos}. Leave some out; for whole folders there "
            "is `python -m sr_demo batch`."
        )
    if not 1 <= methods <= MOST_METHODS:
        raise BadInput(f"Choose one method, or up to {MOST_METHODS}.")


@dataclass
class Queue:
    """Photos, the jobs to run on each, and the progress. Files are written to `folder`."""

    photos: list[Photo]
    jobs: Sequence[Job]
    limits: Limits
    folder: Path
    output: Output = field(default_factory=Output)
    """File format of the results; `SAME` selects that of each photo."""
    progress: str = ""
    """Progress in one line."""
    changed: bool = True
    """Whether the state of a photo has changed since this flag was last reset."""
    _names: set[str] = field(default_factory=set[str])

    @property
    def zip(self) -> Path:
        """The zip with all results and `photos.json`."""
        return self.folder / ZIP

    def run(self, runner: Runner, caller: Caller, seconds: Callable[[Job], float]) -> Iterator[None]:
        """Upscale the photos; yield whenever `progress` or a photo has changed.

        Args:
            runner: Runs the jobs.
            caller: The caller who takes the turns, and whose Stop ends the queue. Finished results remain.
            seconds: Returns the expected seconds of a job.

        Raises:
            StorageError: A file cannot be written.
        """
        with disk_errors_translated(), zipfile.ZipFile(self.zip, "w", zipfile.ZIP_STORED) as archive:
            for number, photo in enumerate(self.photos, 1):
                if not caller.stop.is_set():
                    before = f"Photo {number} of {len(self.photos)}, {photo.name}: "
                    for doing in self._enlarged(photo, runner, caller, seconds, archive):
                        self.progress = before + doing
                        yield
                photo.end(stopped=caller.stop.is_set() and len(photo.results) < len(self.jobs))
                self.changed = True
                yield
            archive.writestr("photos.json", json.dumps(self.report(), indent=2))
        self.progress = ""

    def _enlarged(
        self, photo: Photo, runner: Runner, caller: Caller, seconds: Callable[[Job], float], archive: zipfile.ZipFile
    ) -> Iterator[str]:
        """Upscale one photo with all jobs and write the results into `archive`; yield descriptions of the progress."""

        def load() -> tuple[ImageData, Image | None]:
            check_present(photo.path)
            return read(photo.path, self.limits), None

        photo.state, self.changed = "working", True
        inputs, last = ComparisonInputs(load), 0.0
        try:
            for event in run_in_turns(runner, caller, self.jobs, seconds, inputs):
                title = event.job.title
                if isinstance(event, Done):
                    try:
                        self._save(photo, event.result, inputs.get()[0], archive)
                    except BadInput as exc:  # the image is too large for the format
                        photo.failures.append(f"{title}: {exc}")
                    yield f"{title}, done"
                elif isinstance(event, Failed):
                    photo.failures.append(f"{title}: {event.message}")
                elif isinstance(event, Stopped):
                    return
                elif isinstance(event, Progressed) and time.monotonic() - last > _SECONDS_BETWEEN:
                    last = time.monotonic()
                    left = "" if event.seconds_left is None else f", {formatting.seconds(event.seconds_left)} left"
                    yield f"{title}, {event.note or 'working'}{left}"
        except SRError as exc:  # the file is no image, or too large
            photo.failures.append(str(exc))
        except OSError:  # from writing the results: concerns all photos
            raise
        except Exception as exc:
            photo.failures.append(log_unexpected(exc, "upscaling one of several photos"))

    def _save(self, photo: Photo, result: ImageResult, lr: ImageData, archive: zipfile.ZipFile) -> None:
        output = self.output.like(kind_of(photo.path))
        check_size(result.size[0] * result.size[1], output)
        number = self.photos.index(photo)
        if not photo.thumbnails:
            photo.focus = focus(lr.rgb)
            photo.thumbnails.append(self._thumbnail(photo, lr, Size.of(lr.rgb), f"{number}.png", "before"))
        name = f"{number}_{result.job.file_name}.png"
        job = result.job
        label = job.title + (", may invent detail" if job.approach.invents_with(job.checkpoint) else "")
        photo.thumbnails.append(self._thumbnail(photo, result.image, Size.of(lr.rgb), name, label))
        whole = self.folder / "result"
        written = write(result.image, whole, output)
        stored = self._free_name(photo.path.stem, f"_{result.job.file_name}{output.file_format.suffix}")
        archive.write(whole, stored)
        whole.unlink()
        photo.results.append({**record(result), "file": stored, **written.as_dict()})

    def _thumbnail(self, photo: Photo, image: ImageData, lr: Size, name: str, label: str) -> Thumbnail:
        """Write the part of `image` that corresponds to `_SIDE` x `_SIDE` pixels of its LR image of size `lr`."""
        size = image.size
        rows, columns = min(_SIDE, lr.height), min(_SIDE, lr.width)
        height, width = max(rows * size.height // lr.height, 1), max(columns * size.width // lr.width, 1)
        top, left = round(photo.focus[1] * size.height - height / 2), round(photo.focus[0] * size.width - width / 2)
        part = crop(image, min(max(top, 0), size.height - height), min(max(left, 0), size.width - width), height, width)
        write_png(public(part), self.folder / name)
        return Thumbnail(label, self.folder / name)

    def _free_name(self, stem: str, ending: str) -> str:
        """Return a name that is unique in the zip: photos from several folders may have the same name."""
        name = free_path(Path(truncated_name(stem, ending)), lambda path: path.name.lower() in self._names).name
        self._names.add(name.lower())
        return name

    def report(self) -> dict[str, Any]:
        """Return the states and results of all photos as JSON-serialisable data."""
        photos = [
            {"name": photo.name, "state": photo.state, "results": photo.results, "failures": photo.failures}
            for photo in self.photos
        ]
        return {"machine": machine(), "photos": photos}
