"""WebP and AVIF encoding with Pillow, which needs the whole image in memory."""

from __future__ import annotations

from typing import IO, Any

import numpy as np
from PIL import Image as Pillow

from sr_demo.codecs.formats import LOSSLESS, FileFormat
from sr_demo.codecs.raster import Raster
from sr_demo.errors import OutOfMemory
from sr_demo.system import memory

_BAND = 2**24
_BYTES_PER_PIXEL = {"webp": 16, "avif": 40}
"""Memory of the encoders. Measured on 4096 x 4096 pixels, the resident set grew by 10 and 38 bytes per pixel."""
_SHARE = 0.9
_WEBP_EFFORT, _AVIF_SPEED = 4, 8
"""WebP: the default of libwebp. AVIF: 5 s for 16 megapixels on two cores, where libavif's default, 6, takes 20 s for files
a quarter smaller."""


def write(raster: Raster, file: IO[bytes], found: FileFormat, quality: int) -> None:
    """Encode an image.

    Args:
        raster: RGB or RGBA, 8 bits.
        file: File that is open for writing.
        found: WebP or AVIF.
        quality: 1 to 100; WebP is lossless at 100.

    Raises:
        OutOfMemory: Encoding takes more memory than is free.
    """
    _check_memory(raster, found)
    mode = "RGBA" if raster.has_alpha else "RGB"
    image = Pillow.new(mode, (raster.width, raster.height))
    step = raster.step(_BAND)
    for top in range(0, raster.height, step):
        band = np.ascontiguousarray(raster.rows(top, min(top + step, raster.height)))
        image.paste(Pillow.fromarray(band, mode), (0, top))
    metadata = raster.metadata
    # For AVIF, Pillow rewrites EXIF data that have an orientation, and breaks texts. Without one, AVIF images are upright.
    orientation = found.name != "avif"
    beside: dict[str, Any] = {
        "icc_profile": raster.icc,
        "exif": metadata.exif_for(raster.width, raster.height, resolution=True, orientation=orientation),
        "xmp": metadata.xmp,
    }
    arguments = (
        _webp(quality) if found.name == "webp" else {"quality": quality, "speed": _AVIF_SPEED, "subsampling": "4:4:4"}
    )
    image.save(file, found.title, **arguments, **{name: value for name, value in beside.items() if value})


def _webp(quality: int) -> dict[str, Any]:
    """Return Pillow's arguments. In lossless mode, "quality" and "method" set the effort; 0 is six times as fast."""
    if quality == LOSSLESS:
        return {"lossless": True, "quality": 0, "method": 0, "exact": True}
    return {"quality": quality, "method": _WEBP_EFFORT}


def _check_memory(raster: Raster, found: FileFormat) -> None:
    need = raster.width * raster.height * _BYTES_PER_PIXEL[found.name]
    free = int(memory.available_bytes() * _SHARE)
    if need > free:
        raise OutOfMemory(
            f"{found.title} is encoded as a whole, which takes {need / 1e9:.1f} GB here, and {free / 1e9:.1f} GB are free. "
            "Choose JPEG, PNG or TIFF, which are written in strips."
        )
