"""The image convention, and the only module that reads and writes image files."""

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
from sr_demo.codecs.sniff import Limits, display_name
from sr_demo.codecs.values import Values, relevelled
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
    "same_mapping",
    "stated_pixels",
    "unit",
    "write",
    "write_png",
]

Image = NDArray[np.float32]
"""(H, W, 3) float32 RGB in [0, 1], finite, read-only."""

Pixels: TypeAlias = Image | NDArray[np.uint8]
"""An `Image`, or its values rounded to levels of 0..255, as in large results (see `inference/large_results.py`).
`unit`, `quantize`, `bt601_luma` and `resize` accept both; do not compute with levels directly."""

BT601 = (0.299, 0.587, 0.114)
"""Luma weights of R, G and B (ITU-R BT.601, section 2.5.1). They sum to 1, so that gray values are unchanged."""

_BLEED_AT_ONCE, _BLEED_ROWS = 8 * 2**20, 256
"""Number of pixels whose hidden colours are filled in at once, and rows that are read beyond them."""


class Size(NamedTuple):
    """Height and width in pixels; all such pairs in this program have this order."""

    height: int
    width: int

    @classmethod
    def of(cls, array: NDArray[Any]) -> Size:
        """Return the size of an (H, W, ...) array."""
        height, width = array.shape[:2]
        return cls(height, width)


@dataclass(frozen=True)
class ImageData:
    """An image, with the properties of its file that results keep."""

    pixels: Pixels
    """(H, W, 3) float32 in [0, 1], finite, read-only; levels of 0..255 for large results. The values are those of the file;
    `icc` defines their colour space."""
    alpha: NDArray[np.float32] | None = None
    """(H, W) float32 in [0, 1], read-only; None when fully opaque."""
    gray: bool = False
    """Whether the source had one channel (those of `rgb` are equal); results are written with one channel then."""
    bits: Literal[8, 16] = 8
    """Bits per channel of written results."""
    icc: bytes | None = None
    """Colour profile of the results: an RGB profile, or a gray one when `gray`."""
    name: str = "picture"
    """Base name of the file, for display only. It may contain anything, even HTML: escape it before showing it."""
    notes: tuple[str, ...] = ()
    """Conversions applied while reading, as plain sentences for the user."""
    values: Values | None = None
    """How the values of the file were mapped to [0, 1]; None if they are levels of brightness."""
    metadata: Metadata = Metadata()
    """Date, camera, resolution and other metadata that results carry."""

    @property
    def rgb(self) -> Image:
        """(H, W, 3) float32 in [0, 1], read-only. Computed at each access if `pixels` are levels."""
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
    """Return pixels of any shape as values in [0, 1]; levels of 0..255 are divided by 255."""
    if image.dtype == np.uint8:
        return np.divide(image, np.float32(255), dtype=np.float32)
    return cast("Image", image)


def bt601_luma(image: NDArray[Any]) -> NDArray[Any]:
    """Return the full-range BT.601 luma of an (H, W, 3) float image: (H, W), in the same dtype and range.

    For uint8 levels of 0..255, the result is float32 in [0, 1].
    """
    values = unit(image) if image.dtype == np.uint8 else image
    return values @ np.asarray(BT601, values.dtype)


def read(path: Path | str, limits: Limits = Limits(), page: int | None = None) -> ImageData:  # noqa: B008 - a frozen value
    """Read the (first) image in a PNG, JPEG, WebP, TIFF, BMP, GIF, HEIC or AVIF file, whatever its suffix.

    The image is turned upright by its EXIF orientation. Gray and RGB values stay as they are in the file, with its profile in
    `icc`, or with an equivalent profile for its gamma and primaries; CMYK and Lab are converted to sRGB. Values other than
    levels are mapped to [0, 1], alike on all pages of a file; pixels without data are transparent. The colour of fully
    transparent pixels is replaced by that of the nearest visible one, so that invisible colours do not bleed into edges.

    Args:
        path: The file.
        limits: Limits on bytes and pixels, which are checked before decoding.
        page: Number of one page of a TIFF stack, from `page_numbers(path)`; None for the first image.

    Raises:
        BadInput: The file is not an image, is damaged or exceeds a limit; with one sentence for the user.
        OutOfMemory: Decoding takes more memory than this process may use now.
        SRError: The disk reports an error.
        MissingDependency: The format needs a package that is not installed.
    """
    path = Path(path)
    decoded = decode(path, limits, page)
    samples = decoded.samples
    channels = samples.shape[2]
    colours, alpha = (samples[..., :-1], samples[..., -1]) if channels in (2, 4) else (samples, None)
    rgb = _unit(colours, 3)
    opacity = None if alpha is None else _opacity(_unit(alpha[..., None], 1)[..., 0])
    gray, bits = channels < 3, 8 if samples.dtype == np.uint8 else 16
    del samples, colours, alpha, decoded.samples  # with 100 megapixels, the next step needs their memory
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
    """Return an array of RGB values as an image; its results have 8 bits per channel for uint8, else 16.

    Args:
        array: (H, W, 3) uint8, uint16, or floating point in [0, 1]. It is copied.

    Raises:
        BadInput: The shape, the dtype or a value is not supported.
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
    if kind == "f" and not (samples.min() >= 0 and samples.max() <= 1):  # NaN fails both comparisons
        raise BadInput(
            "An image array of floats holds finite values in [0, 1] only. Divide it by its maximum, or clip it."
        )
    return ImageData(readonly(_unit(samples, 3)), bits=8 if samples.dtype == np.uint8 else 16)


def crop(image: ImageData, top: int, left: int, height: int, width: int) -> ImageData:
    """Return a copy of a region of `image`.

    Args:
        image: The image.
        top: First row of the region.
        left: First column of the region.
        height: Number of rows.
        width: Number of columns.

    Raises:
        BadInput: The region does not lie inside the image.
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


def same_mapping(image: ImageData, other: ImageData) -> ImageData:
    """Return `image` with its values mapped to black and white like those of `other`, so that both can be compared.

    Args:
        image: An image of the same content as `other`, such as its reference, from another file.
        other: The image whose mapping is used.

    Raises:
        BadInput: Only one of the two has values other than levels, so that their common mapping is not known.
    """
    own, wanted = image.values, other.values
    if (own and (own.black, own.white)) == (wanted and (wanted.black, wanted.white)):
        return image
    if own is None or wanted is None:
        raise BadInput(
            f"{display_name(image.name)} and {display_name(other.name)} are mapped to black and white from different "
            "ranges, so that they cannot be compared. Save both with 16 bits per channel."
        )
    note = "Its values were then mapped like those of the picture that it is compared with."
    pixels = readonly(relevelled(image.rgb, own, wanted))
    return replace(image, pixels=pixels, values=wanted, notes=(*image.notes, note))


def for_output(image: ImageData, output: Output) -> ImageData:
    """Return `image` for results that are written as `output`: with 16 bits if the output requests them.

    Otherwise large results of an 8-bit image would be rounded to 8 bits; see `inference/large_results.py`.
    """
    return replace(image, bits=16) if output.bits == 16 else image


def write(image: ImageData, path: Path, output: Output = Output()) -> Written:  # noqa: B008 - a frozen value
    """Write `image` in any of the formats of results; the file appears at `path` only when it is complete.

    Args:
        image: The image; its values are rounded to the bits of the output.
        path: The file; an existing file is replaced. Its suffix is ignored.
        output: Format, quality, bits and metadata; the format must not be `SAME`.

    Returns:
        A record of the metadata in the file, and of what the format cannot store.

    Raises:
        BadInput: The image is too large for the format.
        OutOfMemory: The encoder takes more memory than is free.
        StorageError: The folder cannot be written or the disk is full.
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
        image: The image; see `encode_png`.
        path: The file; an existing file is replaced.
        level: Compression level of zlib, 0 to 9.

    Raises:
        StorageError: The folder cannot be written or the disk is full.
    """
    with _refusals(path):
        _written(path, lambda file: file.writelines(png.chunks(_raster(image, image.bits), level)))


def _written(path: Path, encode: Callable[[IO[bytes]], object]) -> None:
    """Write a file that appears at `path` only when it is complete. Raises OSError."""

    def write(part: Path) -> None:
        with part.open("w+b") as file:
            encode(file)

    write_atomically(path, write)


@contextmanager
def _refusals(path: Path) -> Generator[None]:
    """Translate disk errors into StorageError."""
    try:
        yield
    except OSError as exc:
        raise StorageError(
            f"The picture could not be written to {path.parent}: {exc.strerror or exc}. "
            "Choose another folder, or make room there."
        ) from exc


def _raster(image: ImageData, bits: Literal[8, 16]) -> Raster:
    """Return the image as input for encoders, with `bits` per channel."""
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
    """Round values in [0, 1], or levels of 0..255, to levels of `bits`; 8-bit levels for 8 bits are returned unchanged."""
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
    """Set each fully transparent pixel of `rgb`, in place, to the colour of the nearest other pixel.

    Large images are processed in parts of `_BLEED_AT_ONCE` pixels with `_BLEED_ROWS` rows around them, which is more than the
    receptive field of any method.
    """
    height, width = alpha.shape
    step = max(_BLEED_AT_ONCE // width, _BLEED_ROWS)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        seen = slice(max(top - _BLEED_ROWS, 0), min(bottom + _BLEED_ROWS, height))
        _bleed_rows(rgb[seen], alpha[seen] == 0, slice(top - seen.start, bottom - seen.start))
        large_array.release(rgb, alpha)


def _bleed_rows(rgb: NDArray[np.float32], hidden: NDArray[np.bool_], rows: slice) -> None:
    """Apply `_bleed` to the `hidden` pixels in `rows`."""
    if not hidden[rows].any() or hidden.all():
        return
    cv2 = opencv()
    # Labels of the nearest visible pixel take 4 bytes per pixel; exact distances with coordinates would take 24.
    _, found = cv2.distanceTransformWithLabels(
        hidden.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest, visible = np.asarray(found, np.int32), np.flatnonzero(~hidden)
    place = np.zeros(visible.size + 1, np.uint32)
    place[nearest.ravel()[visible]] = visible
    behind = np.flatnonzero(hidden[rows]) + rows.start * rgb.shape[1]
    flat = rgb.reshape(-1, 3)
    flat[behind] = flat[place[nearest.ravel()[behind]]]
