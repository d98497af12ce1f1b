"""EXIF data as directories of tags, and as bytes.

Pillow parses and serializes single directories. They are joined here, since Pillow writes non-ASCII texts as question marks,
and data of undefined type as bytes.

Source: CIPA DC-008 (Exif 3.0), section 4.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image as Pillow
from PIL.TiffImagePlugin import ImageFileDirectory_v2

EXIF, GPS = 0x8769, 0x8825
"""Pointers to the directories of exposure and of position."""
ORIENTATION = 0x0112
_HEAD = b"MM\0*\0\0\0\x08"
_BYTE, _ASCII, _LONG, _UNDEFINED = 1, 2, 4, 7
_BYTES_OF_GPS = (0, 5)
"""GPSVersionID and GPSAltitudeRef, which have type BYTE; all other bytes in the EXIF and GPS directories are UNDEFINED."""

Tags = dict[int, Any]
Directories = dict[int, Tags]
"""Tags by pointer; 0 for the first directory, without the pointers to the others."""


def directories(exif: Pillow.Exif) -> Directories:
    """Return EXIF data that Pillow has read as directories. Raises what Pillow raises on broken data."""
    found = {pointer: dict(exif.get_ifd(pointer)) for pointer in (EXIF, GPS)}
    return {0: {tag: value for tag, value in exif.items() if tag not in found}, **found}


def parsed(content: bytes | None) -> Directories:
    """Return the directories of EXIF data; empty ones for None. Raises what Pillow raises on broken data."""
    exif = Pillow.Exif()
    if content is not None:
        exif.load(content)
    return directories(exif)


def serialized(found: Mapping[int, Mapping[int, Any]]) -> bytes:
    """Serialize directories as EXIF data, a TIFF structure that begins with directory 0."""
    parts = {pointer: part for pointer, part in found.items() if pointer and part}
    first = found.get(0, {})
    # The size does not depend on the values of the pointers, which have a fixed size.
    at = len(_HEAD) + len(directory({**first, **dict.fromkeys(parts, 0)}, 0, len(_HEAD), _HEAD))
    pointers: Tags = {}
    behind = b""
    for pointer, part in parts.items():
        behind += bytes((at + len(behind)) % 2)
        pointers[pointer] = at + len(behind)
        behind += directory(part, pointer, at + len(behind), _HEAD)
    return _HEAD + directory({**first, **pointers}, 0, len(_HEAD), _HEAD) + behind


def directory(part: Mapping[int, Any], pointer: int, at: int, head: bytes) -> bytes:
    """Serialize one directory, followed by its values.

    Args:
        part: Tags of the directory.
        pointer: Tag that points to the directory; 0 for the first directory.
        at: Offset of the directory in the file.
        head: Header of the file, for its byte order.
    """
    found = ImageFileDirectory_v2(head, group=pointer or None)
    for tag, value in part.items():
        kind = _kind(tag, value, pointer)
        if kind is not None:
            found.tagtype[tag] = kind
        found[tag] = text_bytes(value) if isinstance(value, str) else value
    return found.tobytes(at)


def text_bytes(text: str) -> bytes:
    """Return the original bytes of a text, mostly UTF-8; Pillow has decoded each byte as one character."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def _kind(tag: int, value: object, pointer: int) -> int | None:
    """Return the type of a value; None if Pillow's choice is right."""
    if tag in (EXIF, GPS):
        return _LONG
    if isinstance(value, str):
        return _ASCII
    if isinstance(value, bytes) and pointer:
        return _BYTE if pointer == GPS and tag in _BYTES_OF_GPS else _UNDEFINED
    return None
