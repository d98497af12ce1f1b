"""Detection of TIFF files that contain more than their pages show (camera raw, hidden images), which are refused."""

from __future__ import annotations

import re
from typing import IO

from sr_demo.codecs.tiff_directories import Directory, directory, places, sub_directories, value_of
from sr_demo.errors import BadInput

_PHOTOMETRIC, _DESCRIPTION, _DNG, _STK = 262, 270, 50706, 33629
_SENSOR = {32803, 34892}
"""PhotometricInterpretation of sensor data: a colour filter array, or linear raw."""
_DEVELOP = "Develop it first, and export it as TIFF, PNG or JPEG."
_IMAGEJ = re.compile(rb"ImageJ=.*?\bimages=(\d+)", re.DOTALL)
_TIFFFILE = re.compile(rb'\{"shape": \[(\d+), .*"truncated": true')


def check_kind(file: IO[bytes], pages: int) -> None:
    """Refuse a TIFF that contains more than its pages show.

    Args:
        file: The whole file.
        pages: Number of its pages.

    Raises:
        BadInput: The first page is a preview or belongs to a camera raw file, or the file announces more images than pages.
    """
    at = next(iter(places(file)), None)
    if at is None:
        return  # decoding reports the problem
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
    """Return the number of images that the file announces (as ImageJ, tifffile and MetaMorph write it); 0 if it does not."""
    text = value_of(file, first, _DESCRIPTION)
    found = _IMAGEJ.match(text) or _TIFFFILE.match(text)
    if found:
        return int(found[1][:9])
    return first.tags[_STK].count if _STK in first.tags else 0
