"""Image properties in the boxes of HEIF and AVIF files: colour description and bit depth, which Pillow does not return.

Sources: ISO/IEC 14496-12 (boxes), ISO/IEC 23008-12 (`meta`, `iprp`, `ipco`, `colr`, `pixi`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

_MOST_META = 2**22
"""Largest number of bytes of a `meta` box that are read; it holds lists of items, not pixels."""
_MOST_BOXES = 10_000


@dataclass(frozen=True)
class Properties:
    """Properties of the images in a file."""

    primaries: int | None = None
    """ITU-T H.273 ColourPrimaries; None if the file has no `nclx` description."""
    transfer: int | None = None
    """ITU-T H.273 TransferCharacteristics."""
    bits: int = 8
    """Bits per channel."""


def properties(file: IO[bytes]) -> Properties:
    """Read the first colour description and the first bit depth of colours in a HEIF or AVIF file."""
    found: dict[str, int] = {}
    for kind, content in _boxes(_inside(_inside(_meta(file), b"iprp"), b"ipco")):
        if kind == b"colr" and content[:4] == b"nclx" and len(content) >= 8 and "primaries" not in found:
            found["primaries"] = int.from_bytes(content[4:6], "big")
            found["transfer"] = int.from_bytes(content[6:8], "big")
        if kind == b"pixi" and len(content) >= 6 and content[4] >= 3:
            found.setdefault("bits", content[5])
    return Properties(**found)


def _meta(file: IO[bytes]) -> bytes:
    """Return the content of the `meta` box of a file; empty if there is none."""
    size = file.seek(0, io.SEEK_END)
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            break
        length, begin = int.from_bytes(head[:4], "big"), 8
        if length == 1:
            length, begin = int.from_bytes(head[8:16], "big"), 16
        if head[4:8] == b"meta":
            file.seek(at + begin + 4)  # after version and flags
            return (
                file.read(min((length or size) - begin - 4, _MOST_META)) if length == 0 or length > begin + 4 else b""
            )
        if length < begin:
            break
        at += length
    return b""


def _inside(content: bytes, wanted: bytes) -> bytes:
    return next((inner for kind, inner in _boxes(content) if kind == wanted), b"")


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and content of boxes, up to the first truncated one."""
    at = 0
    for _ in range(_MOST_BOXES):
        length = int.from_bytes(content[at : at + 4], "big")
        if length < 8 or at + length > len(content):
            return
        yield content[at + 4 : at + 8], content[at + 8 : at + length]
        at += length
