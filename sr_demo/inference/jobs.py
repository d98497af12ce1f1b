"""Jobs, their results, and the events on the way: plain values, which pass between the runner and its callers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from os import PathLike
from pathlib import Path
from typing import Literal

from sr_demo.backends import selection, shipped_int8
from sr_demo.checkpoint import Checkpoint
from sr_demo.codecs.formats import Carry
from sr_demo.diffusion.trajectory import Trajectory
from sr_demo.errors import BadInput, quoted
from sr_demo.hub import checkpoints
from sr_demo.image import Image, ImageData, Output, Size, Values, Written, format_of, write
from sr_demo.imaging.alignment import Shift
from sr_demo.imaging.output_size import OutputSize
from sr_demo.inference.size_plan import SizePlan, plan_size
from sr_demo.metrics.scores import Scores
from sr_demo.options import Options, as_dict, build, controls
from sr_demo.progress import Progress
from sr_demo.spec import Approach, ModelIdentity, Precision, Request, Upscaler


@dataclass(frozen=True)
class Job:
    """One approach to run, with its checkpoint, options and precision."""

    approach: Approach
    checkpoint: Checkpoint
    options: Options
    precision: Precision = "auto"
    download: bool = False
    """Whether the user agreed to a large download, where the checkpoint needs one."""
    size: OutputSize | None = None
    """Requested size of the result; None for that of the method."""

    @property
    def key(self) -> str:
        """Public name, `rdn` for the first checkpoint or `rdn:ssim`: in events, reports, tables and on the command line."""
        is_default = self.checkpoint.name == self.approach.checkpoints[0].name
        # Several files of users are open at once, as approaches with one id: each is named.
        if is_default and not self.checkpoint.is_file_of_user:
            return self.approach.id
        return f"{self.approach.id}:{self.checkpoint.name}"

    @property
    def full_name(self) -> str:
        """`rdn:mse`, always with the checkpoint: what `job_for` turns into the same checkpoint wherever it runs."""
        return f"{self.approach.id}:{self.checkpoint.name}"

    @property
    def file_name(self) -> str:
        """The key as the stem of a file name."""
        return self.key.replace(":", "-")

    @property
    def timing_key(self) -> str:
        """Key of its measured times: the public name, the precision and the options that differ from their defaults."""
        texts = {control.name for control in controls(self.approach.options) if control.lines}
        # Neither words of a prompt nor a seed change the time; less detail takes a run of another method, with its own key.
        same = texts | {"seed", "detail", "face_detail"}
        chosen = [f"{name}={value}" for name, value in self._changed_options.items() if name not in same]
        precision = [] if self.precision == "auto" else [self.precision]
        # Another file of a user may have the same name.
        files = [file.sha256[:12] for file in self.checkpoint.files if file.path is not None]
        return " ".join([self.key, *files, *precision, *sorted(chosen)])

    @property
    def identity(self) -> ModelIdentity:
        """Identity of the model to load: the key of the model cache, and of the converted form on disk."""
        changed, loading = self._changed_options, self.approach.load_options_of(self.checkpoint)
        return ModelIdentity(
            approach=self.approach.id,
            load=self.approach.load,
            checkpoint=self.checkpoint,
            precision=self.precision,
            scale=self.default_scale,
            load_options=tuple((name, changed[name]) for name in loading if name in changed),
        )

    @property
    def title(self) -> str:
        """Name shown to people."""
        is_first = self.checkpoint.name == self.approach.checkpoints[0].name
        # Ours is named as ours wherever the authors' own weights may stand beside it.
        published = any(c.kind == "hub" and not c.repositories for c in self.approach.checkpoints)
        return self.approach.title + ("" if is_first and not published else f" ({self.checkpoint.title})")

    @property
    def scale(self) -> float:
        """Scale factor of the method with these options: that of the result where no size is requested."""
        return self.approach.scale_with(self.options, self.checkpoint)

    @property
    def test_scale(self) -> int:
        """Scale factor of a test against an original. Raises BadInput where the requested size has no whole one."""
        return self.default_scale if self.size is None else self.size.whole_factor()

    def plan(self, image: Size) -> SizePlan:
        """Return how the result is reached from an image of this size. Raises BadInput where its size is out of range."""
        return plan_size(self.approach, self.checkpoint, self.options, self.size, image)

    def sized(self, size: OutputSize | None) -> Job:
        """Return the job for another requested size; the default checkpoint is the one that suits it best."""
        if self.checkpoint is not checkpoints.default(self.approach):
            return replace(self, size=size)
        return replace(self, size=size, checkpoint=checkpoints.default(self.approach, size and size.factor))

    @property
    def default_scale(self) -> int:
        """Scale factor of the checkpoint, which an option may change: `scale` where there is none."""
        return self.approach.scale_of(self.checkpoint)

    @property
    def _changed_options(self) -> dict[str, object]:
        defaults = as_dict(self.approach.options())
        return {name: value for name, value in as_dict(self.options).items() if value != defaults[name]}


@dataclass(frozen=True)
class LoadedModel:
    """A job with its approach loaded: all that upscaling an image needs."""

    job: Job
    upscaler: Upscaler


@dataclass(frozen=True)
class Result:
    """What a run cost and scored. Everything that changes the numbers is recorded with them; the image is not."""

    job: Job
    size: tuple[int, int]
    """(height, width) of the image in pixels."""
    scores: Scores
    seconds: float
    """Wall-clock seconds of upscaling, without loading."""
    load_seconds: float
    """Seconds of download and loading; 0 where the model was in the cache."""
    peak_memory_mb: float
    """Growth of the resident set during upscaling, in MB (10^6 bytes)."""
    precision: str
    tile: int
    """Width of the tiles in LR pixels, halo not counted; 0 where the image was not cut."""
    tiles: int
    halo: int
    cpu_seconds: float = 0.0
    """CPU seconds of all threads during upscaling."""
    backend: str = ""
    """See `Upscaler.backend`."""
    loss_db: float | None = None
    """See `Upscaler.loss_db`; negative where int8 gained."""
    trajectory: tuple[Trajectory, ...] = ()
    """The steps of an iterative method on the way to the image; empty for every other method."""
    notes: tuple[str, ...] = ()
    """Conversions applied while the input was read, as sentences for the user."""
    values: Values | None = None
    """How the values of the input's file were mapped to levels; None where they are levels."""
    input_size: tuple[int, int] | None = None
    """(height, width) of the input in pixels; None for `size` divided by the scale of the job."""
    sizing: str = ""
    """How a requested size was reached, such as "x4, then resampled to 2x"; empty where none was requested."""
    shift: Shift | None = None
    """For a result that another tool made: how far it lay beside the input, which was undone. Else None."""
    remarks: tuple[str, ...] = ()
    """What people should know while they look at it, besides that it may invent detail: phrases without a full stop."""
    kept_faces: int = 0
    """Faces in which less of the method's detail is shown than elsewhere."""
    masked: bool = False
    """Whether a mask limits the method's detail in a part of the image."""

    @property
    def is_brought(self) -> bool:
        """Whether another tool made it: its costs are not known, and their fields mean nothing."""
        return self.shift is not None

    @property
    def all_notes(self) -> tuple[str, ...]:
        """What is stated beside its numbers: how the input was read, and remarks on the image."""
        return (*self.notes, *self.remarks)

    @property
    def faces_sentence(self) -> str:
        """Say how many faces were kept faithful; "" for none."""
        count = self.kept_faces
        return "" if not count else f"faces kept faithful in {count} place{'' if count == 1 else 's'}"

    def with_image(self, image: ImageData) -> ImageResult:
        """Return the result with an image of its size."""
        return ImageResult(**{field.name: getattr(self, field.name) for field in fields(Result)}, image=image)


@dataclass(frozen=True, kw_only=True)
class ImageResult(Result):
    """A result with the image itself, as the runner returns it."""

    image: ImageData
    """Of the requested size, or `scale` times that of the input; alpha, gray, depth and profile as in the input."""

    @property
    def rgb(self) -> Image:
        """The upscaled image: (height, width, 3) float32 in [0, 1], read-only."""
        return self.image.rgb

    def save(
        self,
        path: str | PathLike[str],
        *,
        quality: int | None = None,
        bits: Literal[8, 16] | None = None,
        metadata: Carry = "all",
    ) -> Written:
        """Write the image in the format of the name's ending: PNG, JPEG, WebP, AVIF or TIFF. PNG and TIFF lose no value.

        Args:
            path: the file; its folder exists.
            quality: 1 to 100, of JPEG, WebP and AVIF; None is the default of the format.
            bits: per channel, of PNG and TIFF; None is as in the input. Large results of images in 8 bits have no more.
            metadata: what is carried of the input: "all"; "public", without position and serial numbers; or "none".

        Returns:
            What the file keeps of the metadata (`kept`, `removed`), and what the format cannot hold (`notes`).

        Raises:
            BadInput: the name has another ending, or the format cannot hold that.
            StorageError: the folder cannot be written, or the disk is full.
        """
        target = Path(path)
        found = format_of(target)
        if found is None:
            raise BadInput(f"Name a .png, .jpg, .webp, .avif or .tif file, not {quoted(target.name)}.")
        return write(self.image, target, Output(found, quality, bits, metadata))

    def without_image(self) -> Result:
        """Return the numbers alone, so that the image need not stay in memory once it is saved."""
        return Result(**{field.name: getattr(self, field.name) for field in fields(Result)})


@dataclass(frozen=True)
class Started:
    """The job has started."""

    job: Job


@dataclass(frozen=True)
class Progressed:
    """The job has made progress."""

    job: Job
    fraction: float
    """0..1 of what `note` names: download, loading and upscaling each count from 0."""
    note: str
    seconds_left: float | None


@dataclass(frozen=True)
class Done:
    """The job has finished."""

    job: Job
    result: ImageResult


@dataclass(frozen=True)
class Failed:
    """The job has failed."""

    job: Job
    message: str
    """One sentence for the user: what happened and what to do."""


@dataclass(frozen=True)
class Stopped:
    """The job was stopped by the user, or never started because of that."""

    job: Job


RunEvent = Started | Progressed | Done | Failed | Stopped


def refuse_repeated(jobs: Sequence[Job]) -> None:
    """Check that no two jobs have the same key, which names their results. Raises BadInput."""
    keys = [job.key for job in jobs]
    if repeated := [key for key in keys if keys.count(key) > 1]:
        raise BadInput(f"{repeated[0]} is named more than once. Name each approach once.")


def job_for(
    approaches: Sequence[Approach],
    name: str,
    values: dict[str, object] | None = None,
    precision: Precision = "auto",
    download: bool = False,
    size: OutputSize | None = None,
) -> Job:
    """Return the job for a public name.

    Args:
        approaches: where the name is looked up.
        name: `ID`, which stands for the best checkpoint that is stored (`hub.checkpoints.default`), or `ID:CHECKPOINT`.
        values: option name -> value; the other options keep their defaults.
        precision: numeric precision of the network.
        download: whether a large download was agreed to.
        size: requested size of the result; None for that of the method.

    Raises:
        BadInput: the name, the checkpoint or an option is unknown, a value is out of range, or the size is given twice.
    """
    if size is not None and "scale" in (values or {}):
        raise BadInput(f"The size is given twice: as {size} and by the option `scale`. Leave one of them out.")
    identifier, _, checkpoint = name.partition(":")
    found = [approach for approach in approaches if approach.id == identifier]
    if not found:
        there = ", ".join(dict.fromkeys(a.id for a in approaches))
        raise BadInput(f"There is no approach {quoted(identifier)}. There are: {there}.")
    # Files of users are approaches with one id and one checkpoint each.
    approach = next((a for a in found if checkpoint in [c.name for c in a.checkpoints]), found[0])
    options = build(approach.options, values or {})
    chosen = approach.checkpoint(checkpoint) if checkpoint else checkpoints.default(approach, size and size.factor)
    return Job(approach, chosen, options, precision, download, size)


def here(approaches: Sequence[Approach], *kinds: str) -> list[Job]:
    """Return a job with default options for every checkpoint of these kinds (see `Checkpoint.kind`)."""
    return [
        Job(approach, checkpoint, approach.options())
        for approach in approaches
        for checkpoint in approach.checkpoints
        if checkpoint.kind in kinds
    ]


def named(jobs: Sequence[Job], names: Sequence[str], what: str, more: Sequence[Job] = ()) -> list[Job]:
    """Return the jobs with these public names, in the order of `jobs`, and `more`.

    Args:
        jobs: where the names are looked up.
        names: public names; empty for all jobs, or for none where there are `more`.
        what: noun for the error message.
        more: jobs that are selected anyway.

    Raises:
        BadInput: one of the names is unknown.
    """
    keys = [job.key for job in jobs]
    if unknown := [name for name in names if name not in keys]:
        raise BadInput(f"There is no {what} {quoted(unknown[0])}. There are: {', '.join(keys)}.")
    everything = not names and not more
    return [*(job for job in jobs if everything or job.key in names), *more]


def load_approach(job: Job, files: Sequence[Path], progress: Progress) -> Upscaler:
    """Load the approach of `job` from its verified `files` by its own loader: in torch, where it is a network."""
    return job.approach.load(Request(job.checkpoint, files, job.options, job.precision, progress))


def is_prepared(job: Job) -> bool:
    """Return whether the network of `job` runs here without torch: as it ships, or converted earlier and measured faster."""
    if shipped_int8.by_default(job.identity) is not None:
        return True
    converted = selection.converted_files(job.identity)
    verdict = selection.stored(converted) if converted else None
    return verdict is not None and verdict.backend != "torch"
