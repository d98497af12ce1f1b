"""TIFF encoder: gray or RGB, 8 or 16 bit, with or without alpha, in deflated strips, with profile and metadata.

tifffile does not write EXIF directories; Pillow writes neither 16 bits per channel nor strip by strip. Only the EXIF
directories are serialized by Pillow.

Sources: TIFF 6.0, sections 2, 8 and 14; BigTIFF; Adobe Photoshop TIFF Technical Notes (deflate).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from fractions import Fraction
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sr_demo.codecs import exif
from sr_demo.codecs.exif import EXIF, GPS, ORIENTATION, text_bytes
from sr_demo.codecs.parallel_bands import map_bands
from sr_demo.codecs.raster import Raster

LEVEL = 4
_STRIP = 2**18
_MOST_CLASSIC = 4 * 10**9
"""File size in bytes above which offsets need 8 bytes (BigTIFF)."""
_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _LONG8 = 1, 2, 3, 4, 5, 7, 16
_DEFLATE, _DIFFERENCES, _UNASSOCIATED = 8, 2, 2
_XMP, _IPTC, _ICC = 700, 33723, 34675
_HEAD, _BIG_HEAD = b"II*\0\0\0\0\0", b"II+\0\x08\0\0\0\0\0\0\0\0\0\0\0"
"""Headers; their last bytes are the offset of the first directory."""


@dataclass(frozen=True)
class _Tag:
    """One entry of a directory."""

    kind: int
    count: int
    content: bytes


def write(raster: Raster, file: IO[bytes]) -> None:
    """Encode an image as TIFF: strips first, then the directories.

    Args:
        raster: The image.
        file: File that is open for writing, at its beginning.
    """
    big = raster.width * raster.height * raster.channels * raster.bits // 8 > _MOST_CLASSIC
    place = struct.Struct("<Q" if big else "<I")
    file.write(_BIG_HEAD if big else _HEAD)
    offsets: list[int] = []
    counts: list[int] = []
    step = raster.step(_STRIP)

    def strip(top: int) -> bytes:
        return zlib.compress(_differences(raster.rows(top, min(top + step, raster.height))).tobytes(), LEVEL)

    for packed in map_bands(strip, range(0, raster.height, step)):
        offsets.append(file.tell())
        counts.append(len(packed))
        file.write(packed)
    tags = _pixel_tags(raster, step) | _metadata_tags(raster)
    offset = _LONG8 if big else _LONG
    tags |= {273: _numbers(offset, offsets), 279: _numbers(_LONG, counts)}
    found = exif.parsed(raster.metadata.exif_for(raster.width, raster.height))
    for pointer in (EXIF, GPS):
        if found[pointer]:
            at = _even(file)
            tags[pointer] = _numbers(offset, [at])
            file.write(exif.directory(found[pointer], pointer, at, _BIG_HEAD if big else _HEAD))
    at = _even(file)
    file.write(_directory(tags, at, big=big))
    file.seek(len(_BIG_HEAD if big else _HEAD) - place.size)
    file.write(place.pack(at))


def _even(file: IO[bytes]) -> int:
    """Move to an even offset, where directories begin, and return it."""
    file.write(bytes(file.tell() % 2))
    return file.tell()


def _differences(samples: NDArray[Any]) -> NDArray[Any]:
    """Return each pixel minus its left neighbour (horizontal predictor), little endian."""
    out = samples.astype("<u2" if samples.itemsize == 2 else np.uint8)
    out[:, 1:] = samples[:, 1:] - samples[:, :-1]  # wraps around
    return out


def _pixel_tags(raster: Raster, step: int) -> dict[int, _Tag]:
    tags = {
        256: _numbers(_LONG, [raster.width]),
        257: _numbers(_LONG, [raster.height]),
        258: _numbers(_SHORT, [raster.bits] * raster.channels),
        259: _numbers(_SHORT, [_DEFLATE]),
        262: _numbers(_SHORT, [1 if raster.is_gray else 2]),
        ORIENTATION: _numbers(_SHORT, [1]),
        277: _numbers(_SHORT, [raster.channels]),
        278: _numbers(_LONG, [step]),
        284: _numbers(_SHORT, [1]),
        317: _numbers(_SHORT, [_DIFFERENCES]),
    }
    if raster.has_alpha:
        tags[338] = _numbers(_SHORT, [_UNASSOCIATED])
    return tags


def _metadata_tags(raster: Raster) -> dict[int, _Tag]:
    """Return the tags of the first directory with profile and metadata."""
    found, tags = raster.metadata, dict[int, _Tag]()
    for tag, value in exif.parsed(found.exif)[0].items():
        if tag == ORIENTATION:
            continue
        if isinstance(value, str):
            text = text_bytes(value) + b"\0"
            tags[tag] = _Tag(_ASCII, len(text), text)
        elif isinstance(value, bytes):
            tags[tag] = _Tag(_BYTE, len(value), value)
        elif isinstance(value, int) and 0 <= value < 2**16:
            tags[tag] = _numbers(_SHORT, [value])
    if found.dpi is not None:
        for tag, value in zip((282, 283), found.dpi, strict=True):
            ratio = Fraction(value).limit_denominator(4000)
            tags[tag] = _Tag(_RATIONAL, 1, struct.pack("<II", ratio.numerator, ratio.denominator))
        tags[296] = _numbers(_SHORT, [2])
    for tag, kind, content in (
        (_XMP, _BYTE, found.xmp), (_IPTC, _UNDEFINED, found.iptc), (_ICC, _UNDEFINED, raster.icc),
    ):  # fmt: skip
        if content:
            tags[tag] = _Tag(kind, len(content), content)
    return tags


def _numbers(kind: int, values: list[int]) -> _Tag:
    form = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}[kind]
    return _Tag(kind, len(values), struct.pack(f"<{len(values)}{form}", *values))


def _directory(tags: dict[int, _Tag], at: int, *, big: bool) -> bytes:
    """Serialize the last directory of a file for offset `at`, followed by the values that do not fit into its entries."""
    number, entry, place = ("<Q", "<HHQ", 8) if big else ("<H", "<HHI", 4)
    table, behind = struct.pack(number, len(tags)), b""
    free = at + len(table) + len(tags) * (struct.calcsize(entry) + place) + place
    for tag in sorted(tags):
        content = tags[tag].content
        table += struct.pack(entry, tag, tags[tag].kind, tags[tag].count)
        if len(content) <= place:
            table += content.ljust(place, b"\0")
        else:
            table += (free + len(behind)).to_bytes(place, "little")
            behind += content + b"\0" * (len(content) % 2)
    return table + bytes(place) + behind
