"""Conversions of decoded images to samples: in bands of rows, to other colours, with the matching profile."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms

log = logging.getLogger("sr_demo")

Samples = NDArray[Any]
_BAND = 2**22
"""Number of pixels that are converted at once."""
_CONVERTED = (b"CMYK", b"Lab ")
"""Signatures of the colour spaces that are converted to sRGB."""
_CLOSE_LEVELS = 36
"""Largest difference of a gray level from sRGB, half of that of linear light (73 levels); gamma 2.2 differs by 9."""


def to_mode(mode: str) -> Callable[[Pillow.Image], Pillow.Image]:
    """Return Pillow's conversion to `mode`."""
    return lambda image: image.convert(mode)


def planes(image: Pillow.Image, converted: Callable[[Pillow.Image], Pillow.Image]) -> Samples:
    """Return the samples of `image` after `converted`, computed in bands of rows, since Pillow would hold three copies."""
    width, height = image.size
    step = max(_BAND // width, 1)
    samples: Samples | None = None
    for top in range(0, height, step):
        bottom = min(top + step, height)
        band = np.asarray(converted(image if step >= height else image.crop((0, top, width, bottom))))
        band = band if band.ndim == 3 else band[..., None]
        if step >= height:
            return band
        samples = np.empty((height, *band.shape[1:]), band.dtype) if samples is None else samples
        samples[top:bottom] = band
    assert samples is not None, "an image has rows"
    return samples


def cmyk_to_srgb(image: Pillow.Image, icc: bytes | None, notes: list[str]) -> Samples:
    """Convert CMYK to sRGB with the profile of the file, or with Pillow's formula if it has none. Appends a note."""
    if _space(icc) == b"CMYK":
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(icc or b""))
            samples = planes(image, lambda part: to_srgb(part, source))
        except (ImageCms.PyCMSError, OSError, ValueError):
            log.info("the CMYK profile is not usable", exc_info=True)
        else:
            notes.append("The colours were converted from CMYK to sRGB.")
            return samples
    notes.append("The colours were converted from CMYK without a colour profile: they are approximate.")
    return planes(image, to_mode("RGB"))


def to_srgb(image: Pillow.Image, source: Any) -> Pillow.Image:
    """Convert an image from the profile `source` to sRGB."""
    result = ImageCms.profileToProfile(
        image,
        source,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert result is not None, "profileToProfile returns an image unless it works in place"
    return result


def matching_profile(icc: bytes | None, samples: Samples, notes: list[str]) -> bytes | None:
    """Return `icc` if its colour space matches the channels of `samples` (H, W, C), otherwise None. Appends a note.

    There is no note on profiles of colour spaces that are converted to sRGB.
    """
    space = _space(icc)
    if space == (b"GRAY" if samples.shape[2] < 3 else b"RGB "):
        return icc
    if icc and space not in _CONVERTED:
        notes.append("Its colour profile does not fit its channels and is left out.")
    return None


@lru_cache(maxsize=8)
def has_srgb_curve(icc: bytes | None) -> bool:
    """Return whether the curve of a profile is closer to that of sRGB than to linear light; primaries do not matter.

    True without a profile and for a profile that is not usable, since viewers assume sRGB then.
    """
    mode = {b"GRAY": "L", b"RGB ": "RGB"}.get(_space(icc))
    if icc is None or mode is None:
        return True
    ramp = np.arange(0, 256, 5, dtype=np.uint8)
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(icc))
        shown = to_srgb(Pillow.fromarray(ramp[None]).convert(mode), source)
    except (ImageCms.PyCMSError, OSError, ValueError):
        log.info("the profile is not usable", exc_info=True)
        return True
    return bool(np.abs(np.asarray(shown)[0] - ramp[:, None].astype(float)).max() <= _CLOSE_LEVELS)


def upright(samples: Samples, orientation: int) -> Samples:
    """Apply an EXIF orientation (CIPA DC-008, tag 0x0112) to samples (H, W, C)."""
    if orientation >= 5:
        samples = samples.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return np.ascontiguousarray(samples)


def _space(icc: bytes | None) -> bytes:
    """Return the colour space signature of a profile (ICC.1:2022, table 17); empty if the header is invalid."""
    if not isinstance(icc, bytes) or len(icc) <= 128 or icc[36:40] != b"acsp":
        return b""
    return icc[16:20]
