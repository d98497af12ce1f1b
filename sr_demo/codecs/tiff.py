"""Decoder for TIFF with more than 8 bits per channel: 16-bit, 32-bit and floating point. Pillow decodes the others.

The work is bounded for any file: `directories` limits pages, tags and geometry before a library reads it; a library reads
one page only; and a strip or tile unpacks to what its geometry says, never to more. tifffile unpacks whatever a stream
holds, so deflate and LZMA are unpacked here; other compression is left to libtiff (in Pillow and in OpenCV), which writes
into buffers of that geometry.
"""

from __future__ import annotations

import io
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sr_demo.codecs.directories import OnePage, check, directory, places
from sr_demo.errors import BadInput
from sr_demo.system.large_array import bands, zeros

Samples = NDArray[Any]
_MINISWHITE, _MINISBLACK, _RGB, _SEPARATED = 0, 1, 2, 5
_COLOURS = {_MINISWHITE: 1, _MINISBLACK: 1, _RGB: 3, _SEPARATED: 4}
"""TIFF 6.0 PhotometricInterpretation -> channels without alpha."""
_PREMULTIPLIED, _ALPHA = 1, 2
_ORIENTATION, _ICC, _DNG = 274, 34675, 50706
_LZMA_MEMORY = 2**28
"""Bytes of a dictionary: the strongest preset of xz takes 65 MiB."""


@dataclass
class Page:
    """One page of a TIFF file."""

    samples: Samples
    """(H, W, C): uint16 (full range) or float32 in [0, 1]; gray, gray with alpha, RGB, RGBA, or CMYK if `cmyk`."""
    cmyk: bool
    orientation: int
    icc: bytes | None
    notes: list[str]


def page_numbers(file: IO[bytes]) -> tuple[int, ...]:
    """Return the numbers of the pages, from 0, without previews of other pages."""
    found = enumerate(list(places(file)))
    return tuple(number for number, at in found if not directory(file, at).is_preview) or (0,)


def count_pages(file: IO[bytes]) -> int:
    """Count the pages, previews included. Raises BadInput beyond a limit."""
    return sum(1 for _ in places(file))


def one_page(file: IO[bytes], number: int = 0) -> IO[bytes]:
    """Return page `number` as a file of its own, with its directory checked. Raises ValueError."""
    at = next((at for place, at in enumerate(places(file)) if place == number), None)
    if at is None:
        raise ValueError(f"no page {number}")
    found = directory(file, at)
    check(found, file.seek(0, io.SEEK_END))
    return io.BufferedReader(OnePage(file, found))


def is_deep(page: IO[bytes]) -> bool:
    """Return whether a page has more than 8 bits per channel. Raises BadInput for camera raw files, which are TIFF too."""
    from tifffile import TiffFile

    with TiffFile(page) as tif:
        first = _first(tif)
        if _DNG in first.tags:
            raise BadInput("This is a camera raw file (DNG). Develop it first, and export it as TIFF, PNG or JPEG.")
        return first.dtype is None or first.dtype not in (np.dtype(np.uint8), np.dtype(np.bool_))


def read(file: IO[bytes], allow: Callable[[int, int, int], None]) -> Page:
    """Decode a page.

    Args:
        file: a file with one page, from `one_page`.
        allow: called with width, height and bytes per pixel before decoding; may raise.

    Raises:
        BadInput: for channels or values that are not supported.
        Exception: whatever `allow` and tifffile raise.
    """
    from tifffile import TiffFile

    file.seek(0)
    notes: list[str] = []
    with TiffFile(file) as tif:
        page = _first(tif)
        allow(page.imagewidth, page.imagelength, page.samplesperpixel * ((page.bitspersample + 7) // 8))
        colours = _COLOURS.get(int(page.photometric), 0)
        if not colours or page.samplesperpixel not in (colours, colours + 1) or page.imagedepth > 1:
            raise BadInput(
                f"This TIFF has {page.samplesperpixel} channels of a kind that is not read here. "
                "Export it as gray or RGB, with 8 or 16 bits per channel."
            )
        samples, orientation = _decoded(page, file)
        extra = [int(kind) for kind in page.extrasamples[:1]]
        icc = page.tags.valueof(_ICC)
    if samples.ndim != 3 or samples.shape[2] < colours:
        raise ValueError(f"{colours} channels expected, decoded to {samples.shape}")
    whole, samples, alpha = samples, samples[..., :colours], samples[..., colours:]
    samples = _levels(samples, notes)
    if page.photometric == _MINISWHITE:
        white = np.uint16(65535) if samples.dtype == np.uint16 else np.float32(1)
        for rows in bands(samples):
            samples[rows] = white - samples[rows]
    if colours != 4 and extra and extra[0] in (_PREMULTIPLIED, _ALPHA):
        if samples.dtype == alpha.dtype == np.uint16 and extra[0] == _ALPHA:
            samples = whole[..., : colours + 1]  # `samples` is a view of it, with all changes
        else:
            samples = _with_alpha(samples, alpha, premultiplied=extra[0] == _PREMULTIPLIED)
    if colours == 4 and samples.dtype != np.uint16:
        unit, samples = samples, np.empty(samples.shape, np.uint16)
        for rows in bands(unit, samples):
            samples[rows] = np.rint(unit[rows] * 65535)
    return Page(samples, colours == 4, orientation, icc if isinstance(icc, bytes) else None, notes)


def _first(tif: Any) -> Any:
    """The page with all its tags."""
    return tif.pages.get(0, aspage=True)


def _decoded(page: Any, file: IO[bytes]) -> tuple[Samples, int]:
    """The page as (H, W, C) in its own type, and the orientation still to be applied."""
    try:
        _bound(page)
        read = page.asarray()
    except (ValueError, ImportError, LookupError):
        # Without the package imagecodecs, tifffile has no LZW; OpenCV brings libtiff, and turns the picture upright.
        return _by_opencv(file), 1
    if read.ndim == 3 and page.axes.startswith("S"):
        read = np.moveaxis(read, 0, -1)
    value = page.tags.valueof(_ORIENTATION, 1)
    orientation = int(value) if isinstance(value, int) and 1 <= value <= 8 else 1
    return (read if read.ndim == 3 else read[..., None]), orientation


def _bound(page: Any) -> None:
    """Let each strip or tile of `page` unpack to what its geometry says, and no more of the file be read for it.

    Raises LookupError for compression that only libtiff unpacks.
    """
    unpack = _UNPACK[int(page.compression)]
    if not isinstance(page.bitspersample, int):
        raise LookupError(f"{page.bitspersample} bits")
    rows, columns = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    rows = rows if page.is_tiled else min(rows, page.imagelength)
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    most = max(rows * -(-columns * samples * page.bitspersample // 8), 1)
    # No compression makes incompressible data much larger.
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
"""By TIFF compression: not packed, deflate under both of its numbers, LZMA."""


def _by_opencv(file: IO[bytes]) -> Samples:
    import cv2

    file.seek(0)
    content = np.frombuffer(file.read(), np.uint8)
    read = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    if read is None:
        raise OSError("neither tifffile nor OpenCV can decode this TIFF")
    return read[..., None] if read.ndim == 2 else _swapped(read)


def _swapped(read: Samples) -> Samples:
    """BGR or BGRA as RGB or RGBA, in place."""
    for rows in bands(read):
        read[rows] = read[rows][..., [2, 1, 0, 3][: read.shape[2]]]
    return read


def _levels(samples: Samples, notes: list[str]) -> Samples:
    """Return uint16 unchanged, float in [0, 1] as float32; map other values linearly to [0, 1], with a note."""
    if samples.dtype == np.uint16:
        return samples
    if samples.dtype.kind == "f":
        bad = sum(int(np.count_nonzero(~np.isfinite(samples[rows]))) for rows in bands(samples))
        if bad:
            raise BadInput(
                f"This picture has {bad} {'value that is not a number' if bad == 1 else 'values that are not numbers'} "
                f"(NaN or infinite), out of {samples.size}. Replace them in the program that made it, and export again."
            )
    low, high = float(samples.min()), float(samples.max())
    out = zeros(*samples.shape)
    if samples.dtype.kind == "f" and low >= 0 and high <= 1:
        for rows in bands(out, samples):
            out[rows] = samples[rows]
        return out
    notes.append(f"The values in the file, {low:g} to {high:g}, were mapped linearly to black to white.")
    spread = (high - low) or 1.0
    for rows in bands(out, samples):
        out[rows] = (samples[rows].astype(np.float64) - low) / spread
    return out


def _with_alpha(samples: Samples, alpha: Samples, *, premultiplied: bool) -> Samples:
    """Join colours and the raw alpha plane as float32 in [0, 1], colours not premultiplied."""
    top = 1.0 if alpha.dtype.kind == "f" else float(np.iinfo(alpha.dtype).max)
    joined = zeros(*samples.shape[:2], samples.shape[2] + 1)
    for rows in bands(joined, samples, alpha):
        opacity = np.clip(np.nan_to_num(alpha[rows].astype(np.float32) / top), 0, 1)
        colours = samples[rows] / np.float32(65535) if samples.dtype == np.uint16 else samples[rows]
        if premultiplied:
            colours = np.divide(colours, opacity, out=np.zeros_like(colours), where=opacity > 0)
        joined[rows, :, :-1], joined[rows, :, -1:] = np.clip(colours, 0, 1), opacity
    return joined
