"""File formats of results: what each can store, and the settings that a caller may choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from sr_demo.codecs.sniff import Kind
from sr_demo.errors import BadInput, quoted

Format = Literal["png", "jpeg", "webp", "avif", "tiff"]
Carry = Literal["all", "public", "none"]
"""Metadata that results carry: all, all except position and serial numbers, or none. Profile and resolution always stay."""
SAME = "same"
"""Stands for the format of the input."""
LOSSLESS = 100
"""Quality at which WebP is lossless."""


@dataclass(frozen=True)
class FileFormat:
    """Capabilities of a file format."""

    name: Format
    title: str
    suffixes: tuple[str, ...]
    """File name suffixes; the first one is used for writing."""
    mime: str
    most_side: int
    """Largest number of pixels along one side."""
    quality: int | None = None
    """Default quality, from 1 to 100; None for lossless formats."""
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
        """The suffix for writing."""
        return self.suffixes[0]


FORMATS: dict[str, FileFormat] = {
    found.name: found
    for found in (
        FileFormat("png", "PNG", (".png",), "image/png", 2**31 - 1, deep=True),
        FileFormat("jpeg", "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), "image/jpeg", 65_500, 95, alpha=False),
        FileFormat("webp", "WebP", (".webp",), "image/webp", 16_383, 90, gray=False, iptc=False, whole=True),
        # libavif decodes sides up to 16,384 pixels by default.
        FileFormat("avif", "AVIF", (".avif",), "image/avif", 16_384, 90, gray=False, iptc=False, whole=True),
        FileFormat("tiff", "TIFF", (".tif", ".tiff"), "image/tiff", 2**31 - 1, deep=True),
    )
}
_LIKE: dict[Kind, Format] = {"JPEG": "jpeg", "WEBP": "webp", "AVIF": "avif", "HEIF": "avif", "TIFF": "tiff"}


@dataclass(frozen=True)
class Output:
    """Settings for writing a result. Raises BadInput for settings that the format does not support."""

    format: Format | Literal["same"] = "png"
    quality: int | None = None
    """1 to 100; None for the default of the format."""
    bits: Literal[8, 16] | None = None
    """Bits per channel; None for those of the input, if the format supports them."""
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
        """Capabilities of the format, which must not be `SAME`."""
        return FORMATS[self.format]

    def like(self, kind: Kind | None) -> Output:
        """Replace the format `SAME` by that of an input of this kind, or by PNG if it cannot be written; else return self."""
        if self.format != SAME:
            return self
        found = FORMATS[_LIKE.get(kind, "png") if kind else "png"]
        quality = self.quality if found.quality is not None else None
        return replace(self, format=found.name, quality=quality, bits=self.bits if found.deep else None)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, for manifests."""
        return {"format": self.format, "quality": self.quality, "bits": self.bits, "metadata": self.metadata}


def output_from(values: Mapping[str, Any], default: Output) -> Output:
    """Return `default` updated with values from an API call. Raises BadInput for unknown names and for bad values."""
    known = default.as_dict()
    for name in values:
        if name not in known:
            raise BadInput(f"There is no setting {quoted(name)} of the output. There are: {', '.join(known)}.")
    return Output(**{**known, **values})


def format_of(path: Path) -> Format | None:
    """Return the format that matches the suffix of a file name; None if there is none."""
    ending = path.suffix.lower()
    return next((found.name for found in FORMATS.values() if ending in found.suffixes), None)


@dataclass(frozen=True)
class Written:
    """Record of the metadata in a written file."""

    kept: tuple[str, ...] = ()
    """Names of the data that were kept, such as "EXIF", "colour profile" and "300 dpi"."""
    removed: tuple[str, ...] = ()
    """Names of the data that were removed on request, such as "GPS position"."""
    notes: tuple[str, ...] = ()
    """Sentences about what the format cannot store."""

    @property
    def sentence(self) -> str:
        """What was kept and what was removed; empty if there was nothing to keep or remove."""
        kept = f"Kept: {', '.join(self.kept)}." if self.kept else ""
        removed = f"Removed: {', '.join(self.removed)}." if self.removed else ""
        return " ".join(filter(None, (kept, removed)))

    def as_dict(self) -> dict[str, Any]:
        """Return `kept` and `removed` by name, for reports and manifests."""
        return {"kept": list(self.kept), "removed": list(self.removed)}
