"""Encoding of an image in any format for results, after adapting it to what the format can store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms

from sr_demo.codecs import jpeg, metadata, png, tiff_writer, webp_avif
from sr_demo.codecs.conversions import to_srgb
from sr_demo.codecs.formats import FileFormat, Output, Written
from sr_demo.codecs.raster import Raster
from sr_demo.errors import BadInput

Rows = Callable[[int, int], NDArray[Any]]


def adapted(raster: Raster, output: Output) -> tuple[Raster, Written]:
    """Return the image as the format can store it, and a record of what is kept, removed and changed.

    Args:
        raster: The image, with the bits per channel of the output.
        output: The output; its format must not be `SAME`.

    Raises:
        BadInput: A side of the image has more pixels than the format can store.
    """
    found = output.file_format
    _check_sides(raster, found)
    kept, removed = metadata.carried(raster.metadata, output.metadata)
    notes: list[str] = []
    raster = replace(raster, metadata=kept)
    if raster.has_alpha and not found.alpha:
        raster = replace(raster, rows=_on_white(raster.rows), channels=raster.channels - 1)
        notes.append(f"{found.title} holds no transparency: the picture lies on white.")
    if raster.is_gray and not found.gray:
        raster = _as_rgb(raster, found, notes)
    if raster.metadata.iptc is not None and not found.iptc:
        raster = replace(raster, metadata=replace(raster.metadata, iptc=None))
        notes.append(f"{found.title} has no place for IPTC data: they are left out.")
    if found.name == "jpeg":
        raster = _within_segments(raster, notes)
    return raster, Written(_names(raster), removed, tuple(notes))


def encode(raster: Raster, file: IO[bytes], output: Output) -> None:
    """Encode an image that `adapted` returned, into an open, empty file. Raises OutOfMemory and OSError."""
    found = output.file_format
    quality = output.quality or found.quality or 0
    if found.name == "png":
        file.writelines(png.chunks(raster))
    elif found.name == "jpeg":
        file.writelines(jpeg.chunks(raster, quality))
    elif found.name == "tiff":
        tiff_writer.write(raster, file)
    else:
        webp_avif.write(raster, file, found, quality)


def _check_sides(raster: Raster, found: FileFormat) -> None:
    if max(raster.width, raster.height) > found.most_side:
        raise BadInput(
            f"{found.title} holds {found.most_side:,} pixels along each side at most, and the result has {raster.width:,} x "
            f"{raster.height:,}. Choose PNG or TIFF."
        )


def _names(raster: Raster) -> tuple[str, ...]:
    """Return the names of the data that are written in addition to the pixels."""
    names = [*raster.metadata.names()]
    if raster.icc is not None:
        names.append("colour profile")
    if raster.metadata.dpi is not None:
        names.append(metadata.resolution_in_words(raster.metadata.dpi))
    return tuple(names)


def _on_white(rows: Rows) -> Rows:
    """Return rows with the colours of `rows` blended onto white, uint8; their last channel is the opacity."""

    def on_white(top: int, bottom: int) -> NDArray[Any]:
        samples = rows(top, bottom).astype(np.uint16)
        colours, opacity = samples[..., :-1], samples[..., -1:]
        return ((colours * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)

    return on_white


def _as_rgb(raster: Raster, found: FileFormat, notes: list[str]) -> Raster:
    """Return gray as RGB of 8 bits, converted to sRGB if the image has a usable gray profile."""
    profile = None if raster.icc is None else _usable(raster.icc)
    if profile is not None:
        notes.append(f"{found.title} holds no gray: the values were converted from their gray profile to sRGB.")
    elif raster.icc is not None:
        notes.append(f"{found.title} holds no gray, and the gray profile is not usable: it is left out.")

    def rows(top: int, bottom: int) -> NDArray[Any]:
        samples = raster.rows(top, bottom)
        gray = np.ascontiguousarray(samples[..., 0])
        if profile is None:
            colours = np.repeat(gray[..., None], 3, 2)
        else:
            colours = np.asarray(to_srgb(Pillow.fromarray(gray), profile))
        return np.concatenate([colours, samples[..., 1:]], axis=-1)

    return replace(raster, rows=rows, channels=raster.channels + 2, icc=None)


def _usable(icc: bytes) -> ImageCms.ImageCmsProfile | None:
    """Return the gray profile; None if values cannot be converted from it."""
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(icc))
        to_srgb(Pillow.new("L", (1, 1)), profile)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return profile


def _within_segments(raster: Raster, notes: list[str]) -> Raster:
    """Remove metadata that do not fit into one segment of a JPEG, and add a note for each."""
    found = raster.metadata
    exif = found.exif_for(raster.width, raster.height)
    for name, size in (
        ("exif", len(jpeg.EXIF_HEAD) + len(exif or b"")),
        ("xmp", len(jpeg.XMP_HEAD) + len(found.xmp or b"")),
        ("iptc", len(found.iptc or b"") + 64),
    ):
        if size > jpeg.MOST_SEGMENT:
            found = replace(found, **{name: None})
            notes.append(f"JPEG holds 64 kB of {name.upper()} data at most: these {size // 1000} kB are left out.")
    return replace(raster, metadata=found)
