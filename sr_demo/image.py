"""The image convention, and the only place where image files are read and written."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sr_demo.codecs import encode as codec
from sr_demo.codecs import png
from sr_demo.codecs.decode import decode, page_numbers, stated_pixels
from sr_demo.codecs.formats import Output, Written, format_of
from sr_demo.codecs.libraries import opencv
from sr_demo.codecs.metadata import Metadata
from sr_demo.codecs.raster import Raster
from sr_demo.codecs.sniff import Limits
from sr_demo.codecs.values import Values
from sr_demo.errors import BadInput, StorageError
from sr_demo.system import large_array
from sr_demo.system.storage import write_atomically

A = TypeVar("A", bound=NDArray[Any])

__all__ = [
    "BT601",
    "Image",
    "ImageData",
    "Limits",
    "Metadata",
    "Output",
    "Pixels",
    "Size",
    "Values",
    "Written",
    "bt601_luma",
    "crop",
    "encode_png",
    "for_output",
    "format_of",
    "from_array",
    "page_numbers",
    "quantize",
    "read",
    "readonly",
    "stated_pixels",
    "unit",
    "write",
    "write_png",
]

Image = NDArray[np.float32]
"""(H, W, 3) float32 RGB in [0, 1], finite, read-only."""

Pixels: TypeAlias = Image | NDArray[np.uint8]
"""An `Image`, or the levels of 0..255 that it is rounded to, as large results hold it: see `inference/large_results.py`.
`unit`, `quantize`, `bt601_luma` and `resize` take both; do not compute with levels themselves."""

BT601 = (0.299, 0.587, 0.114)
"""Luma weights of R, G and B (ITU-R BT.601, section 2.5.1). They add up to 1: gray stays as it is."""

_BLEED_AT_ONCE, _BLEED_ROWS = 8 * 2**20, 256
"""Pixels of one part of an image whose hidden colours are filled in, and rows that it sees beyond its edges."""


class Size(NamedTuple):
    """Height and width in pixels: every pair of the two in this program has this order."""

    height: int
    width: int

    @classmethod
    def of(cls, array: NDArray[Any]) -> Size:
        """Return the size of an (H, W, ...) array."""
        height, width = array.shape[:2]
        return cls(height, width)


@dataclass(frozen=True)
class ImageData:
    """An image, and what to keep of its file when a result is written."""

    pixels: Pixels
    """(H, W, 3) float32 in [0, 1], finite, read-only; of large results levels of 0..255. Values as in the file: `icc` says
    which colours they mean."""
    alpha: NDArray[np.float32] | None = None
    """(H, W) float32 in [0, 1], read-only; None when fully opaque."""
    gray: bool = False
    """The source had one channel (the three of `rgb` are equal): results are written with one."""
    bits: Literal[8, 16] = 8
    """Depth per channel that results are written with."""
    icc: bytes | None = None
    """Colour profile to put on results: an RGB one, or a gray one when `gray`."""
    name: str = "picture"
    """Base name of the file, for display only. It may contain anything, HTML too: escape it before showing it."""
    notes: tuple[str, ...] = ()
    """Conversions applied while reading, as plain sentences for the user."""
    values: Values | None = None
    """How the values of the file were mapped to [0, 1]; None where they are levels of brightness."""
    metadata: Metadata = Metadata()
    """Date, camera, resolution and the like, which results carry."""

    @property
    def rgb(self) -> Image:
        """(H, W, 3) float32 in [0, 1], read-only. Computed at each access where `pixels` are levels."""
        return readonly(_unit(self.pixels, 3)) if self.pixels.dtype == np.uint8 else unit(self.pixels)

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return Size.of(self.pixels)


def readonly(array: A) -> A:
    """Mark `array` read-only and return it."""
    array.flags.writeable = False
    return array


def quantize(image: Pixels) -> NDArray[np.uint8]:
    """Round an image in [0, 1], of any shape, to levels of 0..255 (truncating would cost up to 2.6 dB of PSNR)."""
    return np.asarray(_rounded(image, 8), np.uint8)


def unit(image: Pixels) -> Image:
    """Return a part of an image, of any shape, as values in [0, 1]: levels of 0..255 are divided by 255."""
    if image.dtype == np.uint8:
        return np.divide(image, np.float32(255), dtype=np.float32)
    return cast("Image", image)


def bt601_luma(image: NDArray[Any]) -> NDArray[Any]:
    """Return the full-range BT.601 luma of an (H, W, 3) float image: (H, W), in the same type and range.

    Of levels of 0..255 as of an `Image`: float32 in [0, 1].
    """
    values = unit(image) if image.dtype == np.uint8 else image
    return values @ np.asarray(BT601, values.dtype)


def read(path: Path | str, limits: Limits = Limits(), page: int | None = None) -> ImageData:  # noqa: B008 - a frozen value
    """Read the (first) image in a PNG, JPEG, WebP, TIFF, BMP, GIF, HEIC or AVIF file, whatever its extension says.

    It is turned upright by its EXIF orientation. Gray and RGB values stay as they are in the file, with its profile in
    `icc`, or one that says the same as its gamma and primaries; CMYK and Lab are converted to sRGB. Values that are no levels
    are mapped to [0, 1], in the same way on all pages of a file; pixels without data are transparent. The colour of fully
    transparent pixels is replaced by that of the nearest visible one, so that invisible colours do not bleed into edges.

    Args:
        path: the file.
        limits: bytes and pixels, checked before anything is decoded.
        page: one page of a TIFF stack, by its number in `page_numbers(path)`.

    Raises:
        BadInput: with one sentence for the user, when the file is not an image, is damaged or exceeds a limit.
        MissingDependency: when the format needs a package that is not installed.
    """
    path = Path(path)
    decoded = decode(path, limits, page)
    samples = decoded.samples
    channels = samples.shape[2]
    colours, alpha = (samples[..., :-1], samples[..., -1]) if channels in (2, 4) else (samples, None)
    rgb = _unit(colours, 3)
    opacity = None if alpha is None else _opacity(_unit(alpha[..., None], 1)[..., 0])
    gray, bits = channels < 3, 8 if samples.dtype == np.uint8 else 16
    del samples, colours, alpha, decoded.samples  # of 100 megapixels, the next step has no room beside them
    if opacity is not None:
        _bleed(rgb, opacity)
    return ImageData(
        pixels=readonly(rgb),
        alpha=opacity,
        gray=gray,
        bits=bits,
        icc=decoded.icc,
        name=path.name,
        notes=tuple(decoded.notes),
        values=decoded.values,
        metadata=decoded.metadata,
    )


def from_array(array: ArrayLike) -> ImageData:
    """Take RGB values as an image; results have 8 bits per channel for uint8, else 16.

    Args:
        array: (H, W, 3) uint8, uint16, or floating point in [0, 1]. It is copied.

    Raises:
        BadInput: the shape, the type or a value is another.
    """
    samples = np.asarray(array)
    if samples.ndim != 3 or samples.shape[2] != 3 or not samples.size:
        raise BadInput(
            f"An image array has the shape (height, width, 3), not {samples.shape}. Reshape or repeat it first."
        )
    kind, size = samples.dtype.kind, samples.dtype.itemsize
    if kind != "f" and not (kind == "u" and size <= 2):
        raise BadInput(
            f"An image array holds uint8, uint16, or floats in [0, 1], not {samples.dtype}. Convert it first."
        )
    if kind == "f" and not (samples.min() >= 0 and samples.max() <= 1):  # NaN is neither
        raise BadInput(
            "An image array of floats holds finite values in [0, 1] only. Divide it by its maximum, or clip it."
        )
    return ImageData(readonly(_unit(samples, 3)), bits=8 if samples.dtype == np.uint8 else 16)


def crop(image: ImageData, top: int, left: int, height: int, width: int) -> ImageData:
    """Return a copy of a region of `image`.

    Args:
        image: what to cut from.
        top: first row, in pixels.
        left: first column.
        height: number of rows.
        width: number of columns.

    Raises:
        BadInput: when the region does not lie inside the image.
    """
    rows, columns = image.size
    if top < 0 or left < 0 or height < 1 or width < 1 or top + height > rows or left + width > columns:
        raise BadInput(
            f"A region of {width} x {height} pixels at ({left}, {top}) does not lie inside this picture of "
            f"{columns} x {rows} pixels. Choose a smaller one."
        )
    part = np.s_[top : top + height, left : left + width]
    alpha = None if image.alpha is None else _opacity(image.alpha[part].copy())
    return replace(image, pixels=readonly(image.pixels[part].copy()), alpha=alpha)


def for_output(image: ImageData, output: Output) -> ImageData:
    """Return an image whose results are to be written as `output`: with 16 bits where that requests them.

    Else large results of an image in 8 bits would be rounded to these: see `inference/large_results.py`.
    """
    return replace(image, bits=16) if output.bits == 16 else image


def write(image: ImageData, path: Path, output: Output = Output()) -> Written:  # noqa: B008 - a frozen value
    """Write `image` in any of the formats of results; the file appears at `path` only when it is complete.

    Args:
        image: its values are rounded to the bits of the output.
        path: the file; one that was there before is replaced. Its ending is not looked at.
        output: format, quality, bits and metadata; the format is not `SAME`.

    Returns:
        What the file keeps of the metadata, and what the format cannot hold.

    Raises:
        BadInput: when the format cannot hold so large an image.
        OutOfMemory: when its encoder takes more memory than is free.
        StorageError: when the folder cannot be written or the disk is full.
    """
    deep = output.file_format.deep
    bits = output.bits or (image.bits if deep else 8)
    raster, written = codec.adapted(_raster(image, bits), output)
    if image.bits > bits and output.bits is None:
        lost = f"{output.file_format.title} holds 8 bits per channel: the {image.bits} of the picture are rounded."
        written = replace(written, notes=(*written.notes, lost))
    with _refusals(path):
        _written(path, lambda file: codec.encode(raster, file, output))
    return written


def encode_png(image: ImageData, level: int = png.LEVEL) -> bytes:
    """Encode `image` as PNG: gray or RGB, 8 or 16 bit, with its alpha, profile and metadata; values are rounded."""
    return b"".join(png.chunks(_raster(image, image.bits), level))


def write_png(image: ImageData, path: Path, level: int = png.LEVEL) -> None:
    """Write `image` as a PNG file, which appears at `path` only when it is complete.

    Args:
        image: encoded as by `encode_png`.
        path: the file; one that was there before is replaced.
        level: zlib's compression level, 0 to 9.

    Raises:
        StorageError: when the folder cannot be written or the disk is full.
    """
    with _refusals(path):
        _written(path, lambda file: file.writelines(png.chunks(_raster(image, image.bits), level)))


def _written(path: Path, encode: Callable[[IO[bytes]], object]) -> None:
    """Write a file that appears at `path` when it is complete. Raises OSError."""

    def write(part: Path) -> None:
        with part.open("w+b") as file:
            encode(file)

    write_atomically(path, write)


@contextmanager
def _refusals(path: Path) -> Generator[None]:
    """Translate the errors of a disk that refuses into StorageError."""
    try:
        yield
    except OSError as exc:
        raise StorageError(
            f"The picture could not be written to {path.parent}: {exc.strerror or exc}. "
            "Choose another folder, or make room there."
        ) from exc


def _raster(image: ImageData, bits: Literal[8, 16]) -> Raster:
    """The image as encoders take it, with `bits` per channel."""
    height, width = image.size

    def rows(top: int, bottom: int) -> NDArray[Any]:
        colours = image.pixels[top:bottom, :, :1] if image.gray else image.pixels[top:bottom]
        planes = [_rounded(colours, bits)]
        if image.alpha is not None:
            planes.append(_rounded(image.alpha[top:bottom, :, None], bits))
        band = np.concatenate(planes, axis=-1)
        large_array.release(*(part[top:bottom] for part in (image.pixels, image.alpha) if part is not None))
        return band

    channels = (1 if image.gray else 3) + (image.alpha is not None)
    return Raster(rows, width, height, channels, bits, image.icc, image.metadata)


def _rounded(values: Pixels, bits: Literal[8, 16]) -> NDArray[np.uint8 | np.uint16]:
    """Round values in [0, 1], or levels of 0..255, to levels of `bits`; such levels are returned as they are."""
    if values.dtype == np.uint8 and bits == 8:
        return np.asarray(values, np.uint8)
    top = np.float32(2**bits - 1)
    levels = np.multiply(unit(values), top)
    np.rint(levels, out=levels)
    return levels.clip(0, top, out=levels).astype(np.uint8 if bits == 8 else np.uint16)


def _unit(samples: NDArray[Any], channels: int) -> NDArray[np.float32]:
    """Copy (H, W, 1 or 3) uint8, uint16 or float32 in [0, 1] to (H, W, `channels`) float32 in [0, 1]."""
    unit = large_array.zeros(*samples.shape[:2], channels)
    top = 1 if samples.dtype.kind == "f" else np.iinfo(samples.dtype).max
    for rows in large_array.bands(unit, samples):
        np.divide(samples[rows], np.float32(top), out=unit[rows], dtype=np.float32)
    return unit


def _opacity(alpha: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return `alpha` (H, W) read-only, or None when it is 1 everywhere."""
    opaque = all(bool((alpha[rows] == 1).all()) for rows in large_array.bands(alpha))
    return None if opaque else readonly(alpha)


def _bleed(rgb: NDArray[np.float32], alpha: NDArray[np.float32]) -> None:
    """Give each fully transparent pixel of `rgb`, in place, the colour of the nearest pixel that is not.

    Large images in parts of `_BLEED_AT_ONCE` pixels, which see `_BLEED_ROWS` rows beyond their edges: no method looks
    farther.
    """
    height, width = alpha.shape
    step = max(_BLEED_AT_ONCE // width, _BLEED_ROWS)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        seen = slice(max(top - _BLEED_ROWS, 0), min(bottom + _BLEED_ROWS, height))
        _bleed_rows(rgb[seen], alpha[seen] == 0, slice(top - seen.start, bottom - seen.start))
        large_array.release(rgb, alpha)


def _bleed_rows(rgb: NDArray[np.float32], hidden: NDArray[np.bool_], rows: slice) -> None:
    """Do what `_bleed` says for the pixels of `rows` that are `hidden`."""
    if not hidden[rows].any() or hidden.all():
        return
    cv2 = opencv()
    # Labels of the nearest visible pixel: 4 bytes per pixel, where exact distances with coordinates take 24.
    _, found = cv2.distanceTransformWithLabels(
        hidden.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest, visible = np.asarray(found, np.int32), np.flatnonzero(~hidden)
    place = np.zeros(visible.size + 1, np.uint32)
    place[nearest.ravel()[visible]] = visible
    behind = np.flatnonzero(hidden[rows]) + rows.start * rgb.shape[1]
    flat = rgb.reshape(-1, 3)
    flat[behind] = flat[place[nearest.ravel()[behind]]]
