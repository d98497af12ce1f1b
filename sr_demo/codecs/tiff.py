"""Decoder for TIFF pages that Pillow does not read: more than 8 bits per channel, values other than levels, extra channels.

The work is bounded for any file: `tiff_directories` limits pages, tags and geometry before a library reads the file,
libraries read one page only, and `tiff_pixels` limits the unpacked size of a strip or tile.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from sr_demo.codecs import metadata, tiff_pixels
from sr_demo.codecs.libraries import LIBRARY_ERRORS
from sr_demo.codecs.metadata import Metadata
from sr_demo.codecs.tiff_directories import OnePage, check, check_exif_parts, directory, places
from sr_demo.codecs.values import (
    Range,
    Values,
    are_levels,
    map_to_levels,
    missing,
    no_data_value,
    refuse_infinite,
    value_range,
)
from sr_demo.errors import BadInput
from sr_demo.system.large_array import bands, zeros

log = logging.getLogger("sr_demo")

Samples = NDArray[Any]
_MINISWHITE, _MINISBLACK, _RGB, _SEPARATED, _LAB = 0, 1, 2, 5, 8
_COLOURS = {_MINISWHITE: 1, _MINISBLACK: 1, _RGB: 3, _SEPARATED: 4}
"""TIFF 6.0 PhotometricInterpretation -> channels without alpha."""
_NAMES = {1: "gray", 3: "RGB", 4: "CMYK"}
_PREMULTIPLIED, _ALPHA = 1, 2
_LZMA = 34925
_ACROSS, _DOWN, _UNIT = 282, 283, 296
_PER_INCH = {2: 1.0, 3: 2.54}
_ICC, _NO_DATA = 34675, 42113
_TEXTS = (270, 271, 272, 305, 306, 315, 700, 33432)
"""Tags that are kept from a BigTIFF, which Pillow's EXIF reader does not support."""


@dataclass
class Page:
    """One page of a TIFF file."""

    samples: Samples
    """(H, W, C): uint8 or uint16 (full range) or float32 in [0, 1]; gray, gray with alpha, RGB, RGBA, or CMYK if `cmyk`."""
    cmyk: bool
    orientation: int
    icc: bytes | None
    notes: list[str] = field(default_factory=list[str])
    values: Values | None = None
    metadata: Metadata = Metadata()


@dataclass(frozen=True)
class _Channels:
    """Meaning of the channels of a page."""

    colours: int
    alpha: int
    """0, `_PREMULTIPLIED` or `_ALPHA`."""
    spare: int
    """Number of further channels."""


def page_numbers(file: IO[bytes]) -> tuple[int, ...]:
    """Return the numbers of the pages, from 0, without previews of other pages and places that hold no directory."""
    found = enumerate(list(places(file)))
    return tuple(number for number, at in found if _is_page(file, at)) or (0,)


def _is_page(file: IO[bytes], at: int) -> bool:
    try:
        return not directory(file, at).is_preview
    except ValueError:
        log.info("no TIFF directory at %d", at, exc_info=True)
        return False


def count_pages(file: IO[bytes]) -> int:
    """Count the pages, previews included. Raises BadInput beyond a limit."""
    return sum(1 for _ in places(file))


def one_page(file: IO[bytes], number: int = 0) -> IO[bytes]:
    """Return page `number` as a separate file, with its directory checked. Raises ValueError."""
    at = next((at for place, at in enumerate(places(file)) if place == number), None)
    if at is None:
        raise ValueError(f"no page {number}")
    return page_at(file, at)


def page_at(file: IO[bytes], at: int) -> IO[bytes]:
    """Return the page with the directory at offset `at` as a separate file, checked. Raises ValueError."""
    found = directory(file, at)
    check(found, file.seek(0, io.SEEK_END))
    check_exif_parts(file, found)
    return io.BufferedReader(OnePage(file, found))


def is_deep(page: IO[bytes]) -> bool:
    """Return whether `read` must decode a page instead of Pillow.

    This holds for more than 8 bits per channel, and for what Pillow reads wrongly or not at all in 8 bits: pixels without
    data, extra channels other than the alpha of RGB or gray, separate planes of gray with alpha or of Lab, LZMA, the
    predictor 0, and BigTIFF in big-endian order.
    """
    from tifffile import TiffFile

    with TiffFile(page) as tif:
        first = _first(tif)
        if first.dtype is None or first.dtype not in (np.dtype(np.uint8), np.dtype(np.bool_)):
            return True
        photometric, extra = int(first.photometric), [int(kind) for kind in first.extrasamples]
        colours = _COLOURS.get(photometric, 0)
        foreign = first.compression == _LZMA or first.predictor == 0 or (tif.is_bigtiff and tif.byteorder == ">")
        without_data = colours != 4 and no_data_value(first.tags.valueof(_NO_DATA)) is not None
        if first.bitspersample == 8 and colours and (foreign or without_data) and tiff_pixels.is_readable(first):
            return True
        if photometric == _LAB:
            return first.planarconfig != 1
        if not colours or first.samplesperpixel <= colours:
            return False
        if photometric == _RGB:
            return extra not in ([], [_PREMULTIPLIED], [_ALPHA])
        return photometric != _MINISBLACK or extra != [_ALPHA] or first.planarconfig != 1


def stored_bytes(page: IO[bytes]) -> int:
    """Return the size in bytes of a page's values if `read` maps them to levels; 0 if they are levels already."""
    from tifffile import TiffFile

    with TiffFile(page) as tif:
        first = _first(tif)
        return 0 if first.dtype is None or are_levels(first.dtype) else int(first.nbytes)


def range_of(file: IO[bytes], allow: Callable[[int, int, int], None]) -> Range:
    """Return the range of the values of a page. See `read` for arguments and errors."""
    from tifffile import TiffFile

    file.seek(0)
    with TiffFile(file) as tif:
        page = _first(tif)
        _allowed(page, allow)
        samples = tiff_pixels.decoded(page, file)[0][..., : _channels(page).colours]
        return value_range(samples, missing(samples, no_data_value(page.tags.valueof(_NO_DATA))))


def read(file: IO[bytes], allow: Callable[[int, int, int], None], whole: Callable[[], Range] | None = None) -> Page:
    """Decode a page.

    Args:
        file: A file with one page, from `one_page`.
        allow: Called with width, height and bytes per pixel before decoding; may raise.
        whole: Returns the range of the values in all pages; None if there is only one page.

    Raises:
        BadInput: Channels or values are not supported.
        Exception: Whatever `allow` and tifffile raise.
    """
    from tifffile import TiffFile

    file.seek(0)
    with TiffFile(file) as tif:
        page = _first(tif)
        _allowed(page, allow)
        if page.dtype is not None and page.dtype.kind == "c":
            raise BadInput(
                "This TIFF holds complex numbers, which have no brightness of their own. Export their magnitude, or what "
                "you want to see of them."
            )
        channels = _channels(page)
        found = None if whole is None or page.dtype is None or are_levels(page.dtype) else whole()
        samples, orientation = tiff_pixels.decoded(page, file)
        icc = page.tags.valueof(_ICC)
        result = Page(samples, channels.colours == 4, orientation, icc if isinstance(icc, bytes) else None)
        result.metadata = _metadata(file, page).turned(tiff_pixels.orientation(page))
        no_data, inverted = no_data_value(page.tags.valueof(_NO_DATA)), page.photometric == _MINISWHITE
    if samples.ndim != 3 or samples.shape[2] < channels.colours:
        raise ValueError(f"{channels.colours} channels expected, decoded to {samples.shape}")
    _refuse_spare(samples, channels)
    _take(result, channels, found, no_data, inverted=inverted)
    return result


def _take(result: Page, channels: _Channels, found: Range | None, no_data: float | None, *, inverted: bool) -> None:
    """Map the values of `result` to levels, invert them if necessary, and set alpha and notes; all in place."""
    whole, count = result.samples, channels.colours
    samples, alpha = whole[..., :count], whole[..., count : count + bool(channels.alpha)]
    without = missing(samples, no_data)
    refuse_infinite(samples)
    over_all = found is not None
    if found is None:
        found = Range() if are_levels(samples.dtype) else value_range(samples, without)
    if not are_levels(samples.dtype) and found.low > found.high:
        raise BadInput("This picture holds no values: all its pixels are without data. Export it again with its data.")
    samples, result.values = map_to_levels(samples, found, without)
    if result.values is not None:
        low, high = f"{found.low:g}", f"{found.high:g}"
        result.notes.append(
            f"The values in the file, {low} to {high} over all its pages, were mapped linearly to black to white."
            if over_all
            else f"The values in the file, {low} to {high}, were mapped linearly to black to white."
        )
    if inverted:
        white = np.float32(1) if samples.dtype.kind == "f" else samples.dtype.type(np.iinfo(samples.dtype).max)
        for rows in bands(samples):
            samples[rows] = white - samples[rows]
    if count == 4:
        if channels.alpha:
            result.notes.append("The transparency of this CMYK picture is left out.")
        samples = samples if samples.dtype.kind != "f" else _sixteen_bits(samples)
    elif channels.alpha and samples.dtype == alpha.dtype and samples.dtype.kind == "u" and channels.alpha == _ALPHA:
        samples = whole[..., : count + 1]  # `samples` is a view of `whole`, which contains all changes
    elif channels.alpha:
        samples = _with_alpha(samples, alpha, premultiplied=channels.alpha == _PREMULTIPLIED)
    if without is not None and count != 4:
        samples = _hidden(samples, without, has_alpha=bool(channels.alpha))
        result.notes.append(_about_missing(without, no_data))
    if result.values is not None:
        black, white = (found.high, found.low) if inverted else (found.low, found.high)
        result.values = Values(black, white, no_data)
    result.samples = samples


def _about_missing(without: NDArray[np.bool_], no_data: float | None) -> str:
    count = int(np.count_nonzero(without))
    value = "" if no_data is None else f" (the value {no_data:g})"
    if count == 1:
        return f"1 pixel without data{value} is transparent in the result."
    return f"{count:,} pixels without data{value} are transparent in the result."


def _first(tif: Any) -> Any:
    """Return the first page with all its tags."""
    return tif.pages.get(0, aspage=True)


def _allowed(page: Any, allow: Callable[[int, int, int], None]) -> None:
    bits = page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)
    allow(page.imagewidth, page.imagelength, page.samplesperpixel * ((bits + 7) // 8))


def _channels(page: Any) -> _Channels:
    """Return the channels of a page. Raises BadInput if a channel would be lost."""
    colours, extra = _COLOURS.get(int(page.photometric), 0), [int(kind) for kind in page.extrasamples]
    spare = page.samplesperpixel - colours
    alpha = extra[0] if extra and extra[0] in (_PREMULTIPLIED, _ALPHA) else 0
    if not extra and spare == 1 and colours == 3:
        alpha = _ALPHA  # some programs omit the tag ExtraSamples
    found = _Channels(colours, alpha, spare - bool(alpha))
    # A single further channel beside RGB may be padding, whose values are all equal.
    if not colours or spare < 0 or page.imagedepth > 1 or found.spare > (colours == 3 and not alpha):
        raise _odd(page.samplesperpixel, found)
    return found


def _odd(count: int, channels: _Channels) -> BadInput:
    kind = ""
    if channels.colours and channels.spare > 0:
        kind = f": {_NAMES[channels.colours]}{' with alpha' if channels.alpha else ''} and {channels.spare} more"
    return BadInput(
        f"This TIFF has {count} channels of a kind that is not read here{kind}. Export it as gray or RGB, with 8 or 16 bits "
        "per channel, or each channel as a file of its own."
    )


def _refuse_spare(samples: Samples, channels: _Channels) -> None:
    """Raise BadInput when a further channel beside RGB is not constant, such as an infrared band."""
    spare = samples[..., channels.colours : channels.colours + channels.spare]
    if not channels.alpha and spare.size and any(bool((spare[rows] != spare[0, 0]).any()) for rows in bands(spare)):
        raise _odd(samples.shape[2], channels)


def _resolution(page: Any) -> tuple[float, float] | None:
    """Return the resolution in pixels per inch."""
    factor = _PER_INCH.get(int(page.tags.valueof(_UNIT, 2) or 0))
    pairs = page.tags.valueof(_ACROSS), page.tags.valueof(_DOWN)
    if factor is None or any(not isinstance(pair, tuple) or len(pair) != 2 or not pair[1] for pair in pairs):
        return None
    across, down = (pair[0] / pair[1] * factor for pair in pairs)
    return across, down


def _metadata(file: IO[bytes], page: Any) -> Metadata:
    """Return the metadata of the page; empty if they are broken."""
    try:
        if page.parent.is_bigtiff:
            return metadata.of_tags({tag: page.tags.valueof(tag) for tag in _TEXTS}, _resolution(page))
        exif = Pillow.Exif()
        file.seek(0)
        exif.load_from_fp(file)
        return metadata.of_info({}, exif)
    except LIBRARY_ERRORS:
        log.info("broken metadata", exc_info=True)
        return Metadata()


def _sixteen_bits(unit: Samples) -> Samples:
    out = np.empty(unit.shape, np.uint16)
    for rows in bands(unit, out):
        out[rows] = np.rint(unit[rows] * 65535)
    return out


def _hidden(samples: Samples, without: NDArray[np.bool_], *, has_alpha: bool) -> Samples:
    """Add alpha to `samples` if they have none, and make the pixels `without` data transparent."""
    if not has_alpha:
        top = 1 if samples.dtype.kind == "f" else np.iinfo(samples.dtype).max
        joined = np.empty((*samples.shape[:2], samples.shape[2] + 1), samples.dtype)
        for rows in bands(joined, samples):
            joined[rows, :, :-1], joined[rows, :, -1] = samples[rows], top
        samples = joined
    for rows in bands(samples, without):
        samples[rows, :, -1][without[rows]] = 0
    return samples


def _with_alpha(samples: Samples, alpha: Samples, *, premultiplied: bool) -> Samples:
    """Join colours and the raw alpha plane as float32 in [0, 1], with unpremultiplied colours."""
    top = 1.0 if alpha.dtype.kind == "f" else float(np.iinfo(alpha.dtype).max)
    white = np.float32(1 if samples.dtype.kind == "f" else np.iinfo(samples.dtype).max)
    joined = zeros(*samples.shape[:2], samples.shape[2] + 1)
    for rows in bands(joined, samples, alpha):
        opacity = np.clip(np.nan_to_num(alpha[rows].astype(np.float32) / top), 0, 1)
        colours = samples[rows] / white
        if premultiplied:
            colours = np.divide(colours, opacity, out=np.zeros_like(colours), where=opacity > 0)
        joined[rows, :, :-1], joined[rows, :, -1:] = np.clip(colours, 0, 1), opacity
    return joined
