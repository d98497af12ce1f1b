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
_END = b"\0\0\0\0IEND\xaeB`\x82"


def check_checksums(file: IO[bytes]) -> None:
    """Check the checksums of the pixel stream; the position in the file is restored.

    A wrong checksum of the last part is accepted, as by browsers, if the stream is whole by its own checksum.

    Raises:
        ValueError: A part does not match its checksum.
        zlib.error: The stream cannot be unpacked.
    """
    right = list(_checksums(file))
    if all(right):
        return
    total = _unpacked_bytes(file)
    if not all(right[:-1]) or _unpacked(file, total + 1) != (total, True):
        raise ValueError("wrong checksum of IDAT")


def check_length(file: IO[bytes]) -> None:
    """Check that the pixel stream unpacks to all rows of the image, which takes half as long as decoding it.

    Args:
        file: A PNG file; its position is restored.

    Raises:
        ValueError: The stream ends early.
        zlib.error: The stream cannot be unpacked.
    """
    total = _unpacked_bytes(file)
    count, _ = _unpacked(file, total)
    if count < total:
        raise ValueError(f"the pixels end {total - count} bytes early")


def still(content: bytes) -> bytes:
    """Return a PNG file that every library decodes as its default image, unchanged if possible.

    Animation is left out, and checksums of the pixel stream, which are checked before, are corrected. What follows the
    pixels may be cut off.

    Raises ValueError when the pixels are cut off, which libpng would print.
    """
    view, place = memoryview(content), _SIGNATURE
    kept: list[memoryview | bytes] = [view[:place]]
    has_pixels = changed = False
    while True:
        end = place + 8 + int.from_bytes(view[place : place + 4], "big")
        kind = content[place + 4 : place + 8]
        if kind == b"IDAT" and end <= len(content):
            checksum = zlib.crc32(view[place + 4 : end]).to_bytes(4, "big")
            kept += [view[place:end], checksum]
            has_pixels, changed = True, changed or checksum != content[end : end + 4]
        elif end + 4 > len(content):
            if kind == b"IDAT" or not has_pixels:
                raise ValueError("no end")
            return b"".join([*kept, _END])
        elif kind in _ANIMATION:
            changed = True
        else:
            kept.append(view[place : end + 4])
        if kind == b"IEND":
            return b"".join(kept) if changed else content
        place = end + 4


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


def _unpacked(file: IO[bytes], most: int) -> tuple[int, bool]:
    """Return how many bytes the pixel stream unpacks to, at most `most`, and whether its end is among them."""
    count, unpacker = 0, zlib.decompressobj()
    for part in _stream(file):
        data = part
        while data and count < most and not unpacker.eof:
            count += len(unpacker.decompress(data, min(most - count, _AT_ONCE)))
            data = unpacker.unconsumed_tail
    return count, unpacker.eof


def _checksums(file: IO[bytes]) -> Iterator[bool]:
    """Yield for each IDAT chunk whether it is whole and matches its checksum."""
    for place, length in _parts(file):
        file.seek(place - 4)
        left, checksum = 4 + length, 0
        while left and (data := file.read(min(left, _AT_ONCE))):
            left -= len(data)
            checksum = zlib.crc32(data, checksum)
        yield not left and file.read(4) == checksum.to_bytes(4, "big")


def _stream(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of the IDAT chunks."""
    for place, length in _parts(file):
        file.seek(place)
        left = length
        while left and (data := file.read(min(left, _AT_ONCE))):
            left -= len(data)
            yield data


def _parts(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Yield place and length of the content of the IDAT chunks, which follow each other; restore the position afterwards."""
    before, at, begun = file.tell(), _SIGNATURE, False
    while True:
        file.seek(at)
        head = file.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or (begun and kind != b"IDAT"):
            break
        if kind == b"IDAT":
            begun = True
            yield at + 8, length
        at += 12 + length
    file.seek(before)
