"""What an approach is: a value that says what it is called, what it needs, what it can be asked, and how to load it.

Nothing here imports torch, faiss or gradio: the catalogue is read long before the first picture is enlarged.
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
"""The folder of embedded checkpoints and their cards."""

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
"""What a network is asked to compute in. int8 is never what `auto` turns out to be: it costs a little quality."""
Family = Literal["baseline", "convolutional", "attention", "adversarial", "retrieval", "diffusion", "implicit"]


@dataclass(frozen=True)
class WeightFile:
    """One file of a checkpoint. Its identity is its sha256; where it comes from is secondary."""

    name: str
    """File name; embedded files lie in `weights/` under this name."""
    sha256: str
    bytes: int
    sources: tuple[str, ...] = ()
    """Places that hold these very bytes, tried in order: `owner/repo:path/in/repo` on the Hub, or an https address.
    Empty for embedded files."""


TILE_ERROR = 1 / 4096
"""A sixteenth of the step between two 8-bit values."""


@dataclass(frozen=True)
class Tiling:
    """How a picture may be cut. All lengths in LR pixels."""

    mode: Literal["tiles", "whole", "own"]
    """`tiles`: a local operator; `whole`: needs the whole picture at once; `own`: cuts the picture itself."""
    halo: int = 0
    """Context around each tile."""
    multiple_of: int = 1
    """Tile borders lie on multiples of this, from the top left corner of the picture."""
    blend: int = 0
    """Half-width of the smooth transition between tiles; 0 where the halo covers what the network looks at, so that in
    fp32 no value of the result is further than `TILE_ERROR` from that of the whole picture (`bench --halos`)."""
    largest: int = 320
    """A picture of at most as many pixels as a square of this side stays in one piece, where memory allows."""
    seen: int = 254
    """Greatest width of what the network is given of a larger one, halo included. In bf16, convolutions of OpenVINO take a
    fifth to a third more for each pixel from a width of 256 on, torch's twice as much at 412 (`bench --tiles`)."""
    max_aspect: int = 1
    """How many times as high as wide that may be: of height, most convolutions do not mind twice as much."""
    held: int = 0
    """Bytes per pixel of the result that the approach holds of the whole of it while it works, the result not counted."""


WHOLE = Tiling("whole", held=40)
OWN = Tiling("own", held=40)


@dataclass(frozen=True)
class Repository:
    """Files of a repository on the Hub that belong together, as pipelines of the diffusers package want them.

    Too large to be fetched unasked: whoever runs the checkpoint agrees to the download first.
    """

    name: str
    """owner/repository."""
    patterns: tuple[str, ...]
    """Which of its files, as shell patterns over their paths. Weights in safetensors wherever there is a choice."""
    bytes: int
    """About how much that is, and what is agreed to: the Hub is asked for true sizes, and one tenth more is refused."""
    revision: str = ""
    """A commit, for what must not change under us; empty for the newest."""


@dataclass(frozen=True)
class Checkpoint:
    """Trained weights of an approach, or a variant that needs none (`files` is empty)."""

    name: str
    """Short and unique within the approach: the part after the colon in `rdn:mse`."""
    title: str
    """Plain words for the page."""
    files: tuple[WeightFile, ...] = ()
    licence: str = "Apache-2.0"
    """SPDX identifier of the weights."""
    parameters: int = 0
    bytes_per_pixel: int = 2048
    """Peak working memory per LR pixel in fp32, measured; decides the tile size."""
    timings: tuple[Timing, ...] = ()
    """Seconds for pictures of a few sizes, measured, one for each engine; empty where that was not done."""
    flops_per_pixel: float = 0.0
    """Floating point operations per LR pixel (2 per multiply-add): the time estimate where no seconds were measured."""
    note: str = ""
    """What to know before choosing it, one sentence."""
    variant: str = ""
    """For approaches whose variants share one loader: which one."""
    tiling: Tiling | None = None
    """Where it differs from the approach's."""
    invents: bool | None = None
    """Where it differs from the approach's."""
    repositories: tuple[Repository, ...] = ()
    """Hub repositories it is made of, after `files`."""
    needs: Needs | None = None
    """None for what runs on any machine."""

    @property
    def bytes(self) -> int:
        """Size of all files; about, where there are repositories."""
        return sum(file.bytes for file in self.files) + sum(repository.bytes for repository in self.repositories)

    @property
    def kind(self) -> Literal["none", "embedded", "hub", "own"]:
        """Where it lives: nowhere (no weights), in `weights/`, on the Hub, or with the person who has a copy."""
        if self.needs is not None and self.needs.variables:
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
        """How it computes: "fp32", "bf16" or "fp16"."""
        ...

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        """(H, W, 3) float32 RGB in [0, 1], read-only -> (H * scale, W * scale, 3), rounded, of the same kind.

        Stateless; the same result twice for the same options. Raises Cancelled when `progress` says so.
        """
        ...


@runtime_checkable
class BatchUpscaler(Upscaler, Protocol):
    """An upscaler that takes several tiles at once, knows what its device can take, and computes on while its caller
    places results."""

    @property
    def at_once(self) -> int:
        """Most tiles in a batch: 1 where more do not help."""
        ...

    def budget(self) -> int:
        """Bytes that the work on one batch may take now, where it computes."""
        ...

    def upscale_many(self, batches: Iterable[Sequence[Image]], options: Options) -> Iterator[list[Image]]:
        """`upscale` for every image of every batch, in order; the images of one batch have one shape.

        May ask for a batch before it hands out the results of the last. Raises as `upscale` does, and what `batches` raises.
        """
        ...


@dataclass(frozen=True)
class Request:
    """What a loader is given."""

    checkpoint: Checkpoint
    files: Sequence[Path]
    """Verified local files, in the order of `checkpoint.files`; then the folders of its repositories."""
    options: Options
    precision: Precision
    progress: Progress
    """For loaders that take long (building a memory, converting a network)."""


@dataclass(frozen=True)
class Approach:
    """One way to enlarge a picture."""

    id: str
    """Lower-case slug; the name on the command line and in the API."""
    title: str
    summary: str
    """One plain sentence fragment for the checkbox: what it does to a picture."""
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
    """True for generative methods: their results carry "may invent detail: do not measure in it"."""
    preselected: bool = True
    """Ticked on a fresh page."""
    fetch: Callable[[Progress], object] | None = None
    """Downloads what `load` needs besides the files of the checkpoint, where there is such a thing."""

    def checkpoint(self, name: str | None = None) -> Checkpoint:
        """The checkpoint called `name`, or the default one. Raises BadInput, listing what there is."""
        if name is None:
            return self.checkpoints[0]
        for checkpoint in self.checkpoints:
            if checkpoint.name == name:
                return checkpoint
        names = ", ".join(c.name for c in self.checkpoints)
        raise BadInput(f"{self.id} has no checkpoint {quoted(name)}. It has: {names}.")

    def scale_with(self, options: Options) -> float:
        """How many times larger results are with these options: the option `scale` where it has one."""
        return float(getattr(options, "scale", self.scale))

    def size_with(self, options: Options, height: int, width: int) -> tuple[int, int]:
        """Height and width of the result for an input of `height` x `width`."""
        scale = self.scale_with(options)
        return max(round(scale * height), 1), max(round(scale * width), 1)

    def invents_with(self, checkpoint: Checkpoint) -> bool:
        """Whether results of this checkpoint may hold invented detail."""
        return self.invents if checkpoint.invents is None else checkpoint.invents

    @property
    def large(self) -> bool:
        """Whether it needs a GPU, and is listed apart."""
        return self.checkpoints[0].needs is not None

    def tiling_of(self, checkpoint: Checkpoint) -> Tiling:
        """How a picture may be cut for this checkpoint."""
        return checkpoint.tiling or self.tiling


@lru_cache
def card(stem: str) -> dict[str, Any]:
    """The card of the embedded checkpoint `weights/<stem>.json`, as the trainer wrote it."""
    return json.loads((EMBEDDED / f"{stem}.json").read_text(encoding="utf-8"))


def embedded(
    name: str, stem: str, title: str, *, bytes_per_pixel: int, variant: str = "", tiling: Tiling | None = None
) -> Checkpoint:
    """The checkpoint `name` that lies in `weights/<stem>.*`; size, sha256, parameters and licence come from its card.

    All our networks convolve at the size of the input, so each weight is used once per LR pixel: two operations.
    `bytes_per_pixel` counts until `python -m sr_demo bench --costs all` has written measured figures into the card.
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
        flops_per_pixel=2.0 * written["parameters"],
        variant=variant,
        tiling=tiling,
    )
