"""Limits on the number of parts of an image file, checked before a decoder walks through them.

Decoders limit pixels, not parts. A small JPEG can hold a million scans over all its pixels, a PNG or GIF millions of empty
chunks, which Pillow processes one by one in Python, and EXIF data can make a reader load the same bytes thousands of times.
The limits are far beyond what programs write; each check reads only the headers of parts.

Not checked here: WebP, HEIF, and AVIF except for its EXIF data, whose libraries (libwebp, libheif, libavif) limit frames,
items and memory; BMP, which has one part; TIFF, see `tiff_directories`.

Sources: ITU-T T.81, annex B (JPEG); PNG specification (third edition), section 5; GIF89a specification.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable
from typing import IO

from sr_demo.codecs.sniff import Kind
from sr_demo.codecs.tiff_directories import check_exif
from sr_demo.errors import BadInput

MOST_SCANS = 100
"""Largest number of scans of a JPEG, as in libtiff (LIBTIFF_JPEG_MAX_ALLOWED_SCAN_NUMBER). Programs write about ten."""
_MOST_SEGMENTS = 10_000
_MOST_JUNK = 2**16
"""Largest number of bytes between the segments of a JPEG, which Pillow skips one by one."""
_MOST_CHUNKS = 100_000
"""Largest number of chunks of a PNG: 800 MB in chunks of 8192 bytes, the size that libpng writes."""
_MOST_BLOCKS = 2**20
"""Largest number of 255-byte blocks of a GIF."""
_MOST_BEFORE = 2**13
"""Largest number of blocks before a GIF's first frame, since Pillow copies all earlier comments for each further one."""
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_EXIF = re.compile(rb"II\*\0|MM\0\*")
_EXIF_HEAD = b"Exif\0\0"
_MOST_EXIF = 32

Bytes = bytes | mmap.mmap


def check_parts(file: IO[bytes], kind: Kind) -> int:
    """Check the parts of an image file and count its frames.

    Args:
        file: The open file.
        kind: The kind that `check_file` detected.

    Returns:
        The number of frames; 1 for kinds whose library counts them at no cost.

    Raises:
        BadInput: The file has far more parts than images need.
        ValueError: The file is damaged.
    """
    count = _CHECKS.get(kind)
    if count is None:
        return 1
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return count(content)


def _too_many(what: str) -> BadInput:
    return BadInput(f"This file contains {what}, far more than a picture needs. Open it and export it again.")


def _jpeg(content: Bytes) -> int:
    place, scans, segments, junk = 2, 0, 0, 0
    exif: list[bytes] = []
    while found := _MARKER.search(content, place):
        marker, begin = content[found.end() - 1], found.end()
        junk += 0 if scans else found.start() - place
        segments += 1
        scans += marker == 0xDA
        if scans > MOST_SCANS:
            raise _too_many(f"more than {MOST_SCANS} passes over all its pixels")
        if segments > _MOST_SEGMENTS or junk > _MOST_JUNK:
            raise _too_many(f"more than {_MOST_SEGMENTS:,} parts")
        if marker == 0xD9:
            break
        length = 0 if marker in (0x01, 0xD8) else int.from_bytes(content[begin : begin + 2], "big")
        place = begin + length
        if marker == 0xE1 and content[begin + 2 : begin + 8] == _EXIF_HEAD:
            exif.append(content[begin + 8 : place])
    check_exif(b"".join(exif))
    return 1


def _png(content: Bytes) -> int:
    place, chunks = 8, 0
    while place + 8 <= len(content) and content[place + 4 : place + 8] != b"IEND":
        chunks += 1
        if chunks > _MOST_CHUNKS:
            raise _too_many(f"more than {_MOST_CHUNKS:,} chunks")
        place += 12 + int.from_bytes(content[place : place + 4], "big")
    return 1


def _gif(content: Bytes) -> int:
    frames, blocks = 0, 0
    place = 13 + _palette(content[10])
    while place < len(content) and content[place] != 0x3B:
        mark = content[place]
        if mark == 0x2C and place + 9 < len(content):
            frames += 1
            place += 11 + _palette(content[place + 9])
        else:
            place += 2 if mark == 0x21 else 1  # Pillow skips unknown bytes
        length = mark in (0x2C, 0x21)
        while length and place < len(content):
            length = content[place]
            place += 1 + length
            blocks += 1
        blocks += 1
        if blocks > (_MOST_BLOCKS if frames else _MOST_BEFORE):
            raise _too_many("more than a million blocks" if frames else "thousands of comments")
    return max(frames, 1)


def _palette(flags: int) -> int:
    """Return the size in bytes of the palette that the flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _avif(content: Bytes) -> int:
    """Check all bytes that look like EXIF data, which Pillow reads when it opens an AVIF; only libavif can locate them."""
    for count, found in enumerate(_EXIF.finditer(content)):
        if count == _MOST_EXIF:
            raise _too_many(f"more than {_MOST_EXIF} sets of EXIF data")
        check_exif(content[found.start() :])
    return 1


_CHECKS: dict[Kind, Callable[[Bytes], int]] = {
    "JPEG": _jpeg, "PNG": _png, "GIF": _gif, "AVIF": _avif,
}  # fmt: skip
