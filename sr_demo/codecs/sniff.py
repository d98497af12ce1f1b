"""Detection of image files by their first bytes, and the limits that are checked before decoding."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Literal

from sr_demo.errors import BadInput, OutOfMemory
from sr_demo.system import memory

Kind = Literal["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "HEIF", "AVIF"]

CHOOSE = "Choose a PNG, JPEG, WebP, TIFF, BMP, GIF, HEIC or AVIF file."
_HEAD = 4096
_RAW = "a camera raw file, which has to be developed first"
_IMAGES: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
)
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"\x1f\x8b", "a compressed archive"),
    (b"8BPS", "a Photoshop document"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"IIRO", _RAW),
    (b"IIRS", _RAW),
    (b"IIU\0", _RAW),
    (b"FUJIFILMCCD-RAW", _RAW),
)
_BMP_HEADERS = {size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124)}
_SHARE = 0.9
"""Share of the free memory that decoding may take."""
_OPACITY = 5
"""Bytes per pixel that are needed to fill the colours of transparent pixels (`image.read`)."""
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF = {b"avif", b"avis"}


@dataclass(frozen=True)
class Limits:
    """Limits of image files, checked before decoding."""

    max_bytes: int = 2**40
    """Largest size of a file. The page takes its own from its settings; local files, such as stacks, may have any."""
    max_pixels: int = 100_000_000
    max_side: int = 65_535
    """Largest side in pixels, that of JPEG. Images are processed in rows; a row of 100 million pixels would fill memory."""
    max_unpacked: int = 800 * 10**6
    """Largest size in bytes of the samples in the format of the file; decoders hold them once or twice."""


def display_name(name: str) -> str:
    """Shorten a file name to one line of at most 80 characters and replace control characters. HTML is not escaped."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return clean if len(clean) <= 80 else clean[:50] + "…" + clean[-29:]


def with_file_name(name: str, sentence: str) -> str:
    """Return `sentence` with the file's name in front, unless it begins with the name already.

    Args:
        name: Name or path of the file.
        sentence: A sentence about the file.
    """
    label, beginning = display_name(name), display_name(Path(name).name)
    if sentence.startswith((f"{beginning} ", f"{beginning}: ")):
        return label + sentence.removeprefix(beginning)
    return f"{label}: {sentence}"


def check_file(path: Path, limits: Limits) -> Kind:
    """Detect the kind of image in `path` without decoding. Raises BadInput if it is not an image, or if it is too large."""
    name = display_name(path.name)
    if path.is_dir():
        raise BadInput(f"{name} is a folder, not a picture. Choose a file.")
    size = path.stat().st_size
    if size == 0:
        raise BadInput(f"{name} is empty (0 bytes). The upload or copy may have been interrupted: choose it again.")
    if size > limits.max_bytes:
        raise BadInput(
            f"{name} has {_tenths(size / 2**20)} MB; the limit here is {_tenths(limits.max_bytes / 2**20)} MB. "
            "Choose a smaller file, or save it as JPEG first."
        )
    with path.open("rb") as file:
        head = file.read(_HEAD)
    kind = _kind(head)
    if kind is None:
        raise BadInput(f"{name} is not a picture {_instead(head)}. {CHOOSE}")
    return kind


def kind_of(path: Path) -> Kind | None:
    """Return the kind of image by a file's first bytes, whatever its name; None for other and for unreadable files."""
    try:
        with path.open("rb") as file:
            return _kind(file.read(_HEAD))
    except OSError:
        return None


def check_pixels(width: int, height: int, bytes_per_pixel: int = 1, *, limits: Limits, opacity: bool = False) -> None:
    """Check the size of an image before it is decoded.

    Args:
        width: Width in pixels.
        height: Height in pixels.
        bytes_per_pixel: Bytes per pixel of the samples in the file.
        limits: The limits.
        opacity: Whether the image has an alpha channel.

    Raises:
        BadInput: The image exceeds a limit.
        OutOfMemory: Decoding takes more memory than this process may use now.
    """
    _check_limits(width, height, bytes_per_pixel, limits)
    each = 2 * bytes_per_pixel + 2 + (_OPACITY if opacity else 0)
    free = int(memory.available_bytes() * _SHARE)
    if width * height * each > free:
        need, room = _tenths(width * height * each / 1e9), f"{free // 10**8 / 10:.1f}"
        raise OutOfMemory(
            f"This picture takes {need} GB of memory to read, and {room} GB are free: crop it to at most "
            f"{free // each / 1e6:.1f} megapixels, or scale it down first."
        )


def _check_limits(width: int, height: int, bytes_per_pixel: int, limits: Limits) -> None:
    pixels = width * height
    if pixels * bytes_per_pixel > limits.max_unpacked and pixels <= limits.max_pixels:
        raise BadInput(
            f"This picture takes {_tenths(pixels * bytes_per_pixel / 1e6)} MB unpacked, {bytes_per_pixel} bytes per pixel; "
            f"the limit here is {_tenths(limits.max_unpacked / 1e6)} MB. Crop it to "
            f"{limits.max_unpacked // bytes_per_pixel / 1e6:.1f} megapixels, or save it with 8 or 16 bits per channel."
        )
    if pixels <= limits.max_pixels:
        if max(width, height) <= limits.max_side:
            return
        raise BadInput(
            f"This picture has {width} x {height} pixels; the limit here is {limits.max_side} along each side. Crop it first."
        )
    if limits.max_pixels < 10**5:
        amounts = f"{pixels} pixels; the limit here is {limits.max_pixels}"
    else:
        amounts = f"{_tenths(pixels / 1e6)} megapixels; the limit here is {_tenths(limits.max_pixels / 1e6)}"
    raise BadInput(f"This picture has {amounts}. Crop it or scale it down first.")


def _tenths(value: float) -> str:
    """Return `value` rounded up to a tenth, so that a number above a limit is also displayed above it."""
    return f"{ceil(value * 10) / 10:.1f}".removesuffix(".0")


def _kind(head: bytes) -> Kind | None:
    for magic, kind in _IMAGES:
        if head.startswith(magic):
            return kind
    # Text files may also begin with "BM", so that the size field of the header decides.
    if head[:2] == b"BM" and head[14:18] in _BMP_HEADERS:
        return "BMP"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    brands = _brands(head)
    if brands & _AVIF:
        return "AVIF"
    return "HEIF" if brands & _HEIF else None


def _brands(head: bytes) -> set[bytes]:
    """Return the brands of an ISO media file (HEIF, AVIF, but also MP4); empty for other files."""
    if head[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12]} | {head[i : i + 4] for i in range(16, end, 4)}


def _instead(head: bytes) -> str:
    """Return the end of the sentence "… is not a picture …" for a file that begins with `head`."""
    for magic, what in _OTHERS:
        if head.startswith(magic):
            return "this app reads but " + what
    if _brands(head):
        return "but a video or a camera raw file"
    if not _is_text(head):
        return "of a kind this app reads"
    text = head.replace(b"\0", b"").lower()
    if b"<svg" in text:
        return "made of pixels but an SVG drawing: export it as PNG at the size you need"
    return "but a web page" if b"<html" in text or b"<!doctype html" in text else "but a text file"


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    return all(byte >= 32 or byte in b"\t\n\f\r" for byte in head)
