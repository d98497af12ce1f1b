"""Decoding of the pixels of one TIFF page, bounded by its geometry.

A strip or tile never unpacks to more than its geometry states. tifffile unpacks a stream of any length, and lacks LZW, so
streams are unpacked here, and tifffile only arranges the bytes: deflate and LZMA are unpacked by Python, other compression
by libtiff (in Pillow). libtiff sees strips of bytes as an 8-bit gray image, since Pillow knows few other kinds; it refuses
streams that are too short. OpenCV is not used: it returns uninitialised memory for layouts that it does not know.

Sources: TIFF 6.0, sections 13 and 14; Adobe Photoshop TIFF Technical Note 3 (predictor 3).
"""

from __future__ import annotations

import io
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from sr_demo.codecs.conversions import planes
from sr_demo.codecs.tiff_directories import SPARE
from sr_demo.errors import BadInput
from sr_demo.system.large_array import bands

Samples = NDArray[Any]
_ORIENTATION = 274
_BYTE_COUNTS = (279, 325)
_WHOLE_BYTES = (8, 16, 32, 64)
_LZMA_MEMORY = 2**28
"""Memory limit of the LZMA decoder in bytes; the strongest preset of xz takes 65 MiB."""
_NONE, _DIFFERENCE, _FLOATING_POINT = 1, 2, 3
"""No compression or predictor; the predictors."""
_PACKBITS = 32773
_AT_ONCE, _MOST_AT_ONCE = 2**23, 1024
"""Number of bytes, and largest number of segments, that libtiff unpacks at once; each call takes a millisecond."""


def decoded(page: Any, file: IO[bytes]) -> tuple[Samples, int]:
    """Decode a page.

    Args:
        page: The page, as tifffile opened it.
        file: A file that contains only this page.

    Returns:
        (H, W, C) in the dtype of the file, and the EXIF orientation that is still to be applied.

    Raises:
        BadInput: The number of bits or the compression is not supported.
        Exception: Whatever the libraries raise on a damaged file.
    """
    if page.bitspersample not in _WHOLE_BYTES:
        return _packed_bits(page, file), 1  # Pillow has applied the orientation
    if not is_readable(page):
        raise BadInput(
            "The pixels of this TIFF are compressed in a way that is not read here. Save it with LZW or ZIP (deflate) "
            "compression, or without compression."
        )
    if page.compression == _NONE and not any(tag in page.tags for tag in _BYTE_COUNTS):
        page.databytecounts = (0,) * len(page.dataoffsets)  # tifffile takes all strips for one
    if min(len(page.dataoffsets), len(page.databytecounts)) < prod(page.chunked):
        raise ValueError(f"fewer than {prod(page.chunked)} segments")
    segment = _bounded(page)
    read = _by_libtiff(page, segment, file) if page.compression in _OF_LIBTIFF else page.asarray()
    if read.ndim == 3 and page.axes.startswith("S"):
        read = np.moveaxis(read, 0, -1)
    read = read if read.ndim == 3 else read[..., None]
    if read.dtype != page.dtype or read.shape != (page.imagelength, page.imagewidth, page.samplesperpixel):
        raise ValueError(f"decoded to {read.shape} of {read.dtype}")
    return read, orientation(page)


def orientation(page: Any) -> int:
    """Return the EXIF orientation of a page, 1..8."""
    value = page.tags.valueof(_ORIENTATION, 1)
    return int(value) if isinstance(value, int) and 1 <= value <= 8 else 1


def is_readable(page: Any) -> bool:
    """Return whether `decoded` knows the compression of a page with whole bytes per channel."""
    packed = page.compression != _NONE
    known = page.compression in _UNPACK or page.compression in _OF_LIBTIFF
    if not known or (packed and page.fillorder != 1):
        return False
    predictor = _predictor(page)
    return predictor in (_NONE, _DIFFERENCE) or (
        predictor == _FLOATING_POINT and page.dtype is not None and page.dtype.kind == "f"
    )


def _predictor(page: Any) -> int:
    """Return the predictor of a page, which libtiff ignores without compression and with PackBits; some programs write 0."""
    return _NONE if page.compression in (_NONE, _PACKBITS) else page.predictor or _NONE


def _packed_bits(page: Any, file: IO[bytes]) -> Samples:
    """Decode 12-bit gray with Pillow and scale it to 16 bits. Raises BadInput for other formats."""
    file.seek(0)
    try:
        if page.bitspersample != 12:
            raise SyntaxError("not a mode of Pillow")
        image = TiffImageFile(file)
    except SyntaxError as exc:
        bits = page.bitspersample if isinstance(page.bitspersample, tuple) else (page.bitspersample,)
        raise BadInput(
            f"This TIFF has {', '.join(map(str, bits))} bits per channel, of a kind that is not read here. "
            "Export it with 8 or 16 bits per channel."
        ) from exc
    with image:
        stored = np.asarray(image)
    out = np.empty((*stored.shape[:2], 1), np.uint16)
    for rows in bands(out, stored):
        out[rows, :, 0] = (stored[rows].astype(np.uint32) * 65535 + 2047) // 4095
    return out


@dataclass(frozen=True)
class _Segment:
    """The geometry of the strips or tiles of a page."""

    rows: int
    row_bytes: int
    arrange: Callable[[Any, int], Any]
    """tifffile's conversion of the unpacked bytes of a segment, and its number, to pixels, their place and their shape."""

    @property
    def nbytes(self) -> int:
        """Size of an unpacked segment in bytes."""
        return self.rows * self.row_bytes


def _bounded(page: Any) -> _Segment:
    """Limit the unpacked and the read bytes of each strip or tile of `page` by its geometry, which is returned.

    Raises ValueError if all of them unpack to far more than the page.
    """
    rows, columns = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    rows = rows if page.is_tiled else min(rows, page.imagelength)
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    row_bytes = columns * samples * page.bitspersample // 8
    packed, predictor = page.compression, _predictor(page)
    page.compression, page.predictor = _NONE, _NONE if predictor == _FLOATING_POINT else predictor
    plain = page.decode
    page.compression, page.predictor = packed, predictor

    def arrange(data: Any, index: int, **more: Any) -> Any:
        if data is not None and predictor == _FLOATING_POINT:
            data = _without_predictor(data, row_bytes, samples, page.bitspersample // 8, page.parent.byteorder)
        return plain(data, index, **more)

    segment = _Segment(rows, row_bytes, arrange)
    pixel = page.samplesperpixel * page.bitspersample // 8
    if segment.nbytes * page.tiledepth * prod(page.chunked) > (2 * page.imagelength * page.imagewidth + SPARE) * pixel:
        raise ValueError(f"{prod(page.chunked)} segments of {segment.nbytes} bytes")
    if packed == _NONE:  # some programs write the offsets only
        page.databytecounts = tuple(
            count or (segment.nbytes if at else 0)
            for at, count in zip(page.dataoffsets, page.databytecounts, strict=False)
        )
    # No compression enlarges incompressible data by much.
    page.databytecounts = tuple(min(count, 2 * segment.nbytes + 4096) for count in page.databytecounts)
    # tifffile reads segments of 0 bytes between others at wrong places, and a single one at the beginning of the file.
    page.dataoffsets = tuple(
        at if count else 0 for at, count in zip(page.dataoffsets, page.databytecounts, strict=False)
    )
    page.is_contiguous = page.is_contiguous and all(page.dataoffsets)
    unpack = _UNPACK.get(packed)
    if unpack is not None:

        def decode(data: bytes | None, index: int, **more: Any) -> Any:
            return arrange(None if data is None else unpack(data, segment.nbytes), index, **more)

        page.decode = decode
    return segment


def _inflate(data: bytes, most: int) -> bytes:
    return zlib.decompressobj().decompress(data, most)


def _unpack_lzma(data: bytes, most: int) -> bytes:
    return lzma.LZMADecompressor(memlimit=_LZMA_MEMORY).decompress(data, most)


_UNPACK: dict[int, Callable[[bytes, int], bytes] | None] = {
    _NONE: None, 8: _inflate, 32946: _inflate, 34925: _unpack_lzma,
}  # fmt: skip
"""Decompressors by TIFF compression: none, deflate (both numbers), LZMA."""
_OF_LIBTIFF = (5, _PACKBITS, 50000)
"""Compression that libtiff unpacks: LZW, PackBits, Zstandard."""


def _without_predictor(data: Any, row_bytes: int, samples: int, size: int, order: str) -> bytes:
    """Undo predictor 3: rows hold all first bytes of the values, then all second ones ..., as differences."""
    rows = np.frombuffer(data, np.uint8)
    rows = rows[: rows.size // row_bytes * row_bytes].reshape(-1, row_bytes // samples, samples)
    summed = np.cumsum(rows, axis=1, dtype=np.uint8).reshape(len(rows), size, -1)
    values = summed.transpose(0, 2, 1)
    return (values if order == ">" else values[..., ::-1]).tobytes()


def _by_libtiff(page: Any, segment: _Segment, file: IO[bytes]) -> Samples:
    """Decode a page with compression that libtiff knows. Segments without data, as in sparse files, get the page's value."""
    out = np.full(page.shaped, page.nodata, page.dtype)
    for numbers, height in _batches(page, segment):
        plain = _unpacked(page, segment, numbers, height, file)
        for at, number in enumerate(numbers):
            part = plain[at * segment.nbytes : (at + 1) * segment.nbytes]
            pixels, (plane, _, top, left, _), (_, rows, columns, _) = segment.arrange(part, number)
            place = out[plane, 0, top : top + rows, left : left + columns]
            place[...] = pixels[0, : place.shape[0], : place.shape[1]]
    return out.reshape(page.shape)


class _GrayTiff(TiffImageFile):
    """A file of `_gray_tiff`, whose size `_bounded` limits: Pillow's limit on pixels would count its bytes."""

    def load_prepare(self) -> None:
        ImageFile.load_prepare(self)


def _unpacked(page: Any, segment: _Segment, numbers: list[int], height: int, file: IO[bytes]) -> Samples:
    """Return the bytes of segments one after another; what is read and unpacked on the way is freed."""
    content = io.BytesIO(
        _gray_tiff([_stored(page, number, file) for number in numbers], segment, height, page.compression)
    )
    with _GrayTiff(content) as image:
        return planes(image, lambda part: part).reshape(-1)


def _stored(page: Any, number: int, file: IO[bytes]) -> bytes:
    file.seek(page.dataoffsets[number])
    return file.read(page.databytecounts[number])


def _batches(page: Any, segment: _Segment) -> Iterator[tuple[list[int], int]]:
    """Yield numbers of segments, without empty ones, and their rows; only the last one of a batch may be lower."""
    most = min(max(_AT_ONCE // segment.nbytes, 1), _MOST_AT_ONCE)
    count = prod(page.chunked)
    each = count // page.shaped[0]
    last = segment.rows if page.is_tiled else page.imagelength - (each - 1) * segment.rows
    for first in range(0, count, each):
        for begin in range(first, first + each, most):
            numbers = [n for n in range(begin, min(begin + most, first + each)) if page.databytecounts[n]]
            if numbers:
                lower = numbers[-1] == first + each - 1
                yield numbers, len(numbers) * segment.rows - (segment.rows - last if lower else 0)


def _gray_tiff(streams: list[bytes], segment: _Segment, height: int, compression: int) -> bytes:
    """Return a TIFF file whose strips are `streams`, as 8-bit gray without a predictor."""
    count = len(streams)
    begin = 8 + 2 + 9 * 12 + 4
    tables = begin + 8 * count
    sizes = [len(stream) for stream in streams]
    offsets = list(accumulate(sizes[:-1], initial=tables))
    at_offsets, at_sizes = (begin, begin + 4 * count) if count > 1 else (offsets[0], sizes[0])
    tags = [
        (256, 1, segment.row_bytes), (257, 1, height), (258, 1, 8), (259, 1, compression), (262, 1, 1),
        (273, count, at_offsets), (277, 1, 1), (278, 1, min(segment.rows, height)), (279, count, at_sizes),
    ]  # fmt: skip
    head = (
        b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(struct.pack("<HHII", tag, 4, n, v) for tag, n, v in tags)
    )
    return b"".join([head, bytes(4), struct.pack(f"<{2 * count}I", *offsets, *sizes), *streams])
