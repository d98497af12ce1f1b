"""Jobs, their results, and the events of a run: plain values that the runner and its callers exchange."""

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
    """Whether the user agreed to a large download, if the checkpoint needs one."""
    size: OutputSize | None = None
    """Requested size of the result; None for the scale of the method."""

    @property
    def key(self) -> str:
        """Public name in events, reports, tables and on the command line: `rdn` for the first checkpoint, or `rdn:ssim`."""
        is_default = self.checkpoint.name == self.approach.checkpoints[0].name
        # Users' files are approaches with the same id, so that their key always names the checkpoint.
        if is_default and not self.checkpoint.is_file_of_user:
            return self.approach.id
        return f"{self.approach.id}:{self.checkpoint.name}"

    @property
    def full_name(self) -> str:
        """Name with the checkpoint, such as `rdn:mse`, for which `job_for` returns the same checkpoint on every machine."""
        return f"{self.approach.id}:{self.checkpoint.name}"

    @property
    def file_name(self) -> str:
        """The key in a form that is valid as the stem of a file name."""
        return self.key.replace(":", "-")

    @property
    def timing_key(self) -> str:
        """Key of the measured times of this job: public name, precision and options that differ from their defaults."""
        texts = {control.name for control in controls(self.approach.options) if control.lines}
        # Prompts and seeds do not change the time; reduced detail adds the run of another method, which has its own key.
        same = texts | {"seed", "detail", "face_detail"}
        chosen = [f"{name}={value}" for name, value in self._changed_options.items() if name not in same]
        precision = [] if self.precision == "auto" else [self.precision]
        # Several users' files may have the same name.
        files = [file.sha256[:12] for file in self.checkpoint.files if file.path is not None]
        return " ".join([self.key, *files, *precision, *sorted(chosen)])

    @property
    def identity(self) -> ModelIdentity:
        """Identity of the model to load: the key for the model cache and for the converted form on disk."""
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
        """Title shown to users."""
        is_first = self.checkpoint.name == self.approach.checkpoints[0].name
        # The title names our checkpoint if the approach also has the authors' weights.
        published = any(c.kind == "hub" and not c.repositories for c in self.approach.checkpoints)
        if not is_first or published:
            return f"{self.approach.title} ({self.checkpoint.title})"
        # We trained the weights that come with this package, often of a small network: the bare name is the authors'.
        return self.approach.title + (" (ours)" if self.checkpoint.kind == "embedded" else "")

    @property
    def scale(self) -> float:
        """Scale factor of the method with these options, and of the result if no size is requested."""
        return self.approach.scale_with(self.options, self.checkpoint)

    @property
    def test_scale(self) -> int:
        """Integer scale factor of a test against an HR reference. Raises BadInput if the requested size has none."""
        return self.default_scale if self.size is None else self.size.whole_factor()

    def plan(self, image: Size) -> SizePlan:
        """Return the size plan for an image of this size. Raises BadInput if the requested size is out of range."""
        return plan_size(self.approach, self.checkpoint, self.options, self.size, image)

    def sized(self, size: OutputSize | None) -> Job:
        """Return the job for another requested size; a default checkpoint is replaced by the one that suits it best."""
        if self.checkpoint is not checkpoints.default(self.approach):
            return replace(self, size=size)
        return replace(self, size=size, checkpoint=checkpoints.default(self.approach, size and size.factor))

    @property
    def default_scale(self) -> int:
        """Scale factor of the checkpoint, or `scale` if it has none; an option may change the scale of results."""
        return self.approach.scale_of(self.checkpoint)

    @property
    def _changed_options(self) -> dict[str, object]:
        defaults = as_dict(self.approach.options())
        return {name: value for name, value in as_dict(self.options).items() if value != defaults[name]}


@dataclass(frozen=True)
class LoadedModel:
    """A job with its loaded approach, ready to upscale images."""

    job: Job
    upscaler: Upscaler


@dataclass(frozen=True)
class Result:
    """Cost and scores of a run, with everything that affects these numbers, but without the image."""

    job: Job
    size: tuple[int, int]
    """(height, width) of the image in pixels."""
    scores: Scores
    seconds: float
    """Wall-clock seconds of upscaling, without loading."""
    load_seconds: float
    """Seconds of download and loading; 0 if the model was in the cache."""
    peak_memory_mb: float
    """Growth of the resident set during upscaling, in MB (10^6 bytes)."""
    precision: str
    tile: int
    """Width of the tiles in LR pixels, without halo; 0 if the image was not cut."""
    tiles: int
    halo: int
    cpu_seconds: float = 0.0
    """CPU seconds of all threads during upscaling."""
    backend: str = ""
    """See `Upscaler.backend`."""
    loss_db: float | None = None
    """See `Upscaler.loss_db`; negative if int8 gained."""
    trajectory: tuple[Trajectory, ...] = ()
    """The steps of an iterative method that led to the image; empty for other methods."""
    notes: tuple[str, ...] = ()
    """Conversions applied while the input was read, as sentences for the user."""
    values: Values | None = None
    """How the values of the input's file were mapped to levels; None if they are levels."""
    input_size: tuple[int, int] | None = None
    """(height, width) of the input in pixels; None for `size` divided by the scale of the job."""
    sizing: str = ""
    """How a requested size was reached, such as "x4, then resampled to 2x"; empty if none was requested."""
    shift: Shift | None = None
    """For a result of another tool: its shift against the input, which was corrected. Otherwise None."""
    remarks: tuple[str, ...] = ()
    """Phrases without a full stop that users should know about the image, besides that it may show invented detail."""
    kept_faces: int = 0
    """Number of faces in which the method's detail is reduced."""
    masked: bool = False
    """Whether a mask limits the method's detail in a part of the image."""

    @property
    def is_brought(self) -> bool:
        """Whether the result is from another tool; the fields for its costs are meaningless then."""
        return self.shift is not None

    @property
    def all_notes(self) -> tuple[str, ...]:
        """Notes to show beside the numbers: how the input was read, and remarks on the image."""
        return (*self.notes, *self.remarks)

    @property
    def faces_sentence(self) -> str:
        """Sentence on the number of faces that were kept faithful; "" for none."""
        count = self.kept_faces
        return "" if not count else f"faces kept faithful in {count} place{'' if count == 1 else 's'}"

    def with_image(self, image: ImageData) -> ImageResult:
        """Return the result with an image of its size."""
        return ImageResult(**{field.name: getattr(self, field.name) for field in fields(Result)}, image=image)


@dataclass(frozen=True, kw_only=True)
class ImageResult(Result):
    """A result with the image itself, as the runner returns it."""

    image: ImageData
    """The image, of the requested size or `scale` times the input; alpha, gray, depth and profile are those of the input."""

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
        """Write the image in the format of the file's suffix: PNG, JPEG, WebP, AVIF or TIFF. PNG and TIFF are lossless.

        Args:
            path: The file; its folder must exist.
            quality: 1 to 100, for JPEG, WebP and AVIF; None for the default of the format.
            bits: Bits per channel, for PNG and TIFF; None for those of the input. Large results of 8-bit images have 8.
            metadata: Metadata of the input to carry: "all"; "public", without position and serial numbers; or "none".

        Returns:
            A record of the metadata (`kept`, `removed`), and of what the format cannot store (`notes`).

        Raises:
            BadInput: The suffix is unknown, or the format does not support the settings or the size.
            OutOfMemory: The encoder takes more memory than is free.
            StorageError: The folder cannot be written, or the disk is full.
        """
        target = Path(path)
        found = format_of(target)
        if found is None:
            raise BadInput(f"Name a .png, .jpg, .webp, .avif or .tif file, not {quoted(target.name)}.")
        return write(self.image, target, Output(found, quality, bits, metadata))

    def without_image(self) -> Result:
        """Return the result without its image, so that the image need not stay in memory after it is saved."""
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
    """Progress of the work that `note` names, 0..1: download, loading and upscaling each start from 0."""
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
    """The user stopped the job while it ran or before it started."""

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
        approaches: The approaches to look up the name in.
        name: `ID:CHECKPOINT`, or `ID` for the best stored checkpoint (`hub.checkpoints.default`).
        values: Option name -> value; the other options keep their defaults.
        precision: Numeric precision of the network.
        download: Whether the user agreed to a large download.
        size: Requested size of the result; None for the scale of the method.

    Raises:
        BadInput: The name, the checkpoint or an option is unknown, a value is out of range, or the size is given twice.
    """
    if size is not None and "scale" in (values or {}):
        raise BadInput(f"The size is given twice: as {size} and by the option `scale`. Leave one of them out.")
    identifier, _, checkpoint = name.partition(":")
    found = [approach for approach in approaches if approach.id == identifier]
    if not found:
        there = ", ".join(dict.fromkeys(a.id for a in approaches))
        raise BadInput(f"There is no approach {quoted(identifier)}. There are: {there}.")
    # Users' files are approaches with the same id and one checkpoint each.
    approach = next((a for a in found if checkpoint in [c.name for c in a.checkpoints]), found[0])
    options = build(approach.options, values or {})
    chosen = approach.checkpoint(checkpoint) if checkpoint else checkpoints.default(approach, size and size.factor)
    return Job(approach, chosen, options, precision, download, size)


def default_jobs(approaches: Sequence[Approach], *kinds: str) -> list[Job]:
    """Return a job with default options for every checkpoint of these kinds (see `Checkpoint.kind`)."""
    return [
        Job(approach, checkpoint, approach.options())
        for approach in approaches
        for checkpoint in approach.checkpoints
        if checkpoint.kind in kinds
    ]


def select_jobs(jobs: Sequence[Job], names: Sequence[str], what: str, more: Sequence[Job] = ()) -> list[Job]:
    """Return the jobs with these public names, in the order of `jobs`, and `more`.

    Args:
        jobs: The jobs to select from.
        names: Public names; empty for all jobs, or for none if there are `more`.
        what: Noun for the error message.
        more: Further jobs to return.

    Raises:
        BadInput: One of the names is unknown.
    """
    keys = [job.key for job in jobs]
    if unknown := [name for name in names if name not in keys]:
        raise BadInput(f"There is no {what} {quoted(unknown[0])}. There are: {', '.join(keys)}.")
    everything = not names and not more
    return [*(job for job in jobs if everything or job.key in names), *more]


def load_approach(job: Job, files: Sequence[Path], progress: Progress) -> Upscaler:
    """Load the approach of `job` from its verified `files` with its own loader, which runs networks in torch."""
    return job.approach.load(Request(job.checkpoint, files, job.options, job.precision, progress))


def is_prepared(job: Job) -> bool:
    """Return whether the network of `job` runs without torch: as a shipped int8 form, or converted and measured as faster."""
    if shipped_int8.by_default(job.identity) is not None:
        return True
    converted = selection.converted_files(job.identity)
    verdict = selection.stored_verdict(converted) if converted else None
    return verdict is not None and verdict.backend != "torch"
