"""PNG encoder: gray or RGB, 8 or 16 bit, with or without alpha, with an ICC profile and metadata.

Bands of about a megabyte are rounded, filtered and deflated in parallel (numpy and zlib release the GIL); only a few are in
memory beside the image.

Sources: PNG specification (third edition) for chunks and filters; RFC 1950 and 1951 for joining deflate streams.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sr_demo.codecs.metadata import Metadata

Bytes = NDArray[np.uint8]
LEVEL = 2
"""Default deflate level: beyond it, time doubles for each 2 % of size."""
_BAND = 2**20
"""Raw bytes deflated at once."""
_AHEAD = 16
"""Bands that are being encoded or wait for the consumer."""
_SUB, _UP, _AVERAGE = 1, 2, 3
_ABOUT = {b"eXIf", b"iTXt", b"tEXt", b"zTXt", b"tIME"}
"""Chunks with metadata."""
_METRES_PER_INCH = 0.0254
_COLOUR_TYPE = {1: 0, 3: 2, 2: 4, 4: 6}
"""Channels -> PNG colour type: gray, RGB, gray with alpha, RGBA."""


def chunks(
    rows: Callable[[int, int], NDArray[Any]],
    width: int,
    height: int,
    channels: int,
    bits: Literal[8, 16],
    icc: bytes | None,
    level: int = LEVEL,
    metadata: Metadata = Metadata(),  # noqa: B008 - a frozen value
) -> Iterator[bytes]:
    """Encode an image as PNG.

    Args:
        rows: `rows(top, bottom)` returns (bottom - top, width, channels) uint8 or uint16, by `bits`; it is called from
            several threads at once.
        width: in pixels.
        height: in pixels.
        channels: 1 gray, 2 gray with alpha, 3 RGB, 4 RGBA.
        bits: per channel.
        icc: a profile that fits the channels, written unchanged.
        level: zlib's compression level, 0 to 9.
        metadata: what to write beside the pixels.

    Yields:
        The bytes of the file, in order.
    """
    yield b"\x89PNG\r\n\x1a\n"
    yield _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, _COLOUR_TYPE[channels], 0, 0, 0))
    if icc is not None:
        yield _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    yield from _metadata_chunks(metadata, width, height)
    pixel = channels * bits // 8
    step = max(1, _BAND // (width * pixel))

    def band(top: int) -> tuple[bytes, int, int]:
        bottom = min(top + step, height)
        first = max(top - 1, 0)
        raw = rows(first, bottom).astype(">u2" if bits == 16 else np.uint8, copy=False)
        raw = np.ascontiguousarray(raw).view(np.uint8).reshape(bottom - first, width * pixel)
        filtered = _filter(raw[top - first :], raw[0] if first < top else np.zeros_like(raw[0]), pixel)
        packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = packer.compress(filtered.data) + packer.flush(zlib.Z_FINISH if bottom == height else zlib.Z_SYNC_FLUSH)
        return packed, zlib.adler32(filtered.data), filtered.size

    checksum = 1
    yield _chunk(b"IDAT", b"\x78\x01")
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for packed, adler, length in _in_order(pool, band, range(0, height, step)):
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
    """Yield pHYs, eXIf and the text chunk in which XMP stands (its key is fixed by the XMP specification, part 3)."""
    if metadata.dpi is not None:
        across, down = (round(value / _METRES_PER_INCH) for value in metadata.dpi)
        yield _chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    exif = metadata.exif_for(width, height)
    if exif is not None:
        yield _chunk(b"eXIf", exif)
    if metadata.xmp is not None:
        yield _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp)


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[int], tuple[bytes, int, int]], tops: range
) -> Iterator[tuple[bytes, int, int]]:
    """Like `pool.map`, but only a few bands ahead of the consumer: compressed images may take gigabytes too."""
    waiting: deque[Future[tuple[bytes, int, int]]] = deque()
    for top in tops:
        waiting.append(pool.submit(work, top))
        if len(waiting) > _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _filter(raw: Bytes, above: Bytes, pixel: int) -> Bytes:
    """Filter rows (n, w) to scanlines (n, 1 + w), each with the filter of the smallest sum of absolute differences.

    `above` (w,) is the row before the first, `pixel` the bytes per pixel. The sum is taken over every other byte.
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
    """Adler-32 of two joined byte strings from those of each; `length` is that of the second (zlib's adler32_combine)."""
    prime = 65521
    a1, b1, a2, b2 = first & 0xFFFF, first >> 16, second & 0xFFFF, second >> 16
    return ((b1 + b2 + length * (a1 - 1)) % prime) << 16 | (a1 + a2 - 1) % prime
