"""Decoding of image files to samples, turned upright, with their colour profile.

Pillow decodes files with 8 bits per channel, OpenCV PNG with 16, `tiff.py` TIFF with more than 8. Foreign errors
(`_TROUBLE`) are translated here. Before a library reads a file, `structure` and `directories` limit the number of its parts
and `check_pixels` its size: decoding then takes time and memory in proportion to pixels and bytes.
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    ImageCms,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL import Image as Pillow
from PIL.ImageFile import ImageFile

from sr_demo.codecs import tiff
from sr_demo.codecs.directories import check_exif
from sr_demo.codecs.sniff import CHOOSE, Kind, Limits, check_file, check_pixels, shown
from sr_demo.codecs.structure import check_parts
from sr_demo.errors import BadInput, MissingDependency
from sr_demo.system.large_array import bands

log = logging.getLogger("sr_demo")

Samples = NDArray[Any]
_ORIENTATION = 0x0112
_GRAY_ALPHA = 4
"""PNG colour type."""
_BAND = 2**22
"""Pixels that are converted at once."""
# Called directly, not through `Pillow.open`: the kind is known, no other decoder shall try, and our limit on pixels comes
# before Pillow's (a global).
_PLUGINS: dict[Kind, type[ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
_PLACES: dict[type[Exception], str] = {
    FileNotFoundError: "{name} is not there. Check the name, or choose the file again.",
    PermissionError: "{name} may not be read. Change its permissions, or choose another file.",
    Pillow.DecompressionBombError: "{name} unpacks to far more pixels than it says it has. " + CHOOSE,
    MemoryError: "{name} needs more memory than this computer has. Crop it or scale it down first.",
}
_DAMAGED = "{name} is damaged or incomplete and cannot be decoded. Export it or download it again."
_TROUBLE = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, ArithmeticError, RuntimeError, AttributeError,
    MemoryError, AssertionError, Warning, struct.error, zlib.error, Pillow.DecompressionBombError,
)  # fmt: skip
"""What the decoders are known to raise on bytes they do not expect."""


@dataclass
class Decoded:
    """The samples of an image file, turned upright."""

    samples: Samples
    """(H, W, C): gray, gray with alpha, RGB or RGBA; uint8 or uint16 (full range), or float32 in [0, 1]."""
    icc: bytes | None = None
    """A profile whose colour space is that of the samples."""
    notes: list[str] = field(default_factory=list)
    """Conversions, as sentences for the user."""


def page_numbers(path: Path, limits: Limits) -> tuple[int, ...]:
    """Return the numbers of a TIFF's pages that are no previews of others; (0,) for other kinds. Raises BadInput."""
    with _translated(shown(path.name)):
        if check_file(path, limits) != "TIFF":
            return (0,)
        with path.open("rb") as file:
            return tiff.page_numbers(file)


def stated_pixels(path: Path, limits: Limits) -> int:
    """Return the pixels that the file's header states; the limit where only decoding shows them. Raises BadInput."""
    with _translated(shown(path.name)):
        kind = check_file(path, limits)
        with path.open("rb") as file:
            if kind == "TIFF":
                return limits.max_pixels
            check_parts(file, kind)
            file.seek(0)
            with _plugin(kind)(file) as picture:
                return picture.width * picture.height


def decode(path: Path, limits: Limits, page: int | None = None) -> Decoded:
    """Decode an image file.

    Args:
        path: the file.
        limits: checked before decoding.
        page: number of one page of a TIFF stack; without it, the first image, with a note if there are more.

    Raises:
        BadInput: with one sentence for the user.
        MissingDependency: when the format needs a package that is not installed.
    """
    with _translated(shown(path.name)):
        kind = check_file(path, limits)
        with path.open("rb") as file:
            if kind == "TIFF":
                decoded = _from_tiff(file, limits, page)
            else:
                frames = check_parts(file, kind)
                decoded = _from_pillow(file, kind, limits, frames)
        samples = decoded.samples
        if samples.ndim != 3 or not 1 <= samples.shape[2] <= 4 or not samples.size:
            raise ValueError(f"decoded to {samples.shape}")
        return decoded


@contextmanager
def _translated(name: str) -> Generator[None, None, None]:
    """Translate what decoders raise on the file called `name` into BadInput."""
    try:
        yield
    except _TROUBLE as exc:
        sentence = next((text for kind, text in _PLACES.items() if isinstance(exc, kind)), _DAMAGED)
        log.info("could not read %r", name, exc_info=exc)
        raise BadInput(sentence.format(name=name)) from exc


def _from_tiff(file: IO[bytes], limits: Limits, number: int | None) -> Decoded:
    """Page `number`, or the first, with a note if there are more."""
    pages = 1 if number is not None else tiff.count_pages(file)
    with tiff.one_page(file, number or 0) as page:
        decoded = _deep_tiff(page, limits) if tiff.is_deep(page) else _from_pillow(page, "TIFF", limits, 1)
    return _first_of(pages, "pages", decoded)


def _first_of(count: int, what: str, decoded: Decoded) -> Decoded:
    if count > 1:
        decoded.notes.insert(0, f"The first of {count} {what} is used.")
    return decoded


def _from_pillow(file: IO[bytes], kind: Kind, limits: Limits, frames: int) -> Decoded:
    file.seek(0)
    with _plugin(kind)(file) as picture:
        is_deep = kind == "PNG" and _png_header(file)[0] == 16
        opacity = picture.has_transparency_data
        channels = 3 + opacity if picture.mode in ("P", "PA") else len(picture.getbands())
        check_pixels(*picture.size, channels * (1 + is_deep), limits=limits, opacity=opacity)
        decoded = Decoded(np.empty(0))
        if is_deep:
            samples = _deep_png(file, picture)
            picture.load()  # for EXIF data that stand behind the pixels
        else:
            picture.load()
            samples = _samples(picture, decoded)
        orientation = _orientation(picture)
        decoded.samples = _upright(samples, orientation)
        decoded.icc = _fitting(picture.info.get("icc_profile"), decoded)
        if kind in ("PNG", "WEBP", "AVIF"):  # known from the header; HEIF opens its primary image
            frames = getattr(picture, "n_frames", 1)
        return _first_of(frames, "frames", decoded)


def _deep_tiff(page: IO[bytes], limits: Limits) -> Decoded:
    read = tiff.read(page, partial(check_pixels, limits=limits))
    decoded = Decoded(read.samples, notes=read.notes)
    if read.cmyk:
        high = np.empty(read.samples.shape, np.uint8)
        for rows in bands(high, read.samples):
            high[rows] = read.samples[rows] >> 8
        read.samples = decoded.samples = np.empty(0)
        small = Pillow.fromarray(high, "CMYK")
        decoded.samples = _cmyk_to_srgb(small, read.icc, decoded)
        decoded.notes.append("CMYK is read with 8 bits per channel.")
    decoded.samples = _upright(decoded.samples, read.orientation)
    decoded.icc = _fitting(read.icc, decoded)
    return decoded


def _plugin(kind: Kind) -> type[ImageFile]:
    if kind != "HEIF":
        return _PLUGINS[kind]
    try:
        from pillow_heif import HeifImageFile
    except ImportError as exc:
        raise MissingDependency(
            "HEIC pictures need the package pillow-heif. Install it with: pip install pillow-heif"
        ) from exc
    return HeifImageFile


def _png_header(file: IO[bytes]) -> tuple[int, int]:
    """Bits per channel and colour type, from IHDR; the file stays where it is."""
    place = file.tell()
    file.seek(24)
    bits, colour_type = file.read(2)
    file.seek(place)
    return bits, colour_type


def _deep_png(file: IO[bytes], picture: ImageFile) -> Samples:
    """Decode a PNG with 16 bits per channel, which Pillow would reduce to 8."""
    import cv2

    place = file.tell()
    file.seek(0)
    read = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    file.seek(place)
    if read is None or read.dtype != np.uint16:
        raise OSError("OpenCV cannot decode this PNG")
    if read.ndim == 2:
        hidden = picture.info.get("transparency")
        return _with_key(read, hidden) if isinstance(hidden, int) else read[..., None]
    if _png_header(file)[1] == _GRAY_ALPHA:  # Pillow calls it RGBA
        return np.ascontiguousarray(read[..., [0, 3]])
    for rows in bands(read):
        read[rows] = read[rows][..., [2, 1, 0, 3][: read.shape[2]]]
    return read


def _with_key(gray: Samples, hidden: int) -> Samples:
    """Add alpha to gray (H, W) uint16 in which the value `hidden` means transparent: (H, W, 2)."""
    return np.stack([gray, np.where(gray == hidden, 0, 65535).astype(np.uint16)], axis=-1)


def _samples(picture: Pillow.Image, decoded: Decoded) -> Samples:
    """The samples of a loaded 8-bit image in any of Pillow's modes: (H, W, C) uint8, C in 1..4."""
    mode, alpha = picture.mode, picture.has_transparency_data
    if mode in ("1", "L", "LA", "La"):
        return _planes(picture, _to("L" if mode in ("1", "L") and not alpha else "LA"))
    if mode == "CMYK":
        return _cmyk_to_srgb(picture, picture.info.get("icc_profile"), decoded)
    if mode == "LAB":
        decoded.notes.append("The colours were converted from Lab to sRGB.")
        return _planes(picture, partial(_converted, source=ImageCms.createProfile("LAB")))
    if mode.startswith(("I", "F")):
        raise ValueError(f"mode {mode} outside TIFF and PNG")
    samples = _planes(picture, _to("RGBA" if alpha else "RGB"))
    if mode in ("P", "PA") and _is_gray(samples):
        return np.ascontiguousarray(samples[..., [0, 3] if alpha else [0]])
    return samples


def _to(mode: str) -> Callable[[Pillow.Image], Pillow.Image]:
    return lambda picture: picture.convert(mode)


def _planes(picture: Pillow.Image, converted: Callable[[Pillow.Image], Pillow.Image]) -> Samples:
    """The samples of `picture` after `converted`, computed in bands of rows: Pillow would hold three copies."""
    width, height = picture.size
    step = max(_BAND // width, 1)
    samples: Samples | None = None
    for top in range(0, height, step):
        bottom = min(top + step, height)
        band = np.asarray(converted(picture if step >= height else picture.crop((0, top, width, bottom))))
        band = band if band.ndim == 3 else band[..., None]
        if step >= height:
            return band
        samples = np.empty((height, *band.shape[1:]), band.dtype) if samples is None else samples
        samples[top:bottom] = band
    assert samples is not None, "an image has rows"
    return samples


def _is_gray(samples: Samples) -> bool:
    return all(
        bool((samples[rows, :, 0] == samples[rows, :, 1]).all() and (samples[rows, :, 1] == samples[rows, :, 2]).all())
        for rows in bands(samples)
    )


def _cmyk_to_srgb(picture: Pillow.Image, icc: bytes | None, decoded: Decoded) -> Samples:
    """CMYK -> sRGB by the profile in the file; without one, by Pillow's plain formula."""
    if _space(icc) == b"CMYK":
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(icc or b""))
            samples = _planes(picture, partial(_converted, source=source))
        except (ImageCms.PyCMSError, OSError, ValueError):
            log.info("the CMYK profile is not usable", exc_info=True)
        else:
            decoded.notes.append("The colours were converted from CMYK to sRGB.")
            return samples
    decoded.notes.append("The colours were converted from CMYK without a colour profile: they are approximate.")
    return _planes(picture, _to("RGB"))


def _converted(picture: Pillow.Image, source: Any) -> Pillow.Image:
    result = ImageCms.profileToProfile(
        picture,
        source,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert result is not None, "profileToProfile returns an image unless it works in place"
    return result


def _space(icc: bytes | None) -> bytes:
    """The colour space signature of a profile (ICC.1:2022, table 17), empty when the header is not one."""
    if not isinstance(icc, bytes) or len(icc) <= 128 or icc[36:40] != b"acsp":
        return b""
    return icc[16:20]


def _fitting(icc: bytes | None, decoded: Decoded) -> bytes | None:
    """`icc` if its colour space is that of the samples: then values and profile stay together unchanged."""
    if icc is None:
        return None
    return icc if _space(icc) == (b"GRAY" if decoded.samples.shape[2] < 3 else b"RGB ") else None


def _orientation(picture: ImageFile) -> int:
    """The EXIF orientation 1..8; 1 where the EXIF data are broken."""
    try:
        check_exif(_exif(picture))
        value = picture.getexif().get(_ORIENTATION, 1)
    except _TROUBLE:
        log.info("broken EXIF data", exc_info=True)
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _exif(picture: ImageFile) -> bytes:
    """The bytes that Pillow reads as EXIF; ImageMagick writes them into PNG as hexadecimal text after three other lines."""
    plain, text = picture.info.get("exif"), picture.info.get("Raw profile type exif")
    if isinstance(plain, bytes):
        return plain
    return bytes.fromhex("".join(text.split("\n")[3:])) if isinstance(text, str) else b""


def _upright(samples: Samples, orientation: int) -> Samples:
    """Turn samples (H, W, C) by an EXIF orientation (CIPA DC-008, tag 0x0112)."""
    if orientation >= 5:
        samples = samples.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return np.ascontiguousarray(samples)
