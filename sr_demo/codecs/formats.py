"""File formats that results are written in: what each can hold, and what a caller may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from sr_demo.codecs.sniff import Kind
from sr_demo.errors import BadInput, quoted

Format = Literal["png", "jpeg", "webp", "avif", "tiff"]
Carry = Literal["all", "public", "none"]
"""Which metadata results carry: all; all but position and serial numbers; or none. Profile and resolution always stay."""
SAME = "same"
"""In the place of a format: that of the input."""
LOSSLESS = 100
"""Quality at which WebP is lossless."""


@dataclass(frozen=True)
class FileFormat:
    """What a file format can hold."""

    name: Format
    title: str
    suffixes: tuple[str, ...]
    """Endings of file names; the first is the one that is written."""
    mime: str
    most_side: int
    """Most pixels along one side."""
    quality: int | None = None
    """Default quality, from 1 to 100; None for formats without loss."""
    deep: bool = False
    """Whether 16 bits per channel are possible."""
    alpha: bool = True
    gray: bool = True
    """Whether one channel is possible."""
    iptc: bool = True
    whole: bool = False
    """Whether its encoder needs the whole image in memory."""

    @property
    def suffix(self) -> str:
        """The ending that is written."""
        return self.suffixes[0]


FORMATS: dict[str, FileFormat] = {
    found.name: found
    for found in (
        FileFormat("png", "PNG", (".png",), "image/png", 2**31 - 1, deep=True),
        FileFormat("jpeg", "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), "image/jpeg", 65_500, 95, alpha=False),
        FileFormat("webp", "WebP", (".webp",), "image/webp", 16_383, 90, gray=False, iptc=False, whole=True),
        # 16,384 is the side up to which libavif decodes by default.
        FileFormat("avif", "AVIF", (".avif",), "image/avif", 16_384, 90, gray=False, iptc=False, whole=True),
        FileFormat("tiff", "TIFF", (".tif", ".tiff"), "image/tiff", 2**31 - 1, deep=True),
    )
}
_LIKE: dict[Kind, Format] = {"JPEG": "jpeg", "WEBP": "webp", "AVIF": "avif", "HEIF": "avif", "TIFF": "tiff"}


@dataclass(frozen=True)
class Output:
    """How a result is written. Raises BadInput for what the format does not have."""

    format: Format | Literal["same"] = "png"
    quality: int | None = None
    """1 to 100; None is the default of the format."""
    bits: Literal[8, 16] | None = None
    """Per channel; None follows the input where the format can."""
    metadata: Carry = "all"

    def __post_init__(self) -> None:
        if self.format not in (*FORMATS, SAME):
            raise BadInput(f"There is no format {quoted(self.format)}. There are: {', '.join((*FORMATS, SAME))}.")
        if self.quality is not None and not (type(self.quality) is int and 1 <= self.quality <= 100):
            raise BadInput(f"The quality is a whole number from 1 to 100, not {quoted(self.quality)}.")
        if self.bits not in (None, 8, 16):
            raise BadInput(f"There are 8 or 16 bits per channel, not {quoted(self.bits)}.")
        if self.metadata not in get_args(Carry):
            raise BadInput(f"Metadata is one of {', '.join(get_args(Carry))}, not {quoted(self.metadata)}.")
        if self.format == SAME:
            return
        if self.quality is not None and self.file_format.quality is None:
            raise BadInput(f"{self.file_format.title} has no quality: it keeps every value. Leave the quality out.")
        if self.bits == 16 and not self.file_format.deep:
            raise BadInput(f"{self.file_format.title} holds 8 bits per channel. Choose png or tiff for 16.")

    @property
    def file_format(self) -> FileFormat:
        """What the format can hold; the format is not `SAME`."""
        return FORMATS[self.format]

    def like(self, kind: Kind | None) -> Output:
        """Return the output for an input of this kind: where the format is `SAME`, that of the input, else PNG."""
        if self.format != SAME:
            return self
        found = FORMATS[_LIKE.get(kind, "png") if kind else "png"]
        quality = self.quality if found.quality is not None else None
        return replace(self, format=found.name, quality=quality, bits=self.bits if found.deep else None)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, as manifests record them."""
        return {"format": self.format, "quality": self.quality, "bits": self.bits, "metadata": self.metadata}


def output_from(values: Mapping[str, Any], default: Output) -> Output:
    """Return `default` with the values that a program has sent. Raises BadInput on unknown names and on bad values."""
    known = default.as_dict()
    for name in values:
        if name not in known:
            raise BadInput(f"There is no setting {quoted(name)} of the output. There are: {', '.join(known)}.")
    return Output(**{**known, **values})


def format_of(path: Path) -> Format | None:
    """Return the format that the ending of a file name means; None for an ending of another kind, and for none."""
    ending = path.suffix.lower()
    return next((found.name for found in FORMATS.values() if ending in found.suffixes), None)


@dataclass(frozen=True)
class Written:
    """What a written file holds beside its pixels."""

    kept: tuple[str, ...] = ()
    """Such as "EXIF", "colour profile" and "300 dpi"."""
    removed: tuple[str, ...] = ()
    """What was left out on request, such as "GPS position"."""
    notes: tuple[str, ...] = ()
    """What the format cannot hold, as sentences."""

    @property
    def sentence(self) -> str:
        """What was kept and what was removed; empty where the input had nothing."""
        kept = f"Kept: {', '.join(self.kept)}." if self.kept else ""
        removed = f"Removed: {', '.join(self.removed)}." if self.removed else ""
        return " ".join(filter(None, (kept, removed)))

    def as_dict(self) -> dict[str, Any]:
        """Return kept and removed by name, as reports and manifests record them."""
        return {"kept": list(self.kept), "removed": list(self.removed)}
