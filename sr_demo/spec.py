"""The types that describe an approach, and the protocol of what it loads.

Nothing here imports torch, faiss or gradio: the catalogue is read long before the first image is upscaled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from sr_demo.checkpoint import WHOLE, Checkpoint, Tiling
from sr_demo.errors import BadInput, quoted
from sr_demo.image import Image, Size
from sr_demo.options import Options
from sr_demo.progress import Progress

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
"""Requested precision of a network. `auto` chooses int8 only where it ships with this app, costs next to nothing, and is
measured to be faster (`backends/shipped_int8.py`)."""
Family = Literal["baseline", "convolutional", "attention", "adversarial", "retrieval", "diffusion", "implicit", "faces"]


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
        """Loss of PSNR-Y against fp32 in dB for int8; None for every other precision.

        Measured on Set5 and Set14 for networks that come in int8, on bundled photos for those quantized here.
        """
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


@runtime_checkable
class SizedUpscaler(Upscaler, Protocol):
    """An upscaler that reaches any size by itself, from 1 to 8 times the input: that of an approach with `any_scale`."""

    def upscale_to(self, image: Image, size: Size, options: Options, progress: Progress) -> Image:
        """Upscale one image like `upscale`, to `size` whatever the scale factor in the options."""
        ...


class Remarked(NamedTuple):
    """An upscaled image, and what people should know about it."""

    image: Image
    remarks: tuple[str, ...]
    """Sentences, or parts of one, without a full stop."""


@runtime_checkable
class RemarkingUpscaler(Upscaler, Protocol):
    """An upscaler that reports what it did to an image: one that takes it whole, without tiles made elsewhere."""

    def upscale_remarked(self, image: Image, options: Options, progress: Progress) -> Remarked:
        """Upscale one image like `upscale`, with remarks."""
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
    rendered: float = 0.0
    """Above 0 for methods that reach any size by themselves (`SizedUpscaler`): the share of their time at their own scale
    that is spent for each pixel of the result. The rest is spent for each pixel of the input."""
    invents: bool = False
    """True for generative methods; their results are marked "may invent detail: do not measure in it"."""
    preferred: tuple[str, ...] = ()
    """Names of published checkpoints; the first of them that is stored is the default instead of the first checkpoint."""
    preselected: bool = True
    """Whether it is ticked when the page opens."""
    fetch: Callable[[Progress], object] | None = None
    """Downloads what `load` needs besides the files of the checkpoint; None where there is nothing else."""

    def checkpoint(self, name: str | None = None) -> Checkpoint:
        """Return the checkpoint called `name`, or the first one. Raises BadInput, listing the names."""
        if name is None:
            return self.checkpoints[0]
        for checkpoint in self.checkpoints:
            if checkpoint.name == name:
                return checkpoint
        names = ", ".join(c.name for c in self.checkpoints)
        raise BadInput(f"{self.id} has no checkpoint {quoted(name)}. It has: {names}.")

    @property
    def any_scale(self) -> bool:
        """Whether it reaches any size by itself, without resampling."""
        return self.rendered > 0

    def scale_of(self, checkpoint: Checkpoint | None) -> int:
        """Return the scale factor of this checkpoint, which an option may change; of the approach for None."""
        return self.scale if checkpoint is None or checkpoint.scale is None else checkpoint.scale

    def scale_with(self, options: Options, checkpoint: Checkpoint | None = None) -> float:
        """Return the scale factor with these options: the option `scale` where there is one."""
        return float(getattr(options, "scale", self.scale_of(checkpoint)))

    def size_with(
        self, options: Options, height: int, width: int, checkpoint: Checkpoint | None = None
    ) -> tuple[int, int]:
        """Return height and width of the result for an input of `height` x `width`."""
        scale = self.scale_with(options, checkpoint)
        return max(round(scale * height), 1), max(round(scale * width), 1)

    def invents_with(self, checkpoint: Checkpoint) -> bool:
        """Return whether results of this checkpoint may contain invented detail."""
        return self.invents if checkpoint.invents is None else checkpoint.invents

    def load_options_of(self, checkpoint: Checkpoint) -> tuple[str, ...]:
        """Return the names of the options that change what is loaded of this checkpoint."""
        return self.load_options if checkpoint.load_options is None else checkpoint.load_options

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
