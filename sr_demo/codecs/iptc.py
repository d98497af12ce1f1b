"""IPTC data (IIM records) as files store them: in Photoshop's resources in JPEG and TIFF, and as text in PNG.

Sources: IPTC-NAA IIM 4.2; Adobe Photoshop File Formats, "Image Resource Blocks"; ImageMagick's "Raw profile" texts.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

_SIGNATURE, _NUMBER = b"8BIM", 0x0404
_BEGIN = b"\x1c"
"""The first byte of IIM records."""
_HEAD = b"Photoshop 3.0\0"
MOST_BYTES = 2**18


def records(value: object) -> bytes | None:
    """Return IIM records from the value of a tag or resource; None if it holds none, or implausibly many bytes.

    Args:
        value: Bytes, or 32-bit integers in unknown byte order, as Photoshop writes them into TIFF.
    """
    if isinstance(value, bytes):
        return value if value.startswith(_BEGIN) and len(value) <= MOST_BYTES else None
    if isinstance(value, Sequence) and not isinstance(value, str) and 4 * len(value) <= MOST_BYTES:
        for order in "<>":
            try:
                packed = struct.pack(f"{order}{len(value)}I", *value)
            except struct.error:
                return None
            if packed.startswith(_BEGIN):
                return packed
    return None


def in_resources(content: object) -> bytes | None:
    """Return the IIM records among Photoshop's image resources; None if there are none."""
    if not isinstance(content, bytes):
        return None
    content = content.removeprefix(_HEAD)
    at = 0
    while content[at : at + 4] == _SIGNATURE and at + 7 <= len(content):
        number = int.from_bytes(content[at + 4 : at + 6], "big")
        at += 6 + (content[at + 6] + 2) // 2 * 2  # a name, padded to an even length with its size byte
        size = int.from_bytes(content[at : at + 4], "big")
        if number == _NUMBER:
            return records(content[at + 4 : at + 4 + size])
        at += 4 + (size + 1) // 2 * 2
    return None


def as_resource(iptc: bytes) -> bytes:
    """Return IIM records as one of Photoshop's image resources."""
    return _SIGNATURE + struct.pack(">HHI", _NUMBER, 0, len(iptc)) + iptc + b"\0" * (len(iptc) % 2)


def as_segment(iptc: bytes) -> bytes:
    """Return IIM records as the APP13 segment of a JPEG."""
    content = _HEAD + as_resource(iptc)
    return b"\xff\xed" + struct.pack(">H", len(content) + 2) + content


def in_text(text: object) -> bytes | None:
    """Return the IIM records in a "Raw profile type iptc" of PNG: three lines, then hexadecimal digits."""
    if not isinstance(text, str):
        return None
    try:
        content = bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        return None
    return in_resources(content) or records(content)


def as_text(iptc: bytes) -> bytes:
    """Return IIM records as a "Raw profile type iptc" of PNG."""
    content = as_resource(iptc)
    digits = content.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return f"\niptc\n{len(content):8d}\n{lines}\n".encode()
