"""XMP packets: the part that a result carries, and removal of properties with a position or a serial number.

Properties are recognized by namespace and name, written as attributes or as elements.

Source: XMP specification, part 1 (ISO 16684-1) and part 3 (storage in files).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from xml.dom import minidom
from xml.parsers.expat import ExpatError

log = logging.getLogger("sr_demo")

MOST_BYTES = 2**18
_TIFF, _EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
_OF_SOURCE = {
    _TIFF: {
        "Orientation", "ImageWidth", "ImageLength", "BitsPerSample", "Compression", "PhotometricInterpretation",
        "SamplesPerPixel", "PlanarConfiguration", "YCbCrSubSampling", "XResolution", "YResolution", "ResolutionUnit",
    },
    _EXIF: {"PixelXDimension", "PixelYDimension", "CompressedBitsPerPixel"},
    "http://ns.adobe.com/xap/1.0/": {"Thumbnails"},
    "http://ns.adobe.com/xmp/note/": {"HasExtendedXMP"},
}  # fmt: skip
"""Properties by namespace that describe how the source file stores its pixels."""
_OTHER_PARTS = (
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/camera/",
    "http://ns.adobe.com/hdr-gain-map/1.0/",
)
"""Namespaces that describe parts of the source file that results do not have: a video, a depth map, a gain map."""
_POSITION = re.compile(
    r"(?i:gps|lrftarget|.*latitude|.*longti?tude|.*altitude|(lat|lon|long|lng|lat_long)$)|.*[a-z0-9_](Lat|Lon|Long|Lng)$"
)
"""Names of properties with a coordinate; drones also write those of their target (LRFTargetLat)."""
_POSITION_SPACE = "http://www.w3.org/2003/01/geo/wgs84_pos#"
_SERIAL = re.compile(r".*serial_?number", re.IGNORECASE)
_DECLARATIONS = "http://www.w3.org/2000/xmlns/"
_BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
_END = '<?xpacket end="w"?>'

Named = Callable[[str, str], bool]
"""Predicate for a property by its namespace and name."""


def of_result(packet: object) -> bytes | None:
    """Return a packet without properties that describe its source file; None if there is no readable packet."""
    if not isinstance(packet, bytes) or not packet.strip(b"\0 \n") or len(packet) > MOST_BYTES:
        return None
    return _without(packet, lambda space, name: space in _OTHER_PARTS or name in _OF_SOURCE.get(space, ()))[0]


def without_position(packet: bytes) -> tuple[bytes | None, bool]:
    """Return a packet without coordinates, and whether it had any; None if it cannot be read."""
    return _without(packet, lambda space, name: space == _POSITION_SPACE or bool(_POSITION.match(name)))


def without_serial_numbers(packet: bytes) -> tuple[bytes | None, bool]:
    """Return a packet without serial numbers, and whether it had any; None if it cannot be read."""
    return _without(packet, lambda space, name: bool(_SERIAL.match(name)))


def _without(packet: bytes, named: Named) -> tuple[bytes | None, bool]:
    """Return a packet without the properties that `named` selects, and whether there were any."""
    if b"<!DOCTYPE" in packet:  # may define entities, which no program writes into XMP
        return None, False
    try:
        document = minidom.parseString(packet.strip(b"\0"))
    except (ExpatError, ValueError):
        log.info("broken XMP data", exc_info=True)
        return None, False
    found = False
    for element in document.getElementsByTagName("*"):
        for attribute in list(element.attributes.values()):
            space = attribute.namespaceURI or ""
            if space != _DECLARATIONS and named(space, str(attribute.localName)):
                element.removeAttributeNode(attribute)
                found = True
        if element.parentNode is not None and named(element.namespaceURI or "", str(element.localName)):
            element.parentNode.removeChild(element)
            found = True
    if document.documentElement is None:
        return None, found
    return f"{_BEGIN}{document.documentElement.toxml()}{_END}".encode(), found
