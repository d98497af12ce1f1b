"""A job, what comes of it, and what is told on the way: values only, which pass between the runner and who asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sr_demo.backends import selection
from sr_demo.errors import BadInput, quoted
from sr_demo.image import ImageData
from sr_demo.metrics.scores import Scores
from sr_demo.options import Options, as_dict, build, controls
from sr_demo.progress import Progress
from sr_demo.spec import Approach, Checkpoint, Precision, Request, Upscaler


@dataclass(frozen=True)
class Job:
    """One approach to run, with everything that was chosen for it."""

    approach: Approach
    checkpoint: Checkpoint
    options: Options
    precision: Precision = "auto"
    download: bool = False
    """Whether the person agreed to a download of gigabytes, where the checkpoint has one."""

    @property
    def key(self) -> str:
        """`rdn` or `rdn:mse`: how the job is named in events, files and tables."""
        default = self.approach.checkpoints[0].name
        return self.approach.id if self.checkpoint.name == default else f"{self.approach.id}:{self.checkpoint.name}"

    @property
    def scale(self) -> float:
        """How many times larger the result is."""
        return self.approach.scale_with(self.options)

    @property
    def timing_key(self) -> str:
        """What its measured times are filed under: the key, with the precision and the options that are not the usual."""
        usual = as_dict(self.approach.options())
        words = {control.name for control in controls(self.approach.options) if control.lines}
        chosen = [
            f"{name}={value}"
            for name, value in as_dict(self.options).items()
            if value != usual[name] and name not in words  # which words a prompt has does not change the time
        ]
        precision = [] if self.precision == "auto" else [self.precision]
        return " ".join([self.key, *precision, *sorted(chosen)])

    @property
    def title(self) -> str:
        """The name people read."""
        default = self.approach.checkpoints[0].name
        return self.approach.title + ("" if self.checkpoint.name == default else f" ({self.checkpoint.title})")


@dataclass(frozen=True)
class Result:
    """A finished picture and what it cost. Everything that changes the numbers is recorded with them."""

    job: Job
    picture: ImageData
    """`scale` times the size of the input; alpha, gray, depth and profile as in the input."""
    scores: Scores
    seconds: float
    """Time to enlarge, without loading."""
    load_seconds: float
    """Time to fetch and load; 0 when it was loaded already."""
    peak_memory_mb: float
    """Growth of the resident set while enlarging, over the process before it, in MB (10^6 bytes)."""
    precision: str
    tile: int
    """Width of the tiles in LR pixels, halo not counted; 0 when the picture went through in one piece."""
    tiles: int
    halo: int
    cpu_seconds: float = 0.0
    """Processor time of all threads while enlarging."""
    engine: str = ""
    """What ran the network: "torch" or "OpenVINO", whichever was measured to be faster; empty for what is no network."""
    loss_db: float | None = None
    """For int8: dB of PSNR-Y that the network lost against fp32 on bundled photos; negative where it gained."""
    seen: tuple[object, ...] = ()
    """What the method showed of its way to the picture, where it shows something; its type is the method's."""


@dataclass(frozen=True)
class Started:
    job: Job


@dataclass(frozen=True)
class Progressed:
    job: Job
    fraction: float
    """0..1 of what `note` names: downloading, loading and enlarging each count from 0."""
    note: str
    seconds_left: float | None


@dataclass(frozen=True)
class Done:
    job: Job
    result: Result


@dataclass(frozen=True)
class Failed:
    job: Job
    message: str
    """A sentence for the person."""


@dataclass(frozen=True)
class Stopped:
    job: Job


RunEvent = Started | Progressed | Done | Failed | Stopped


def job_for(
    approaches: Sequence[Approach],
    name: str,
    values: dict[str, object] | None = None,
    precision: Precision = "auto",
    download: bool = False,
) -> Job:
    """The job for `ID` or `ID:CHECKPOINT`. Raises BadInput on an unknown name, checkpoint or option."""
    identifier, _, checkpoint = name.partition(":")
    for approach in approaches:
        if approach.id == identifier:
            options = build(approach.options, values or {})
            return Job(approach, approach.checkpoint(checkpoint or None), options, precision, download)
    raise BadInput(f"There is no approach {quoted(identifier)}. There are: {', '.join(a.id for a in approaches)}.")


def here(approaches: Sequence[Approach], *kinds: str) -> list[Job]:
    """A job with the usual options for every checkpoint of these kinds."""
    return [
        Job(approach, checkpoint, approach.options())
        for approach in approaches
        for checkpoint in approach.checkpoints
        if checkpoint.kind in kinds
    ]


def named(jobs: Sequence[Job], names: Sequence[str], what: str) -> list[Job]:
    """Those of `jobs` that are called `names`, all of them without any; `what` are they? Raises BadInput on other names."""
    keys = [job.key for job in jobs]
    if unknown := [name for name in names if name not in keys]:
        raise BadInput(f"There is no {what} {quoted(unknown[0])}. There are: {', '.join(keys)}.")
    return [job for job in jobs if not names or job.key in names]


def load_approach(job: Job, files: Sequence[Path], progress: Progress) -> Upscaler:
    """The approach of `job` from its verified `files`, as it loads itself: in torch, where it is a network."""
    return job.approach.load(Request(job.checkpoint, files, job.options, job.precision, progress))


def is_prepared(job: Job) -> bool:
    """Whether the job's network runs here without torch, converted and found faster earlier."""
    which = engine_identity(job)
    verdict = selection.stored(which) if which else None
    return verdict is not None and verdict.backend != "torch"


def engine_identity(job: Job) -> selection.Identity | None:
    """How a converted network of this job is known; None where there can be none.

    Options that change what is loaded have endless values: only their defaults are worth converting.
    """
    approach = job.approach
    wanted, usual = as_dict(job.options), as_dict(approach.options())
    if any(wanted[name] != usual[name] for name in approach.load_options):
        return None
    return selection.identity(approach.id, job.checkpoint.files, job.precision, approach.scale)


def load_identity(job: Job) -> tuple[object, ...]:
    """What must be equal for a loaded approach to serve another job."""
    wanted = as_dict(job.options)
    choices = tuple(wanted[name] for name in job.approach.load_options)
    return (job.approach.id, job.approach.load, job.checkpoint, job.precision, choices)
