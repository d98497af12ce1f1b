"""The types that describe an approach: its checkpoints, tiling rule and options, and the protocol of what it loads.

Nothing here imports torch, faiss or gradio: the catalogue is read long before the first image is upscaled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from sr_demo.errors import BadInput, quoted
from sr_demo.image import Image
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.system.hardware import Needs
from sr_demo.timing import Timing, from_card

EMBEDDED = Path(__file__).resolve().parent.parent / "weights"
"""Folder of embedded checkpoints and their cards."""

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
"""Requested precision of a network. `auto` never chooses int8, which costs a little quality."""
Family = Literal["baseline", "convolutional", "attention", "adversarial", "retrieval", "diffusion", "implicit"]


@dataclass(frozen=True)
class WeightFile:
    """One file of a checkpoint, identified by its sha256."""

    name: str
    """File name; embedded files lie in `weights/` under this name."""
    sha256: str
    bytes: int
    sources: tuple[str, ...] = ()
    """Sources of the same bytes, tried in order: `owner/repo:path/in/repo` on the Hub, or an https address. Empty for
    embedded files, and for a user's own."""
    path: Path | None = None
    """Where a user's own file lies; None for every other."""


TILE_ERROR = 1 / 4096
"""Largest difference that tiles without blending may make: a sixteenth of the step between two 8-bit values."""


@dataclass(frozen=True)
class Tiling:
    """The tiling rule: how an image may be cut. All lengths in LR pixels."""

    mode: Literal["tiles", "whole", "own"]
    """`tiles`: a local operator; `whole`: needs the whole image at once; `own`: the approach tiles by itself."""
    halo: int = 0
    """Context around each tile."""
    multiple_of: int = 1
    """Tile borders lie on multiples of this, counted from the top left corner of the image."""
    blend: int = 0
    """Half-width of the smooth transition between tiles; 0 where the halo covers the receptive field, so that in fp32 no
    value differs by more than `TILE_ERROR` from the result of the whole image (`bench --halos`)."""
    largest: int = 320
    """An image with at most as many pixels as a square of this side is not cut, where memory allows."""
    max_input_width: int = 254
    """Largest width of the network's input where an image is cut, halo included. In bf16, OpenVINO's convolutions take a
    fifth to a third more time per pixel from a width of 256 on, torch's twice as much at 412 (`bench --tiles`)."""
    max_aspect: int = 1
    """Largest height-to-width ratio of a tile. Convolution time depends on tile width, not height (`bench --tiles`)."""
    held: int = 0
    """Bytes per result pixel that the approach holds for the whole image while it works, beside the result itself."""


WHOLE = Tiling("whole", held=40)
OWN = Tiling("own", held=40)


@dataclass(frozen=True)
class Repository:
    """Files of a Hub repository that belong together, such as those of a diffusers pipeline.

    They are large: the user agrees to the download first.
    """

    name: str
    """owner/repository."""
    patterns: tuple[str, ...]
    """Its files to download, as shell patterns over their paths; weights in safetensors wherever there is a choice."""
    bytes: int
    """Approximate size, which the user agrees to: where the Hub reports a tenth more, the download is refused."""
    revision: str = ""
    """Pinned commit; empty for the newest."""


@dataclass(frozen=True)
class Checkpoint:
    """Trained weights of an approach, or a variant that needs none (`files` is empty)."""

    name: str
    """Short and unique within the approach: the part after the colon in `rdn:mse`."""
    title: str
    """Name shown on the page."""
    files: tuple[WeightFile, ...] = ()
    licence: str = "Apache-2.0"
    """SPDX identifier of the weights."""
    parameters: int = 0
    bytes_per_pixel: int = 2048
    """Peak working memory per LR pixel in fp32, measured; decides the tile size."""
    timings: tuple[Timing, ...] = ()
    """Measured seconds at a few image sizes, one entry for each backend; empty where nothing was measured."""
    flops_per_pixel: float = 0.0
    """FLOPs per LR pixel (2 per multiply-add), for time estimates where no seconds were measured."""
    note: str = ""
    """One sentence to know before choosing it."""
    variant: str = ""
    """Variant, for approaches whose variants share one loader."""
    tiling: Tiling | None = None
    """Tiling rule, where it differs from that of the approach."""
    invents: bool | None = None
    """See `Approach.invents`, where it differs."""
    repositories: tuple[Repository, ...] = ()
    """Hub repositories that it consists of, besides `files`."""
    needs: Needs | None = None
    """Required hardware and packages; None where any computer will do."""

    @property
    def bytes(self) -> int:
        """Size of all files; approximate where there are repositories."""
        return sum(file.bytes for file in self.files) + sum(repository.bytes for repository in self.repositories)

    @property
    def is_file_of_user(self) -> bool:
        """Whether it is a model file that a user opened: see `own.opening`."""
        return any(file.path is not None for file in self.files)

    @property
    def kind(self) -> Literal["none", "embedded", "hub", "own"]:
        """Source of the weights: none, `weights/`, the Hub, or a copy that the user provides."""
        if self.is_file_of_user or (self.needs is not None and self.needs.variables):
            return "own"
        if self.repositories:
            return "hub"
        if not self.files:
            return "none"
        return "hub" if any(file.sources for file in self.files) else "embedded"


class Upscaler(Protocol):
    """A loaded approach."""

    @property
    def precision(self) -> str:
        """Numeric precision of the computation: "fp32", "bf16", "fp16" or "int8"."""
        ...

    @property
    def backend(self) -> str:
        """Library that runs the network: "torch", "OpenVINO" or that of a pipeline; "" for methods without one."""
        ...

    @property
    def loss_db(self) -> float | None:
        """Loss of PSNR-Y against fp32 in dB, measured on bundled photos, for int8; None for every other precision."""
        ...

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """Upscale one image. Stateless: the same result twice for the same options.

        Args:
            image: (H, W, 3) float32 RGB in [0, 1], read-only.
            options: of the type that the approach declares.
            progress: receives 0..1.

        Returns:
            (H * scale, W * scale, 3), sides rounded, float32 RGB.

        Raises:
            OutOfMemory: a smaller image, or tile, may fit.
            Cancelled: `progress` reported Stop.
        """
        ...


@runtime_checkable
class BatchUpscaler(Upscaler, Protocol):
    """An upscaler that takes several tiles at once and computes ahead while its caller places results.

    It knows the memory of its device.
    """

    @property
    def at_once(self) -> int:
        """Largest useful number of tiles in a batch: 1 where more do not help."""
        ...

    def budget(self) -> int:
        """Return the bytes of device memory that one batch may take now."""
        ...

    def upscale_many(self, batches: Iterable[Sequence[Image]], options: Options) -> Iterator[list[Image]]:
        """Upscale every image of every batch, in order.

        Args:
            batches: images as in `upscale`; those of one batch have one shape. The next batch may be taken before the
                results of the last one are yielded.
            options: as in `upscale`.

        Yields:
            The results of one batch.

        Raises:
            OutOfMemory: fewer images at once, or smaller ones, may fit.
        """
        ...


@dataclass(frozen=True)
class Request:
    """The input of a loader: what it turns into an `Upscaler`."""

    checkpoint: Checkpoint
    files: Sequence[Path]
    """Verified local files, in the order of `checkpoint.files`; then the folders of its repositories."""
    options: Options
    precision: Precision
    progress: Progress
    """For loaders that take long (building a patch database, converting a network)."""


@dataclass(frozen=True)
class Approach:
    """One super-resolution method."""

    id: str
    """Lower-case slug; the name on the command line and in the API."""
    title: str
    summary: str
    """Sentence fragment for the checkbox: what it does to a picture."""
    about: str
    """Two or three sentences for people who want to know how it works; with the paper."""
    family: Family
    load: Callable[[Request], Upscaler]
    checkpoints: tuple[Checkpoint, ...] = (Checkpoint("default", "no weights"),)
    options: type[Options] = Options
    load_options: tuple[str, ...] = ()
    """Names of the options that change what is loaded; the others only change how it runs."""
    tiling: Tiling = WHOLE
    scale: int = 4
    invents: bool = False
    """True for generative methods; their results are marked "may invent detail: do not measure in it"."""
    preselected: bool = True
    """Whether it is ticked when the page opens."""
    fetch: Callable[[Progress], object] | None = None
    """Downloads what `load` needs besides the files of the checkpoint; None where there is nothing else."""

    def checkpoint(self, name: str | None = None) -> Checkpoint:
        """Return the checkpoint called `name`, or the default one. Raises BadInput, listing the names."""
        if name is None:
            return self.checkpoints[0]
        for checkpoint in self.checkpoints:
            if checkpoint.name == name:
                return checkpoint
        names = ", ".join(c.name for c in self.checkpoints)
        raise BadInput(f"{self.id} has no checkpoint {quoted(name)}. It has: {names}.")

    def scale_with(self, options: Options) -> float:
        """Return the scale factor with these options: the option `scale` where there is one."""
        return float(getattr(options, "scale", self.scale))

    def size_with(self, options: Options, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the result for an input of `height` x `width`."""
        scale = self.scale_with(options)
        return max(round(scale * height), 1), max(round(scale * width), 1)

    def invents_with(self, checkpoint: Checkpoint) -> bool:
        """Return whether results of this checkpoint may contain invented detail."""
        return self.invents if checkpoint.invents is None else checkpoint.invents

    @property
    def large(self) -> bool:
        """Whether it needs a GPU, and is listed apart."""
        return self.checkpoints[0].needs is not None

    def tiling_of(self, checkpoint: Checkpoint) -> Tiling:
        """Return the tiling rule of this checkpoint."""
        return checkpoint.tiling or self.tiling


@dataclass(frozen=True)
class ModelIdentity:
    """What determines a loaded model: jobs with equal identities share it in memory, and its converted form on disk."""

    approach: str
    load: Callable[[Request], Upscaler]
    checkpoint: Checkpoint
    precision: Precision
    scale: int
    load_options: tuple[tuple[str, object], ...] = ()
    """Name and value of each option that changes what is loaded, where it differs from its default."""


@lru_cache
def card(stem: str) -> dict[str, Any]:
    """Return the card `weights/<stem>.json` of an embedded checkpoint, as the trainer wrote it."""
    return json.loads((EMBEDDED / f"{stem}.json").read_text(encoding="utf-8"))


def embedded(
    name: str, stem: str, title: str, *, bytes_per_pixel: int, variant: str = "", tiling: Tiling | None = None
) -> Checkpoint:
    """Return the embedded checkpoint in `weights/<stem>.*`; size, sha256, parameters and licence come from its card.

    Args:
        name: short name within the approach.
        stem: name of the weight file and its card, without suffix.
        title: name shown on the page.
        bytes_per_pixel: peak memory per LR pixel, until `bench --costs all` has written a measured value into the card.
        variant: see `Checkpoint.variant`.
        tiling: see `Checkpoint.tiling`.
    """
    written = card(stem)
    costs = written.get("costs", {})
    return Checkpoint(
        name=name,
        title=title,
        files=(WeightFile(written["file"], written["sha256"], written["bytes"]),),
        licence=written["licence"],
        parameters=written["parameters"],
        bytes_per_pixel=costs.get("bytes_per_pixel", bytes_per_pixel),
        timings=from_card(costs),
        # All our networks convolve at the size of the input: each weight is used once per LR pixel, in two operations.
        flops_per_pixel=2.0 * written["parameters"],
        variant=variant,
        tiling=tiling,
    )
