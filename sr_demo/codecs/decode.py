"""Decoding of image files to upright samples, with their colour profile and metadata.

Pillow decodes files with 8 bits per channel, OpenCV PNG with 16, `tiff.py` TIFF with more than 8 and some with 8. Foreign
errors (`LIBRARY_ERRORS`) are translated here. Before a library reads a file, `part_limits` and `tiff_directories` limit
the number of its parts and `check_pixels` limits its size, so that decoding takes time and memory in proportion to
pixels and bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
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

from sr_demo.codecs import colour_description, iso_media, metadata, tiff
from sr_demo.codecs.colour_description import ColourDescription
from sr_demo.codecs.conversions import cmyk_to_srgb, matching_profile, planes, to_mode, to_srgb, upright
from sr_demo.codecs.libraries import LIBRARY_ERRORS, is_passing, opencv, silence
from sr_demo.codecs.metadata import Metadata
from sr_demo.codecs.part_limits import check_parts
from sr_demo.codecs.png_stream import check_checksums, check_length, still
from sr_demo.codecs.sniff import CHOOSE, Kind, Limits, check_file, check_pixels, display_name
from sr_demo.codecs.tiff_directories import check_exif
from sr_demo.codecs.tiff_kinds import check_kind
from sr_demo.codecs.tiff_series import series_range
from sr_demo.codecs.values import Values
from sr_demo.errors import BadInput, MissingDependency, OutOfMemory, SRError
from sr_demo.system.large_array import bands, equal_channels

log = logging.getLogger("sr_demo")
silence()

Samples = NDArray[Any]
_ORIENTATION = 0x0112
_JFIF_UNITS = (1, 2)
"""Units of the resolution in a JPEG's JFIF segment: inch and centimetre; others state an aspect ratio."""
_GRAY_ALPHA = 4
"""PNG colour type."""
# Called directly rather than through `Pillow.open`: the kind is known, no other decoder must try, and our limit on pixels
# replaces Pillow's, which is global.
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
}
_DAMAGED = "{name} is damaged or incomplete and cannot be decoded. Export it or download it again."


@dataclass
class Decoded:
    """The samples of an image file, turned upright."""

    samples: Samples
    """(H, W, C): gray, gray with alpha, RGB or RGBA; uint8 or uint16 (full range), or float32 in [0, 1]."""
    icc: bytes | None = None
    """A profile whose colour space is that of the samples."""
    notes: list[str] = field(default_factory=list)
    """Conversions, as sentences for the user."""
    values: Values | None = None
    """How the values of the file were mapped to `samples`; None if they are levels already."""
    metadata: Metadata = Metadata()


def page_numbers(path: Path, limits: Limits) -> tuple[int, ...]:
    """Return the numbers of a TIFF's pages, without previews of other pages; (0,) for other kinds. Raises BadInput."""
    with _translated(display_name(path.name)):
        if check_file(path, limits) != "TIFF":
            return (0,)
        with path.open("rb") as file:
            return tiff.page_numbers(file)


def stated_pixels(path: Path, limits: Limits) -> int:
    """Return the number of pixels in the file's header; the limit if only decoding reveals it. Raises BadInput."""
    with _translated(display_name(path.name)):
        kind = check_file(path, limits)
        with path.open("rb") as file:
            if kind == "TIFF":
                return limits.max_pixels
            check_parts(file, kind)
            file.seek(0)
            with _plugin(kind)(file) as image:
                return image.width * image.height


def decode(path: Path, limits: Limits, page: int | None = None) -> Decoded:
    """Decode an image file.

    Args:
        path: The file.
        limits: Limits that are checked before decoding.
        page: Number of one page of a TIFF stack; None for the first image, with a note if there are more.

    Raises:
        BadInput: The file is not an image, is damaged, or exceeds a limit; with one sentence for the user.
        OutOfMemory: Decoding takes more memory than this process may use now.
        SRError: The disk reports an error.
        MissingDependency: The format needs a package that is not installed.
    """
    with _translated(display_name(path.name)):
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
    """Translate the errors of decoders for the file called `name`: into BadInput, unless the file may be intact."""
    try:
        yield
    except LIBRARY_ERRORS as exc:
        log.info("could not read %r", name, exc_info=exc)
        sentence = next((text for kind, text in _PLACES.items() if isinstance(exc, kind)), _DAMAGED)
        if isinstance(exc, MemoryError):
            raise OutOfMemory(f"{name} needs more memory than there is here. Crop it or scale it down first.") from exc
        if sentence is _DAMAGED and isinstance(exc, OSError) and is_passing(exc):
            raise SRError(f"{name} cannot be read: {exc.strerror}.") from exc
        raise BadInput(sentence.format(name=name)) from exc


def _from_tiff(file: IO[bytes], limits: Limits, number: int | None) -> Decoded:
    """Decode page `number`; None for the first page, with a note if there are more, not counting previews."""
    pages = tiff.count_pages(file)
    check_kind(file, pages)
    if number is None:  # listing the pages of a large stack for each of them would take long
        pages = len(tiff.page_numbers(file))
    with tiff.one_page(file, number or 0) as page:
        if tiff.is_deep(page):
            whole = partial(series_range, file, limits) if pages > 1 else None
            decoded = _deep_tiff(tiff.read(page, partial(check_pixels, limits=limits), whole))
        else:
            decoded = _from_pillow(page, "TIFF", limits, 1)
    return _first_of(pages if number is None else 1, "pages", decoded)


def _first_of(count: int, what: str, decoded: Decoded) -> Decoded:
    if count > 1:
        decoded.notes.insert(0, f"The first of {count} {what} is used.")
    return decoded


def _from_pillow(file: IO[bytes], kind: Kind, limits: Limits, frames: int) -> Decoded:
    decoded = Decoded(np.empty(0))
    described = _described(file, kind, decoded)
    file.seek(0)
    with _plugin(kind)(file) as image:
        bits = _png_header(file)[0] if kind == "PNG" else 8
        opacity = image.has_transparency_data
        channels = 3 + opacity if image.mode in ("P", "PA") else len(image.getbands())
        check_pixels(*image.size, channels * (1 + (bits == 16)), limits=limits, opacity=opacity)
        applied = _applied_orientation(image)
        image.load()  # even for a 16-bit PNG: reads EXIF data after the pixels, and detects damaged files without printing
        if kind == "PNG":
            _check_whole(image, file)
        exif = _exif(image)
        orientation = _orientation(exif)
        decoded.metadata = _metadata(image, exif).turned(max(orientation, applied))
        icc, hidden = image.info.get("icc_profile"), image.info.get("transparency")
        if kind in ("PNG", "WEBP", "AVIF"):  # their headers state the number; HEIF opens its primary image
            frames = getattr(image, "n_frames", 1)
        samples = None if bits == 16 else _samples(image, decoded, bits)
    del image  # frees its pixels, since those with 16 bits may not fit into memory in addition
    decoded.samples = upright(_deep_png(file, hidden) if samples is None else samples, orientation)
    _set_profile(decoded, icc, described)
    return _first_of(frames, "frames", decoded)


def _deep_tiff(read: tiff.Page) -> Decoded:
    decoded = Decoded(read.samples, notes=read.notes, values=read.values, metadata=read.metadata)
    if read.cmyk:
        decoded.samples = np.empty(0)
        high, read.samples = _eight_bits(read.samples), np.empty(0)
        decoded.samples = cmyk_to_srgb(Pillow.fromarray(high, "CMYK"), read.icc, decoded.notes)
        decoded.notes.append("CMYK is read with 8 bits per channel.")
    decoded.samples = upright(decoded.samples, read.orientation)
    decoded.icc = matching_profile(read.icc, decoded.samples, decoded.notes)
    return decoded


def _eight_bits(samples: Samples) -> Samples:
    if samples.dtype == np.uint8:
        return samples
    high = np.empty(samples.shape, np.uint8)
    for rows in bands(high, samples):
        high[rows] = samples[rows] >> 8
    return high


def _described(file: IO[bytes], kind: Kind, decoded: Decoded) -> ColourDescription:
    """Return the colour description of a PNG, HEIF or AVIF file beside its profile; add a note on lost bits."""
    try:
        if kind == "PNG":
            described = colour_description.of_png(file)
        elif kind in ("HEIF", "AVIF"):
            found = iso_media.properties(file)
            if found.bits > 8:
                decoded.notes.append(f"Its {found.bits} bits per channel are read as 8.")
            described = colour_description.of_properties(found)
        else:
            return ColourDescription()
    except LIBRARY_ERRORS:
        log.info("broken description of colours", exc_info=True)
        return ColourDescription()
    return described


def _set_profile(decoded: Decoded, icc: object, described: ColourDescription) -> None:
    """Set the profile of the samples to that of the file, or to one computed from its colour description."""
    if isinstance(icc, bytes) and icc:
        decoded.icc = matching_profile(icc, decoded.samples, decoded.notes)
        return
    if described.note:
        decoded.notes.append(described.note)
    if described.colour is None:
        return
    try:
        decoded.icc = colour_description.profile(described.colour, gray=decoded.samples.shape[2] < 3)
    except ValueError:
        log.info("impossible colours", exc_info=True)
        return
    decoded.notes.append(colour_description.CARRIED)


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
    """Return bits per channel and colour type from IHDR; the position in the file is restored."""
    place = file.tell()
    file.seek(24)
    bits, colour_type = file.read(2)
    file.seek(place)
    return bits, colour_type


def _check_whole(image: ImageFile, file: IO[bytes]) -> None:
    """Raise ValueError if the pixels of a PNG, loaded from `file` as `image`, are damaged or incomplete.

    Pillow leaves rows at zero that are not in the file, without an error. Without interlacing, the last row is among them.
    """
    check_checksums(file)
    if image.info.get("interlace") or not np.asarray(image.crop((0, image.height - 1, *image.size))).any():
        check_length(file)


def _deep_png(file: IO[bytes], hidden: object) -> Samples:
    """Decode a PNG with 16 bits per channel, which Pillow would reduce to 8; `hidden` is the transparent gray value."""
    cv2, place = opencv(), file.tell()
    file.seek(0)
    content = still(file.read())
    file.seek(place)
    read = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    del content
    if read is None or read.dtype != np.uint16:
        raise OSError("OpenCV cannot decode this PNG")
    if read.ndim == 2:
        return _with_key(read, hidden) if isinstance(hidden, int) else read[..., None]
    if _png_header(file)[1] == _GRAY_ALPHA:  # decoded with four channels
        return np.ascontiguousarray(read[..., [0, 3]])
    for rows in bands(read):
        read[rows] = read[rows][..., [2, 1, 0, 3][: read.shape[2]]]
    return read


def _with_key(gray: Samples, hidden: int) -> Samples:
    """Return gray (H, W) of 8 or 16 bits with alpha, (H, W, 2); the value `hidden` is transparent."""
    return np.stack([gray, np.where(gray == hidden, 0, np.iinfo(gray.dtype).max).astype(gray.dtype)], axis=-1)


def _samples(image: Pillow.Image, decoded: Decoded, bits: int) -> Samples:
    """Return the samples of a loaded 8-bit image in any of Pillow's modes: (H, W, C) uint8, C in 1..4."""
    mode, alpha = image.mode, image.has_transparency_data
    key = image.info.get("transparency")
    if mode in ("1", "L") and isinstance(key, int):
        del image.info["transparency"]
        # Pillow has scaled the pixels of a PNG with 2 or 4 bits, but not the transparent value.
        key = min(key, 1) * 255 if mode == "1" else key * 255 // (2**bits - 1)
        return _with_key(planes(image, to_mode("L"))[..., 0], key)
    if mode in ("1", "L", "LA", "La"):
        return planes(image, to_mode("L" if mode in ("1", "L") and not alpha else "LA"))
    if mode == "CMYK":
        return cmyk_to_srgb(image, image.info.get("icc_profile"), decoded.notes)
    if mode == "LAB":
        decoded.notes.append("The colours were converted from Lab to sRGB.")
        return planes(image, partial(to_srgb, source=ImageCms.createProfile("LAB")))
    if mode.startswith(("I", "F")):
        raise ValueError(f"mode {mode} outside TIFF and PNG")
    samples = planes(image, to_mode("RGBA" if alpha else "RGB"))
    if mode in ("P", "PA") and equal_channels(samples) and not image.info.get("icc_profile"):  # which is an RGB profile
        return np.ascontiguousarray(samples[..., [0, 3] if alpha else [0]])
    return samples


def _exif(image: ImageFile) -> Pillow.Exif | None:
    """Return the EXIF data; None if they are broken."""
    try:
        check_exif(_exif_bytes(image))
        return image.getexif()
    except LIBRARY_ERRORS:
        log.info("broken EXIF data", exc_info=True)
        return None


def _orientation(exif: Pillow.Exif | None) -> int:
    """Return the EXIF orientation, 1..8."""
    return _one_to_eight(None if exif is None else exif.get(_ORIENTATION))


def _applied_orientation(image: ImageFile) -> int:
    """Return the orientation that the plugins of TIFF and HEIF apply themselves, 1..8; to be called before loading."""
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    return _one_to_eight(tags.get(_ORIENTATION, image.info.get("original_orientation")))


def _one_to_eight(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _metadata(image: ImageFile, exif: Pillow.Exif | None) -> Metadata:
    """Return the metadata of the file; empty if they are broken."""
    info = image.info
    if isinstance(image, JpegImagePlugin.JpegImageFile) and info.get("jfif_unit") not in _JFIF_UNITS:
        # Pillow sets the resolution across, or 72, for both axes.
        info = {name: value for name, value in info.items() if name != "dpi"}
    try:
        return metadata.of_info(info, exif)
    except LIBRARY_ERRORS:
        log.info("broken metadata", exc_info=True)
        return Metadata()


def _exif_bytes(image: ImageFile) -> bytes:
    """Return the bytes that Pillow reads as EXIF; ImageMagick writes them into PNG as hexadecimal text after three lines."""
    plain, text = image.info.get("exif"), image.info.get("Raw profile type exif")
    if isinstance(plain, bytes):
        return plain
    return bytes.fromhex("".join(text.split("\n")[3:])) if isinstance(text, str) else b""
