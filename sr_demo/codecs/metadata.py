"""What an image file says beside its pixels, and what of it a result carries: date, camera, place, resolution, XMP.

Orientation is left out, since images are turned upright when they are read; sizes in pixels are those of the result. The ICC
profile is no metadata but belongs to the values: it is `ImageData.icc`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image as Pillow

_ORIENTATION, _EXIF, _GPS = 0x0112, 0x8769, 0x8825
_WIDTH, _HEIGHT = 0xA002, 0xA003
_TAGS = {0x010F: "Make", 0x0110: "Model", 0x0132: "DateTime", 0x013B: "Artist", 0x8298: "Copyright"}
"""Tags of the first directory that are kept: the others describe how the file stores its pixels."""
_NOT_KEPT = {0x927C, 0xA005}
"""MakerNote, whose offsets point into the file that it came from, and the pointer to the interoperability directory."""
_MOST_BYTES = 2**18
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"\']|>\s*))[2-8]")
_XMP_SIZE = re.compile(rb"<(exif:PixelXDimension|exif:PixelYDimension|tiff:ImageWidth|tiff:ImageLength)>\d+</\1>"
                       rb"|\s(?:exif:Pixel[XY]Dimension|tiff:ImageWidth|tiff:ImageLength)=[\"\']\d+[\"\']")  # fmt: skip


@dataclass(frozen=True)
class Metadata:
    """Metadata of an upright image."""

    exif: bytes | None = None
    """A TIFF structure, without the "Exif" in front that JPEG has."""
    xmp: bytes | None = None
    """An XMP packet, UTF-8."""
    dpi: tuple[float, float] | None = None
    """Pixels per inch across and down, as the file has them."""

    def exif_for(self, width: int, height: int) -> bytes | None:
        """Return the EXIF data for a file of this size in pixels."""
        if self.exif is None:
            return None
        data = Pillow.Exif()
        data.load(self.exif)
        part = data.get_ifd(_EXIF)
        if not part:
            return self.exif
        part[_WIDTH], part[_HEIGHT] = width, height
        return _without_head(data.tobytes())


def of_info(info: Mapping[Any, Any], exif: Pillow.Exif | None) -> Metadata:
    """Collect metadata from what Pillow has read.

    Args:
        info: of a picture.
        exif: of the same picture; None where it has none, or broken ones.
    """
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp")
    xmp = xmp.encode("utf-8", "ignore") if isinstance(xmp, str) else xmp
    return Metadata(None if exif is None else _kept(exif), _upright_xmp(xmp), _resolution(info.get("dpi")))


def of_tags(tags: Mapping[int, Any], dpi: tuple[float, float] | None) -> Metadata:
    """Collect metadata from the tags of a TIFF page that Pillow does not open.

    Args:
        tags: value by number.
        dpi: pixels per inch.
    """
    data = Pillow.Exif()
    for tag in _TAGS:
        if isinstance(tags.get(tag), str):
            data[tag] = tags[tag]
    return Metadata(_bounded(data), None, _resolution(dpi))


def _kept(exif: Pillow.Exif) -> bytes | None:
    data = Pillow.Exif()
    for tag in _TAGS:
        if tag in exif:
            data[tag] = exif[tag]
    for pointer in (_EXIF, _GPS):
        part = {tag: value for tag, value in exif.get_ifd(pointer).items() if tag not in _NOT_KEPT}
        if part:
            data.get_ifd(pointer).update(part)
    return _bounded(data)


def _bounded(data: Pillow.Exif) -> bytes | None:
    """The bytes of `data`; None where there are none, or more than photos have."""
    if not len(data) and not data.get_ifd(_EXIF) and not data.get_ifd(_GPS):
        return None
    data[_ORIENTATION] = 1
    content = _without_head(data.tobytes())
    return content if len(content) <= _MOST_BYTES else None


def _without_head(exif: bytes) -> bytes:
    return exif.removeprefix(b"Exif\0\0")


def _upright_xmp(xmp: object) -> bytes | None:
    """The packet without orientation and sizes, which are those of the source."""
    if not isinstance(xmp, bytes) or not xmp or len(xmp) > _MOST_BYTES:
        return None
    return _XMP_SIZE.sub(b"", _XMP_ORIENTATION.sub(rb"\g<1>1", xmp))


def _resolution(dpi: object) -> tuple[float, float] | None:
    """Pixels per inch where both are numbers that a file can state."""
    if not isinstance(dpi, tuple | list) or len(dpi) != 2:
        return None
    across, down = float(dpi[0]), float(dpi[1])
    return (across, down) if 1 < across < 1e6 and 1 < down < 1e6 else None
