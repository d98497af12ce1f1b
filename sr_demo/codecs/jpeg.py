"""JPEG encoder for images of any size, in bands of rows.

Pillow holds the whole image that it encodes. Here each band is encoded as a separate JPEG with the same tables, and the scans
are joined with restart markers, at which decoders reset their state (ITU-T T.81, F.1.1.5). The decoded pixels equal those of
an image that is encoded as a whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import JpegImagePlugin

from sr_demo.codecs import iptc
from sr_demo.codecs.parallel_bands import map_bands
from sr_demo.codecs.raster import Raster

MOST_SEGMENT = 65_533
"""Largest size of a segment in bytes, and thus of EXIF, XMP or IPTC data."""
EXIF_HEAD = b"Exif\0\0"
XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
_BAND = 2**21
_MOST_BLOCKS = 65_535
"""Largest number of blocks between two restart markers."""
_FINE = 90
"""Quality from which chroma is not subsampled (4:4:4)."""
_START_OF_SCAN = 0xDA
_FRAMES = (0xC0, 0xC1)


class _Parts(NamedTuple):
    """The two parts of a JPEG file."""

    head: bytes
    """Everything before the scan."""
    scan: bytes
    """The scan, without the marker at the end of the file."""


def chunks(raster: Raster, quality: int) -> Iterator[bytes]:
    """Encode an image as JPEG.

    Args:
        raster: Gray or RGB, 8 bits; its metadata must fit into segments.
        quality: Quality on libjpeg's scale, 1 to 100.

    Yields:
        The bytes of the file, in order.
    """
    fine = quality >= _FINE
    block = 8 if fine or raster.is_gray else 16
    across = -(-raster.width // block)
    step = max(min(raster.step(_BAND) // block, _MOST_BLOCKS // across), 1) * block
    arguments: dict[str, Any] = {"quality": quality, "subsampling": 0 if fine else 2}
    if step < raster.height:
        arguments["restart_marker_blocks"] = across * (step // block)

    def band(top: int) -> _Parts:
        samples = np.ascontiguousarray(raster.rows(top, min(top + step, raster.height)))
        file = BytesIO()
        image = Pillow.fromarray(samples[..., 0] if raster.is_gray else samples)
        image.save(file, "JPEG", **arguments, **(_beside(raster) if top == 0 else {}))
        return _cut(file.getvalue())

    for number, parts in enumerate(map_bands(band, range(0, raster.height, step))):
        yield _with_height(parts.head, raster.height) if number == 0 else bytes([0xFF, 0xD0 + (number - 1) % 8])
        yield parts.scan
    yield b"\xff\xd9"


def _beside(raster: Raster) -> dict[str, Any]:
    """Return Pillow's arguments for profile and metadata."""
    found, exif = raster.metadata, raster.metadata.exif_for(raster.width, raster.height)
    written: dict[str, Any] = {
        "icc_profile": raster.icc,
        "exif": EXIF_HEAD + exif if exif else None,
        "xmp": found.xmp,
        "extra": iptc.as_segment(found.iptc) if found.iptc else None,
        "dpi": found.dpi if found.dpi and max(found.dpi) < 2**16 else None,
    }
    return {name: value for name, value in written.items() if value is not None}


def _cut(content: bytes) -> _Parts:
    at = _segment(content, (_START_OF_SCAN,))
    at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return _Parts(content[:at], content[at:-2])


def _with_height(head: bytes, height: int) -> bytes:
    """Return the head of a file with another number of rows."""
    at = _segment(head, _FRAMES) + 5  # marker, length, bits
    return head[:at] + struct.pack(">H", height) + head[at + 2 :]


def _segment(content: bytes, markers: tuple[int, ...]) -> int:
    """Return the position of the first segment with one of these markers."""
    at = 2
    while content[at + 1] not in markers:
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return at


def luma_steps(path: Path) -> NDArray[np.float64] | None:
    """Return the luma quantization steps of a JPEG file: (8, 8), rows are vertical frequencies.

    Only the head of the file is read. None for other and for unreadable files.
    """
    try:
        with JpegImagePlugin.JpegImageFile(path) as image:
            tables: dict[int, list[int]] = getattr(image, "quantization", {})
    except (OSError, SyntaxError, ValueError, KeyError, IndexError, struct.error):
        return None
    table = tables.get(0) or next(iter(tables.values()), [])
    return np.array(table, np.float64).reshape(8, 8) if len(table) == 64 else None
