"""Kinds of TIFF files that hold more than their pages show, and are refused with the reason: camera raw and hidden images."""

from __future__ import annotations

import re
from typing import IO

from sr_demo.codecs.directories import Directory, directory, places, sub_directories, value_of
from sr_demo.errors import BadInput

_PHOTOMETRIC, _DESCRIPTION, _DNG, _STK = 262, 270, 50706, 33629
_SENSOR = {32803, 34892}
"""PhotometricInterpretation of sensor data: a colour filter array, or linear raw."""
_DEVELOP = "Develop it first, and export it as TIFF, PNG or JPEG."
_IMAGEJ = re.compile(rb"ImageJ=.*?\bimages=(\d+)", re.DOTALL)
_TIFFFILE = re.compile(rb'\{"shape": \[(\d+), .*"truncated": true')


def check_kind(file: IO[bytes], pages: int) -> None:
    """Refuse a TIFF whose pages do not show all that it holds.

    Args:
        file: the whole file.
        pages: number of its pages.

    Raises:
        BadInput: the first page is a preview, or belongs to a camera raw file, or more images are announced than pages.
    """
    at = next(iter(places(file)), None)
    if at is None:
        return  # decoding finds out
    first = directory(file, at)
    file.seek(8)
    if _DNG in first.tags:
        raise BadInput(f"This is a camera raw file (DNG). {_DEVELOP}")
    if file.read(2) == b"CR" or any(_is_recording(sub, first) for sub in sub_directories(file, first)):
        raise BadInput(f"This is a camera raw file, in which only a preview can be read. {_DEVELOP}")
    if first.number(_PHOTOMETRIC) in _SENSOR:
        raise BadInput(f"This is a camera raw file. {_DEVELOP}")
    if first.is_preview:
        raise BadInput(
            "The first page of this TIFF is only a preview of another picture. Open the file in the program that made it, "
            "and export the picture as TIFF, PNG or JPEG."
        )
    announced = _announced(file, first)
    if announced > pages:
        raise BadInput(
            f"This TIFF holds {announced:,} images, but only {pages:,} of them as {'a page' if pages == 1 else 'pages'}: the "
            "others would be lost. Save it with one page for each image (in ImageJ: File > Save As > Image Sequence)."
        )


def _is_recording(sub: Directory, page: Directory) -> bool:
    return sub.number(_PHOTOMETRIC) in _SENSOR or sub.pixels > page.pixels


def _announced(file: IO[bytes], first: Directory) -> int:
    """The number of images that ImageJ, tifffile or MetaMorph says there are; 0 where none of them does."""
    text = value_of(file, first, _DESCRIPTION)
    found = _IMAGEJ.match(text) or _TIFFFILE.match(text)
    if found:
        return int(found[1][:9])
    return first.tags[_STK].count if _STK in first.tags else 0
