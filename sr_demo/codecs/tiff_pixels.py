"""Decoding of the pixels of one TIFF page, bounded by its geometry.

A strip or tile never unpacks to more than its geometry states. tifffile unpacks a stream of any length, so deflate and LZMA
are unpacked here; other compression is left to libtiff (in Pillow and in OpenCV), which writes into buffers of the stated
size.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL.TiffImagePlugin import TiffImageFile

from sr_demo.codecs.libraries import opencv
from sr_demo.errors import BadInput
from sr_demo.system.large_array import bands

Samples = NDArray[Any]
_ORIENTATION = 274
_WHOLE_BYTES = (8, 16, 32, 64)
_LZMA_MEMORY = 2**28
"""Memory limit of the LZMA decoder in bytes; the strongest preset of xz takes 65 MiB."""


def decoded(page: Any, file: IO[bytes]) -> tuple[Samples, int]:
    """Decode a page.

    Args:
        page: The page, as tifffile opened it.
        file: A file that contains only this page.

    Returns:
        (H, W, C) in the dtype of the file, and the EXIF orientation that is still to be applied.

    Raises:
        BadInput: The number of bits is not supported.
        Exception: Whatever the libraries raise on a damaged file.
    """
    value = page.tags.valueof(_ORIENTATION, 1)
    orientation = int(value) if isinstance(value, int) and 1 <= value <= 8 else 1
    if isinstance(page.bitspersample, int) and page.bitspersample not in _WHOLE_BYTES:
        return _packed_bits(page, file), orientation
    try:
        _bound(page)
        read = page.asarray()
    except (ValueError, ImportError, LookupError):
        # Without the package imagecodecs, tifffile has no LZW. OpenCV uses libtiff and applies the orientation.
        return _by_opencv(file), 1
    if read.ndim == 3 and page.axes.startswith("S"):
        read = np.moveaxis(read, 0, -1)
    return (read if read.ndim == 3 else read[..., None]), orientation


def _packed_bits(page: Any, file: IO[bytes]) -> Samples:
    """Decode 12-bit gray with Pillow and scale it to 16 bits. Raises BadInput for other formats."""
    file.seek(0)
    try:
        if page.bitspersample != 12:
            raise SyntaxError("not a mode of Pillow")
        image = TiffImageFile(file)
    except SyntaxError as exc:
        raise BadInput(
            f"This TIFF has {page.bitspersample} bits per channel, of a kind that is not read here. "
            "Export it with 8 or 16 bits per channel."
        ) from exc
    with image:
        stored = np.asarray(image)
    out = np.empty((*stored.shape[:2], 1), np.uint16)
    for rows in bands(out, stored):
        out[rows, :, 0] = (stored[rows].astype(np.uint32) * 65535 + 2047) // 4095
    return out


def _bound(page: Any) -> None:
    """Limit the unpacked and the read bytes of each strip or tile of `page` by its geometry.

    Raises LookupError for compression that only libtiff supports.
    """
    unpack = _UNPACK[int(page.compression)]
    if not isinstance(page.bitspersample, int):
        raise LookupError(f"{page.bitspersample} bits")
    rows, columns = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    rows = rows if page.is_tiled else min(rows, page.imagelength)
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    most = max(rows * -(-columns * samples * page.bitspersample // 8), 1)
    # No compression enlarges incompressible data by much.
    page.databytecounts = tuple(min(count, 2 * most + 4096) for count in page.databytecounts)
    if unpack is None:
        return
    packed, page.compression = page.compression, 1
    arrange = page.decode  # tifffile's conversion of unpacked bytes to pixels
    page.compression = packed

    def decode(data: bytes | None, index: int, **more: Any) -> Any:
        return arrange(None if data is None else unpack(data, most), index, **more)

    page.decode = decode


def _inflate(data: bytes, most: int) -> bytes:
    return zlib.decompressobj().decompress(data, most)


def _unpack_lzma(data: bytes, most: int) -> bytes:
    return lzma.LZMADecompressor(memlimit=_LZMA_MEMORY).decompress(data, most)


_UNPACK: dict[int, Callable[[bytes, int], bytes] | None] = {
    1: None, 8: _inflate, 32946: _inflate, 34925: _unpack_lzma,
}  # fmt: skip
"""Decompressors by TIFF compression: none, deflate (both numbers), LZMA."""


def _by_opencv(file: IO[bytes]) -> Samples:
    cv2 = opencv()
    file.seek(0)
    content = np.frombuffer(file.read(), np.uint8)
    read = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    if read is None:
        raise OSError("neither tifffile nor OpenCV can decode this TIFF")
    return read[..., None] if read.ndim == 2 else _swapped(read)


def _swapped(read: Samples) -> Samples:
    """Convert BGR or BGRA to RGB or RGBA in place."""
    for rows in bands(read):
        read[rows] = read[rows][..., [2, 1, 0, 3][: read.shape[2]]]
    return read
