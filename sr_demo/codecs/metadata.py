"""Metadata of image files, and the part of them that a result carries: date, camera, place, resolution, XMP, IPTC.

Orientation is reset, since images are turned upright when they are read; sizes in pixels are those of the result. The ICC
profile does not count as metadata, since it defines the meaning of the values; see `ImageData.icc`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image as Pillow

from sr_demo.codecs import exif, iptc, xmp
from sr_demo.codecs.exif import EXIF, GPS, ORIENTATION, Directories
from sr_demo.codecs.formats import Carry

_WIDTH, _HEIGHT = 0xA002, 0xA003
_ACROSS, _DOWN, _UNIT = 0x011A, 0x011B, 0x0128
_PER_INCH = {2: 1.0, 3: 2.54}
_XMP, _IPTC, _PHOTOSHOP = 700, 33723, 34377
_TAGS = {
    0x010E: "ImageDescription", 0x010F: "Make", 0x0110: "Model", 0x0131: "Software", 0x0132: "DateTime",
    0x013B: "Artist", 0x013C: "HostComputer", 0x4746: "Rating", 0x4749: "RatingPercent", 0x8298: "Copyright",
    0x9C9B: "XPTitle", 0x9C9C: "XPComment", 0x9C9D: "XPAuthor", 0x9C9E: "XPKeywords", 0x9C9F: "XPSubject",
}  # fmt: skip
"""Tags of the first directory that are kept; the others describe how the file stores its pixels."""
_OF_PIXELS = ("ImageJ=", "{", "<", "SCANIMAGE")
"""Prefixes of an ImageDescription that describes the pixels of the file, as microscopes write it; it is not kept."""
_NOT_KEPT = {0x927C, 0xA005}
"""MakerNote, whose offsets are valid only in the original file, and the pointer to the interoperability directory."""
_SERIAL_NUMBERS = {0xA431, 0xA435}
"""BodySerialNumber and LensSerialNumber."""
_DESCRIPTION = 0x010E
_MOST_BYTES = 2**18
POSITION, SERIAL_NUMBERS = "GPS position", "serial numbers"


@dataclass(frozen=True)
class Metadata:
    """Metadata of an upright image."""

    exif: bytes | None = None
    """EXIF data as a TIFF structure, without JPEG's prefix "Exif"."""
    xmp: bytes | None = None
    """An XMP packet, UTF-8."""
    dpi: tuple[float, float] | None = None
    """Pixels per inch across and down in the upright image."""
    iptc: bytes | None = None
    """IIM records."""

    def exif_for(self, width: int, height: int, *, resolution: bool = False, orientation: bool = True) -> bytes | None:
        """Return the EXIF data for a file.

        Args:
            width: Width of the file's image in pixels.
            height: Height of the file's image in pixels.
            resolution: Whether to include `dpi`, for formats that have no other field for it.
            orientation: Whether to state that the image is upright.
        """
        dpi = self.dpi if resolution else None
        if self.exif is None and dpi is None:
            return None
        found = exif.parsed(self.exif)
        if found[EXIF]:
            found[EXIF].update({_WIDTH: width, _HEIGHT: height})
        if dpi is not None:
            found[0].update({_ACROSS: dpi[0], _DOWN: dpi[1], _UNIT: 2})
        found[0][ORIENTATION] = 1
        if not orientation:
            del found[0][ORIENTATION]
        return exif.serialized(found)

    def turned(self, orientation: int) -> Metadata:
        """Return the metadata of the upright image for those of a stored one; `orientation` is that of EXIF, 1..8."""
        return self if self.dpi is None or orientation < 5 else replace(self, dpi=self.dpi[::-1])

    def names(self) -> tuple[str, ...]:
        """Return the names of the metadata that are present."""
        found = (("EXIF", self.exif), ("XMP", self.xmp), ("IPTC", self.iptc))
        return tuple(name for name, content in found if content is not None)


def carried(metadata: Metadata, carry: Carry) -> tuple[Metadata, tuple[str, ...]]:
    """Return the part of `metadata` that a result carries, and the names of what was removed."""
    if carry == "all":
        return metadata, ()
    public, removed = _without_private(metadata)
    if carry == "public":
        return public, removed
    return Metadata(dpi=metadata.dpi), (*metadata.names(), *removed)


def _without_private(metadata: Metadata) -> tuple[Metadata, tuple[str, ...]]:
    """Return `metadata` without position and serial numbers, and the names of what was removed."""
    removed: list[str] = []
    content, packet = metadata.exif, metadata.xmp
    if content is not None:
        found = exif.parsed(content)
        part = found[EXIF]
        hidden = [(POSITION, bool(found[GPS])), (SERIAL_NUMBERS, not _SERIAL_NUMBERS.isdisjoint(part))]
        removed += [name for name, is_there in hidden if is_there]
        if removed:
            kept = {tag: value for tag, value in part.items() if tag not in _SERIAL_NUMBERS}
            content = _bounded({0: found[0], EXIF: kept})
    for name, without in ((POSITION, xmp.without_position), (SERIAL_NUMBERS, xmp.without_serial_numbers)):
        if packet is not None:
            packet, is_there = without(packet)
            removed += [name] if is_there else []
    return replace(metadata, exif=content, xmp=packet), tuple(dict.fromkeys(removed))


def of_info(info: Mapping[Any, Any], data: Pillow.Exif | None) -> Metadata:
    """Collect metadata from an image that Pillow has read.

    Args:
        info: The image's `info`. Its "dpi" takes precedence over EXIF data.
        data: EXIF data of the image; None if it has none, or if they are broken.
    """
    tags: Mapping[int, Any] = {} if data is None else data
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp") or tags.get(_XMP)
    packet = packet.encode("utf-8", "ignore") if isinstance(packet, str) else packet
    resources = info.get("photoshop")  # resources of a JPEG by number
    records = (
        iptc.records(resources.get(0x0404) if isinstance(resources, dict) else None)
        or iptc.in_text(info.get("Raw profile type iptc"))
        or iptc.records(tags.get(_IPTC))
        or iptc.in_resources(tags.get(_PHOTOSHOP))
    )
    dpi = _resolution(info.get("dpi")) or _resolution_of(tags)
    return Metadata(None if data is None else _kept(data), xmp.of_result(packet), dpi, records)


def of_tags(tags: Mapping[int, Any], dpi: tuple[float, float] | None) -> Metadata:
    """Collect metadata from the tags of a TIFF page that Pillow does not open.

    Args:
        tags: Values by tag number.
        dpi: Pixels per inch across and down; None if they are unknown.
    """
    texts = {tag: value.encode() if isinstance(value, str) else value for tag, value in tags.items()}
    return Metadata(_bounded({0: _described(texts)}), xmp.of_result(tags.get(_XMP)), _resolution(dpi))


def _kept(data: Pillow.Exif) -> bytes | None:
    found = exif.directories(data)
    parts = {
        pointer: {tag: value for tag, value in found[pointer].items() if tag not in _NOT_KEPT}
        for pointer in (EXIF, GPS)
    }
    return _bounded({0: _described(found[0]), **parts})


def _described(tags: Mapping[int, Any]) -> dict[int, Any]:
    """Return the tags of a first directory that are kept."""
    found = {tag: tags[tag] for tag in _TAGS if tags.get(tag) is not None}
    if _as_text(found.get(_DESCRIPTION, "")).startswith(_OF_PIXELS):
        del found[_DESCRIPTION]
    return found


def _bounded(found: Directories) -> bytes | None:
    """Return EXIF data as bytes; None if there are none, or more than `_MOST_BYTES`."""
    if not any(found.values()):
        return None
    content = exif.serialized({**found, 0: {**found[0], ORIENTATION: 1}})
    return content if len(content) <= _MOST_BYTES else None


def _as_text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _resolution_of(tags: Mapping[int, Any]) -> tuple[float, float] | None:
    """Return the pixels per inch from EXIF tags."""
    factor = _PER_INCH.get(tags.get(_UNIT, 2))
    return None if factor is None else _resolution([_times(tags.get(tag), factor) for tag in (_ACROSS, _DOWN)])


def _times(value: Any, factor: float) -> float:
    """Return a number times `factor`; 0 if it is not a number, and for a fraction with denominator 0."""
    try:
        return float(value) * factor
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0


def _resolution(dpi: object) -> tuple[float, float] | None:
    """Return the pixels per inch if both are plausible numbers, otherwise None."""
    if not isinstance(dpi, tuple | list) or len(dpi) != 2:
        return None
    across, down = float(dpi[0]), float(dpi[1])
    return (across, down) if 1 < across < 1e6 and 1 < down < 1e6 else None


def resolution_in_words(dpi: Iterable[float]) -> str:
    """Return "300 dpi", or "300 x 150 dpi"."""
    return " x ".join(dict.fromkeys(f"{value:.0f}" for value in dpi)) + " dpi"
