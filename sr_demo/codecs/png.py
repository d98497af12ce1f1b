"""PNG encoder: gray or RGB, 8 or 16 bit, with or without alpha, with an ICC profile and metadata.

Bands of about a megabyte are rounded, filtered and deflated in parallel (numpy and zlib release the GIL); only a few of them
are in memory in addition to the image.

Sources: PNG specification (third edition) for chunks and filters; RFC 1950 and 1951 for joining deflate streams.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr_demo.codecs import iptc
from sr_demo.codecs.metadata import Metadata
from sr_demo.codecs.parallel_bands import map_bands
from sr_demo.codecs.raster import Raster

Bytes = NDArray[np.uint8]
LEVEL = 2
"""Default deflate level: beyond it, time doubles for each 2 % of size."""
_BAND = 2**20
"""Number of raw bytes that are deflated at once."""
_SUB, _UP, _AVERAGE = 1, 2, 3
_ABOUT = {b"eXIf", b"iTXt", b"tEXt", b"zTXt", b"tIME"}
"""Chunks with metadata."""
_METRES_PER_INCH = 0.0254
_COLOUR_TYPE = {1: 0, 3: 2, 2: 4, 4: 6}
"""Channels -> PNG colour type: gray, RGB, gray with alpha, RGBA."""


def chunks(raster: Raster, level: int = LEVEL) -> Iterator[bytes]:
    """Encode an image as PNG.

    Args:
        raster: The image.
        level: Compression level of zlib, 0 to 9.

    Yields:
        The bytes of the file, in order.
    """
    width, height, bits = raster.width, raster.height, raster.bits
    yield b"\x89PNG\r\n\x1a\n"
    yield _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, _COLOUR_TYPE[raster.channels], 0, 0, 0))
    if raster.icc is not None:
        yield _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(raster.icc))
    yield from _metadata_chunks(raster.metadata, width, height)
    pixel = raster.channels * bits // 8
    step = raster.step(_BAND)

    def band(top: int) -> tuple[bytes, int, int]:
        bottom = min(top + step, height)
        first = max(top - 1, 0)
        raw = raster.rows(first, bottom).astype(">u2" if bits == 16 else np.uint8, copy=False)
        raw = np.ascontiguousarray(raw).view(np.uint8).reshape(bottom - first, width * pixel)
        filtered = _filter(raw[top - first :], raw[0] if first < top else np.zeros_like(raw[0]), pixel)
        packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = packer.compress(filtered.data) + packer.flush(zlib.Z_FINISH if bottom == height else zlib.Z_SYNC_FLUSH)
        return packed, zlib.adler32(filtered.data), filtered.size

    checksum = 1
    yield _chunk(b"IDAT", b"\x78\x01")
    for packed, adler, length in map_bands(band, range(0, height, step)):
        checksum = _join_adler(checksum, adler, length)
        yield _chunk(b"IDAT", packed)
    yield _chunk(b"IDAT", struct.pack(">I", checksum))
    yield _chunk(b"IEND", b"")


def without_metadata(file: bytes) -> bytes:
    """Return a PNG file without its EXIF data and texts (XMP among them), which may name people and places."""
    kept, at = [file[:8]], 8
    while at < len(file):
        end = at + 12 + int.from_bytes(file[at : at + 4], "big")  # length, kind and checksum take 12 bytes
        if file[at + 4 : at + 8] not in _ABOUT:
            kept.append(file[at:end])
        at = end
    return b"".join(kept)


def _metadata_chunks(metadata: Metadata, width: int, height: int) -> Iterator[bytes]:
    """Yield pHYs, eXIf and text chunks: XMP with the key of the XMP specification (part 3), IPTC as a raw profile."""
    if metadata.dpi is not None:
        across, down = (round(value / _METRES_PER_INCH) for value in metadata.dpi)
        yield _chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    exif = metadata.exif_for(width, height)
    if exif is not None:
        yield _chunk(b"eXIf", exif)
    if metadata.xmp is not None:
        yield _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp)
    if metadata.iptc is not None:
        yield _chunk(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(iptc.as_text(metadata.iptc)))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _filter(raw: Bytes, above: Bytes, pixel: int) -> Bytes:
    """Filter rows (n, w) to scanlines (n, 1 + w), each with the filter of the smallest sum of absolute differences.

    `above` (w,) is the row before the first one, `pixel` the bytes per pixel. The sums are taken over every other byte.
    """
    up = np.vstack([above[None], raw[:-1]])
    left = np.zeros_like(raw)
    left[:, pixel:] = raw[:, :-pixel]
    tried = {
        _SUB: raw - left,
        _UP: raw - up,
        _AVERAGE: raw - ((left & up) + ((left ^ up) >> 1)),
    }
    costs = [np.abs(t.view(np.int8)[:, ::2].astype(np.int16)).sum(1, dtype=np.int64) for t in tried.values()]
    best = np.argmin(costs, axis=0)
    lines = np.empty((raw.shape[0], raw.shape[1] + 1), np.uint8)
    for i, (number, values) in enumerate(tried.items()):
        chosen = best == i
        lines[chosen, 0] = number
        lines[chosen, 1:] = values[chosen]
    return lines


def _join_adler(first: int, second: int, length: int) -> int:
    """Return the Adler-32 of two joined byte strings; `length` is that of the second (zlib's adler32_combine)."""
    prime = 65521
    a1, b1, a2, b2 = first & 0xFFFF, first >> 16, second & 0xFFFF, second >> 16
    return ((b1 + b2 + length * (a1 - 1)) % prime) << 16 | (a1 + a2 - 1) % prime


def bits_of(path: Path) -> int:
    """Return the bits per channel of a PNG file."""
    with path.open("rb") as file:
        file.seek(24)
        return file.read(1)[0]
