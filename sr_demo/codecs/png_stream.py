"""Checks of the pixel stream of a PNG, which libraries read without an error when it ends early.

Source: PNG specification (third edition), sections 4.5 (bit depths), 5.3 (chunks) and 8.1 (passes of interlaced images).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import IO

_SIGNATURE = 8
_AT_ONCE = 2**16
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Channels by PNG colour type."""
_WHOLE = ((0, 0, 1, 1),)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row and their steps, by pass."""
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")


def check_checksums(file: IO[bytes]) -> None:
    """Raise ValueError if a part of the pixel stream does not match its checksum; the position in the file is restored."""
    for _ in _stream(file):
        pass


def check_length(file: IO[bytes]) -> None:
    """Check that the pixel stream unpacks to all rows of the image, which takes half as long as decoding it.

    Args:
        file: A PNG file; its position is restored.

    Raises:
        ValueError: The stream ends early.
        zlib.error: The stream cannot be unpacked.
    """
    left = _unpacked_bytes(file)
    unpacker = zlib.decompressobj()
    for part in _stream(file):
        data = part
        while data and left > 0:
            left -= len(unpacker.decompress(data, min(left, _AT_ONCE)))
            data = unpacker.unconsumed_tail
    if left > 0:
        raise ValueError(f"the pixels end {left} bytes early")


def still(content: bytes) -> bytes:
    """Return a PNG file without its animation, so that every library decodes the default image.

    Raises ValueError when the file is cut off, which libpng would print.
    """
    kept, place, kind = [content[:_SIGNATURE]], _SIGNATURE, b""
    while kind != b"IEND":
        end = place + 12 + int.from_bytes(content[place : place + 4], "big")
        kind = content[place + 4 : place + 8]
        if end > len(content):
            raise ValueError("no end")
        if kind not in _ANIMATION:
            kept.append(content[place:end])
        place = end
    return b"".join(kept)


def _unpacked_bytes(file: IO[bytes]) -> int:
    """Return the size of the unpacked pixel stream, from IHDR. Raises ValueError for an unknown colour type."""
    place = file.tell()
    file.seek(_SIGNATURE + 8)
    head = file.read(13)
    file.seek(place)
    width, height, bits = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:8], "big"), head[8]
    if head[9] not in _CHANNELS:
        raise ValueError(f"colour type {head[9]}")
    total = 0
    for left, top, across, down in _ADAM7 if head[12] else _WHOLE:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * _CHANNELS[head[9]] * bits // 8))
    return total


def _stream(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of the IDAT chunks, which follow each other. Raises ValueError for a wrong checksum."""
    place, at, begun = file.tell(), _SIGNATURE, False
    while True:
        file.seek(at)
        head = file.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or (begun and kind != b"IDAT"):
            break
        at += 12 + length
        if kind != b"IDAT":
            continue
        begun, checksum = True, zlib.crc32(kind)
        while length and (data := file.read(min(length, _AT_ONCE))):
            length -= len(data)
            checksum = zlib.crc32(data, checksum)
            yield data
        if length or int.from_bytes(file.read(4), "big") != checksum:
            raise ValueError("wrong checksum of IDAT")
    file.seek(place)
