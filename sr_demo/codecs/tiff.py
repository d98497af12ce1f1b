"""TIFF with more than 8 bits per channel: 16-bit, 32-bit and floating point. The rest is Pillow's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import BadInput
from sr_demo.large_array import bands, zeros

Samples = NDArray[Any]
_MINISWHITE, _MINISBLACK, _RGB, _SEPARATED = 0, 1, 2, 5
_COLOURS = {_MINISWHITE: 1, _MINISBLACK: 1, _RGB: 3, _SEPARATED: 4}
"""TIFF 6.0 PhotometricInterpretation -> channels without alpha."""
_PREMULTIPLIED, _ALPHA = 1, 2
_ORIENTATION, _ICC, _DNG = 274, 34675, 50706


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
    """Which pages of a stack are pictures of their own, from 0: previews of other pages are left out."""
    from tifffile import TiffFile

    with TiffFile(file) as tif:
        return tuple(number for number, page in enumerate(tif.pages) if not page.is_reduced) or (0,)


def is_deep(file: IO[bytes], number: int = 0) -> bool:
    """True when page `number` is not plain 8 bit (or less). Refuses camera raw files, which are TIFF outside."""
    from tifffile import TiffFile

    with TiffFile(file) as tif:
        page = _page(tif, number)
        if _DNG in page.tags:
            raise BadInput("This is a camera raw file (DNG). Develop it first, and export it as TIFF, PNG or JPEG.")
        return page.dtype is None or page.dtype not in (np.dtype(np.uint8), np.dtype(np.bool_))


def read(file: IO[bytes], check: Callable[[int, int, int], None], number: int | None = None) -> Page:
    """Page `number`, or the first, with a note if there are more; `check(width, height, bytes of a
    pixel)` is called before decoding.

    Raises BadInput, or what tifffile raises.
    """
    from tifffile import TiffFile

    file.seek(0)
    with TiffFile(file) as tif:
        page = _page(tif, number or 0)
        check(page.imagewidth, page.imagelength, page.samplesperpixel * ((page.bitspersample + 7) // 8))
        colours = _COLOURS.get(int(page.photometric), 0)
        if not colours or page.samplesperpixel not in (colours, colours + 1) or page.imagedepth > 1:
            raise BadInput(
                f"This TIFF has {page.samplesperpixel} channels of a kind that is not read here. "
                "Export it as gray or RGB, with 8 or 16 bits per channel."
            )
        more = number is None and len(tif.pages) > 1
        notes = [f"The first of {len(tif.pages)} pages is used."] if more else []
        samples, orientation = _decoded(page, file, number or 0)
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
            samples = whole[..., : colours + 1]  # `samples` is a part of it, whatever was done to it
        else:
            samples = _with_alpha(samples, alpha, premultiplied=extra[0] == _PREMULTIPLIED)
    if colours == 4 and samples.dtype != np.uint16:
        unit, samples = samples, np.empty(samples.shape, np.uint16)
        for rows in bands(unit, samples):
            samples[rows] = np.rint(unit[rows] * 65535)
    return Page(samples, colours == 4, orientation, icc if isinstance(icc, bytes) else None, notes)


def _page(tif: Any, number: int) -> Any:
    """Page `number` with all its tags; tifffile keeps only a frame for those after the first."""
    return tif.pages.get(number, aspage=True)


def _decoded(page: Any, file: IO[bytes], number: int) -> tuple[Samples, int]:
    """The page as (H, W, C) in its own type, and the orientation still to be applied."""
    try:
        read = page.asarray()
    except (ValueError, ImportError, LookupError):
        # Without the package imagecodecs, tifffile has no LZW; OpenCV brings libtiff, and turns the picture upright.
        return _by_opencv(file, number), 1
    if read.ndim == 3 and page.axes.startswith("S"):
        read = np.moveaxis(read, 0, -1)
    value = page.tags.valueof(_ORIENTATION, 1)
    orientation = int(value) if isinstance(value, int) and 1 <= value <= 8 else 1
    return (read if read.ndim == 3 else read[..., None]), orientation


def _by_opencv(file: IO[bytes], number: int) -> Samples:
    import cv2

    file.seek(0)
    content = np.frombuffer(file.read(), np.uint8)
    done, pages = cv2.imdecodemulti(content, cv2.IMREAD_UNCHANGED, range=(number, number + 1))
    if not done or not pages:
        raise OSError("neither tifffile nor OpenCV can decode this TIFF")
    read = pages[0]
    return read[..., None] if read.ndim == 2 else _swapped(read)


def _swapped(read: Samples) -> Samples:
    """BGR or BGRA as RGB or RGBA, in place."""
    for rows in bands(read):
        read[rows] = read[rows][..., [2, 1, 0, 3][: read.shape[2]]]
    return read


def _levels(samples: Samples, notes: list[str]) -> Samples:
    """uint16 as it is, float in [0, 1] as float32; other values mapped linearly to [0, 1] as float32, with a note."""
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
    """Colours and the raw alpha plane joined, colours as they are without the alpha."""
    top = 1.0 if alpha.dtype.kind == "f" else float(np.iinfo(alpha.dtype).max)
    joined = zeros(*samples.shape[:2], samples.shape[2] + 1)
    for rows in bands(joined, samples, alpha):
        opacity = np.clip(np.nan_to_num(alpha[rows].astype(np.float32) / top), 0, 1)
        colours = samples[rows] / np.float32(65535) if samples.dtype == np.uint16 else samples[rows]
        if premultiplied:
            colours = np.divide(colours, opacity, out=np.zeros_like(colours), where=opacity > 0)
        joined[rows, :, :-1], joined[rows, :, -1:] = np.clip(colours, 0, 1), opacity
    return joined
