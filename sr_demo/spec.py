"""Types that describe an approach, and the protocols of loaded approaches.

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
"""Requested precision of a network. `auto` chooses int8 only if this form ships with this app, loses very little, and is
faster on this machine (`inference/default_int8.py`)."""
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
        """Loss of PSNR-Y against fp32 in dB for int8; None for other precisions.

        It is measured on Set5 and Set14 for shipped int8 networks, and on bundled photos for networks quantized here.
        """
        ...

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """Upscale one image. Stateless: the same options give the same result.

        Args:
            image: (H, W, 3) float32 RGB in [0, 1], read-only.
            options: Options of the type that the approach declares.
            progress: Receives 0..1.

        Returns:
            (H * scale, W * scale, 3) float32 RGB, with rounded sides.

        Raises:
            OutOfMemory: A smaller image, or tile, may fit.
            Cancelled: Stop was pressed; raised by `progress`.
        """
        ...


@runtime_checkable
class BatchUpscaler(Upscaler, Protocol):
    """An upscaler for several tiles at once, which computes ahead while its caller places results.

    It also states the free memory of its device.
    """

    @property
    def at_once(self) -> int:
        """Largest useful number of tiles in a batch; 1 if larger batches are not faster."""
        ...

    def budget(self) -> int:
        """Return the bytes of device memory that one batch may take now."""
        ...

    def upscale_many(self, batches: Iterable[Sequence[Image]], options: Options) -> Iterator[list[Image]]:
        """Upscale every image of every batch, in order.

        Args:
            batches: Images as in `upscale`; those of one batch have the same shape. The next batch may be taken before the
                results of the previous one are yielded.
            options: See `upscale`.

        Yields:
            The results of one batch.

        Raises:
            OutOfMemory: Fewer images at once, or smaller ones, may fit.
        """
        ...


@runtime_checkable
class SizedUpscaler(Upscaler, Protocol):
    """An upscaler that reaches any size from 1 to 8 times the input directly, for approaches with `any_scale`."""

    def upscale_to(self, image: Image, size: Size, options: Options, progress: Progress) -> Image:
        """Upscale one image like `upscale`, but to `size`, regardless of the scale factor in the options."""
        ...


class RemarkedImage(NamedTuple):
    """An upscaled image, with remarks for users."""

    image: Image
    remarks: tuple[str, ...]
    """Sentences, or parts of one, without a full stop."""


@runtime_checkable
class RemarkingUpscaler(Upscaler, Protocol):
    """An upscaler that returns remarks with its result. It processes images as a whole or tiles them itself."""

    def upscale_remarked(self, image: Image, options: Options, progress: Progress) -> RemarkedImage:
        """Upscale one image like `upscale`, with remarks."""
        ...


@dataclass(frozen=True)
class Request:
    """The input of a loader, which returns an `Upscaler`."""

    checkpoint: Checkpoint
    files: Sequence[Path]
    """Verified local files, in the order of `checkpoint.files`; then the folders of its repositories."""
    options: Options
    precision: Precision
    progress: Progress
    """Receives the progress of slow loaders (building a patch database, converting a network)."""


@dataclass(frozen=True)
class Approach:
    """One super-resolution method."""

    id: str
    """Lower-case slug; the name on the command line and in the API."""
    title: str
    summary: str
    """Sentence fragment for the checkbox that describes the effect on an image."""
    about: str
    """Two or three sentences that explain the method, with the paper."""
    family: Family
    load: Callable[[Request], Upscaler]
    checkpoints: tuple[Checkpoint, ...] = (Checkpoint("default", "no weights"),)
    options: type[Options] = Options
    load_options: tuple[str, ...] = ()
    """Names of the options that change what is loaded; other options only change the computation."""
    tiling: Tiling = WHOLE
    scale: int = 4
    rendered: float = 0.0
    """Above 0 for methods that reach any size directly (`SizedUpscaler`): the share of their time at their own scale that is
    proportional to the pixels of the result. The rest is proportional to the pixels of the input."""
    invents: bool = False
    """True for generative methods; their results are marked "may invent detail: do not measure in it"."""
    preferred: tuple[str, ...] = ()
    """Names of published checkpoints; the first stored one among them is the default instead of the first checkpoint."""
    preselected: bool = True
    """Whether the approach is ticked when the page opens."""
    fetch: Callable[[Progress], object] | None = None
    """Downloads further files that `load` needs besides those of the checkpoint; None for none."""

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
        """Whether the approach reaches any size directly, without resampling."""
        return self.rendered > 0

    def scale_of(self, checkpoint: Checkpoint | None) -> int:
        """Return the scale factor of this checkpoint, or of the approach for None; an option may change it."""
        return self.scale if checkpoint is None or checkpoint.scale is None else checkpoint.scale

    def scale_with(self, options: Options, checkpoint: Checkpoint | None = None) -> float:
        """Return the scale factor with these options, which is the option `scale` if there is one."""
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
        """Whether the approach needs a GPU, so that it is listed separately."""
        return self.checkpoints[0].needs is not None

    def tiling_of(self, checkpoint: Checkpoint) -> Tiling:
        """Return the tiling rule of this checkpoint."""
        return checkpoint.tiling or self.tiling


@dataclass(frozen=True)
class ModelIdentity:
    """Everything that determines a loaded model.

    Jobs with equal identities share the model in memory and its converted form on disk.
    """

    approach: str
    load: Callable[[Request], Upscaler]
    checkpoint: Checkpoint
    precision: Precision
    scale: int
    load_options: tuple[tuple[str, object], ...] = ()
    """Name and value of each option that changes what is loaded and differs from its default."""
