"""TIFF directories: parsing and limits before an image library reads the file.

Pillow, tifffile and libtiff follow directories, load the values of tags and unpack segments as the file states. This module
reads only numbers: offsets of directories (each once, a limited number), tags, and the geometry of segments. A page is then
passed to the libraries as a separate file (`OnePage`), so that none of them reads more than one directory.

Sources: TIFF 6.0, sections 2 and 15; BigTIFF (libtiff.gitlab.io/libtiff/specification/bigtiff.html).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import IO

from sr_demo.errors import BadInput

MOST_PAGES = 10_000
_MOST_TAGS = 4096
_MOST_SEGMENTS = 2**19
"""Largest number of strips or tiles of one page; 100 megapixels have 390,625 tiles of 16 x 16."""
SPARE = 2**22
"""Largest number of pixels by which tiles may exceed the page: one tile of 2048 x 2048."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes per value by TIFF field type."""
_WIDTH, _HEIGHT, _KIND, _OLD_KIND = 256, 257, 254, 255
_STRIPS, _TILES = 273, 324
_TILE_SIDES = (322, 323)
_SUB_DIRECTORIES, _MOST_SUB_DIRECTORIES = 330, 32
_EXIF, _GPS = 34665, 34853


@dataclass(frozen=True)
class Tag:
    """One entry of a directory."""

    kind: int
    count: int
    raw: bytes
    """The value, or its offset: 4 bytes, or 8 in BigTIFF."""


@dataclass(frozen=True)
class Layout:
    """Byte order and field sizes of a TIFF file."""

    order: str
    big: bool

    @property
    def first(self) -> int:
        """Position in the header where the offset of the first directory is stored."""
        return 8 if self.big else 4

    def number(self, raw: bytes) -> int:
        """Decode an integer of 2, 4 or 8 bytes."""
        return int.from_bytes(raw, "little" if self.order == "<" else "big")

    @property
    def head(self) -> int:
        """Size in bytes of the field with the number of tags."""
        return 8 if self.big else 2

    @property
    def place(self) -> int:
        """Size in bytes of an offset."""
        return 8 if self.big else 4


@dataclass(frozen=True)
class Directory:
    """A directory without the values of its tags."""

    layout: Layout
    at: int
    tags: dict[int, Tag]
    """The first tag of each number."""
    entries: tuple[Tag, ...]
    """All tags, since readers also load repeated ones."""
    next_at: int
    """Position where the offset of the next directory is stored."""

    def number(self, tag: int, default: int = 0) -> int:
        """Return the (first) integer of a tag whose value fits into its entry, else `default`."""
        found = self.tags.get(tag)
        size = 0 if found is None else _SIZES.get(found.kind, 0)
        if found is None or found.kind not in (1, 3, 4, 13, 16) or not found.count or size > len(found.raw):
            return default
        return self.layout.number(found.raw[:size])

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.number(_WIDTH) * self.number(_HEIGHT)

    @property
    def is_preview(self) -> bool:
        """Whether the page is a smaller version of another one."""
        return bool(self.number(_KIND) & 1) or self.number(_OLD_KIND) == 2


def places(file: IO[bytes]) -> Iterator[int]:
    """Yield the offsets of the directories, each once; a chain that returns to an earlier offset ends there.

    Raises BadInput beyond `MOST_PAGES`, ValueError when `file` is not a TIFF.
    """
    layout, size = _layout(file), file.seek(0, io.SEEK_END)
    file.seek(layout.first)
    at = layout.number(file.read(layout.place))
    visited: set[int] = set()
    while at and at not in visited:
        if len(visited) == MOST_PAGES:
            raise BadInput(
                f"This TIFF has more than {MOST_PAGES:,} pages. Split it into several files, and try these instead."
            )
        visited.add(at)
        next_at = _next_at(file, layout, at, size)
        if next_at is None:
            return
        yield at
        file.seek(next_at)
        at = layout.number(file.read(layout.place))


def directory(file: IO[bytes], at: int) -> Directory:
    """Parse the directory at offset `at`. Raises ValueError when it has more tags than any program writes."""
    layout = _layout(file)
    file.seek(at)
    count = layout.number(file.read(layout.head))
    entry = struct.Struct(layout.order + ("HHQ8s" if layout.big else "HHI4s"))
    content = file.read(min(count, _MOST_TAGS + 1) * entry.size)
    content = content[: len(content) // entry.size * entry.size]
    found = [(tag, Tag(kind, values, raw)) for tag, kind, values, raw in entry.iter_unpack(content)]
    if len(found) > _MOST_TAGS:
        raise ValueError(f"{count} tags")
    entries = tuple(tag for _, tag in found)
    return Directory(layout, at, dict(reversed(found)), entries, at + layout.head + count * entry.size)


def value_of(file: IO[bytes], found: Directory, tag: int, most: int = 4096) -> bytes:
    """Return the first `most` bytes of the value of a tag, inline or at its offset; empty without the tag."""
    entry = found.tags.get(tag)
    if entry is None:
        return b""
    length = entry.count * _SIZES.get(entry.kind, 1)
    if length <= len(entry.raw):
        return entry.raw[:length]
    file.seek(found.layout.number(entry.raw))
    return file.read(min(length, most))


def sub_directories(file: IO[bytes], found: Directory) -> Iterator[Directory]:
    """Yield the directories that a page points to: smaller versions of it, or the raw data of a camera."""
    entry = found.tags.get(_SUB_DIRECTORIES)
    size = 0 if entry is None else _SIZES.get(entry.kind, 0)
    if size not in (4, 8):
        return
    offsets = value_of(file, found, _SUB_DIRECTORIES, _MOST_SUB_DIRECTORIES * size)
    for at in range(0, len(offsets) - size + 1, size):
        yield directory(file, found.layout.number(offsets[at : at + size]))


def check(found: Directory, size: int) -> None:
    """Refuse a directory that would make a reader load or unpack far more than the file holds.

    Values can overlap, so that a reader loads the same bytes many times; together they may take up to four times the size of
    the file. Tiles can be far larger than the page that they cover, which is limited too.

    Args:
        found: The directory.
        size: Size of the file in bytes.

    Raises:
        ValueError: A limit is exceeded; the message names it.
    """
    total = 0
    for tag in found.entries:
        length = tag.count * _SIZES.get(tag.kind, 1)
        # No reader loads values that lie beyond the end of the file.
        total += length if length > len(tag.raw) and found.layout.number(tag.raw) + length <= size else 0
    if total > 4 * size:
        raise ValueError(f"{total} bytes of tags in a file of {size}")
    for name in (_STRIPS, _TILES):
        if name in found.tags and found.tags[name].count > _MOST_SEGMENTS:
            raise ValueError(f"{found.tags[name].count} segments")
    width, height = found.number(_WIDTH), found.number(_HEIGHT)
    if any(side in found.tags for side in _TILE_SIDES):
        across, down = (found.number(side) for side in _TILE_SIDES)
        if not (across and down and width and height):
            raise ValueError(f"tiles of {across} x {down} for {width} x {height} pixels")
        padded = ceil(width / across) * across * ceil(height / down) * down
        if padded > 2 * width * height + SPARE:
            raise ValueError(f"tiles of {across} x {down} for {width} x {height} pixels")


def check_exif_parts(file: IO[bytes], found: Directory) -> None:
    """Run `check` on the directories of exposure and position that `found` points to. Raises ValueError."""
    size = file.seek(0, io.SEEK_END)
    for pointer in (_EXIF, _GPS):
        if at := found.number(pointer):
            check(directory(file, at), size)


def check_exif(content: bytes) -> None:
    """Run `check` on EXIF data, which are a TIFF file without pixels. Raises ValueError.

    Data that are not TIFF pass, since no reader parses them.
    """
    content = content.removeprefix(b"Exif\0\0")
    file = io.BytesIO(content)
    try:
        layout = _layout(file)
    except ValueError:
        return
    at = layout.number(content[layout.first : layout.first + layout.place])
    found = directory(file, at)
    check(found, len(content))
    check_exif_parts(file, found)


class OnePage(io.RawIOBase):
    """A view of a TIFF file that contains only one of its directories, with a position of its own.

    Closing it leaves `file` open.
    """

    def __init__(self, file: IO[bytes], found: Directory) -> None:
        super().__init__()
        layout = found.layout
        first = found.at.to_bytes(layout.place, "little" if layout.order == "<" else "big")
        self._file, self._at = file, 0
        self._changes = ((layout.first, first), (found.next_at, bytes(layout.place)))

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Change the position, as files do."""
        beginnings = {io.SEEK_SET: 0, io.SEEK_CUR: self._at}
        begin = beginnings[whence] if whence in beginnings else self._file.seek(0, io.SEEK_END)
        self._at = begin + offset
        return self._at

    def tell(self) -> int:
        """Return the position, as files do."""
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Fill `buffer` from the file, with two offsets changed."""
        begin, view = self._file.seek(self._at), memoryview(buffer).cast("B")
        count: int = self._file.readinto(view)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownMemberType]
        self._at += count
        for place, content in self._changes:
            low, high = max(place, begin), min(place + len(content), begin + count)
            if low < high:
                view[low - begin : high - begin] = content[low - place : high - place]
        return count

    def fileno(self) -> int:
        """Return the descriptor of the file, from which libtiff reads pixels at the offsets in the one directory."""
        return self._file.fileno()


def _layout(file: IO[bytes]) -> Layout:
    file.seek(0)
    head = file.read(4)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        raise ValueError("no TIFF")
    return Layout(order, 43 in head[2:])


def _next_at(file: IO[bytes], layout: Layout, at: int, size: int) -> int | None:
    """Return the end of the directory at `at`, where the next offset is stored; None if it is beyond the end of the file."""
    if at + layout.head > size:
        return None
    file.seek(at)
    end = at + layout.head + layout.number(file.read(layout.head)) * (20 if layout.big else 12)
    return end if end <= size else None
