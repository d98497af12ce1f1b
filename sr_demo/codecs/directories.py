"""TIFF directories read by hand, so that what a file asks for is known before any library follows it.

Pillow, tifffile and libtiff all walk directories, load the values of tags and unpack segments as the file says. Here
only numbers are read: next directories (each place once, a limited number), tags, and the geometry of segments. A page
is then given to the libraries as a file of its own (`OnePage`): none of them sees more than one directory.

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
"""Strips or tiles of one page: 100 megapixels in tiles of 16 x 16 are 390,625."""
_SPARE = 2**22
"""Pixels that tiles may add beyond the page: one tile of 2048 x 2048."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes per value, by type."""
_WIDTH, _HEIGHT, _KIND, _OLD_KIND = 256, 257, 254, 255
_STRIPS, _TILE_WIDTH, _TILE_HEIGHT, _TILES = 273, 322, 323, 324


@dataclass(frozen=True)
class Tag:
    """One entry of a directory."""

    kind: int
    count: int
    raw: bytes
    """The value, or where it lies: 4 bytes, or 8 in BigTIFF."""


@dataclass(frozen=True)
class Layout:
    """Byte order and sizes of a file."""

    order: str
    big: bool

    @property
    def first(self) -> int:
        """Where the header says at which place the first directory is."""
        return 8 if self.big else 4

    def number(self, raw: bytes) -> int:
        """A whole number of 2, 4 or 8 bytes."""
        return int.from_bytes(raw, "little" if self.order == "<" else "big")

    @property
    def head(self) -> int:
        """Bytes of the number of tags."""
        return 8 if self.big else 2

    @property
    def place(self) -> int:
        """Bytes of an offset."""
        return 8 if self.big else 4


@dataclass(frozen=True)
class Directory:
    """A directory, its values not loaded."""

    layout: Layout
    at: int
    tags: dict[int, Tag]
    """The first of each number."""
    entries: tuple[Tag, ...]
    """All of them: readers load repeated ones too."""
    next_at: int
    """Where the file says at which place the next directory is."""

    def number(self, tag: int, default: int = 0) -> int:
        """The (first) whole number of a tag that fits into its entry."""
        found = self.tags.get(tag)
        size = 0 if found is None else _SIZES.get(found.kind, 0)
        if found is None or found.kind not in (1, 3, 4, 13, 16) or not found.count or size > len(found.raw):
            return default
        return self.layout.number(found.raw[:size])

    @property
    def is_preview(self) -> bool:
        """Whether the page is a smaller version of another one."""
        return bool(self.number(_KIND) & 1) or self.number(_OLD_KIND) == 2


def places(file: IO[bytes]) -> Iterator[int]:
    """Where the directories are, in order, each once: a chain that comes back to a place it has been at ends there.

    Raises BadInput beyond `MOST_PAGES`; ValueError when `file` is no TIFF.
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
    """The directory at `at`, with the tags that are there. Raises ValueError when it is larger than any program writes."""
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


def check(found: Directory, size: int) -> None:
    """Refuse a directory that makes a reader load or unpack much more than it says; `size` is that of the file.

    Values may lie on top of each other, so that a small file makes a reader load a large one many times: together they
    must not be more than four times the file. Tiles may be far larger than the page that they cover.
    Raises ValueError.
    """
    total = 0
    for tag in found.entries:
        length = tag.count * _SIZES.get(tag.kind, 1)
        # What runs over the end is not loaded by anyone.
        total += length if length > len(tag.raw) and found.layout.number(tag.raw) + length <= size else 0
    if total > 4 * size:
        raise ValueError(f"{total} bytes of tags in a file of {size}")
    for name in (_STRIPS, _TILES):
        if name in found.tags and found.tags[name].count > _MOST_SEGMENTS:
            raise ValueError(f"{found.tags[name].count} segments")
    width, height = found.number(_WIDTH), found.number(_HEIGHT)
    across, down = found.number(_TILE_WIDTH), found.number(_TILE_HEIGHT)
    if _TILES in found.tags and across and down:
        padded = ceil(width / across) * across * ceil(height / down) * down
        if padded > 2 * width * height + _SPARE:
            raise ValueError(f"tiles of {across} x {down} for {width} x {height} pixels")


def check_exif(content: bytes) -> None:
    """`check` for EXIF data, which are a TIFF file without pixels. Data that are no TIFF pass: no reader follows them.

    Raises ValueError.
    """
    content = content.removeprefix(b"Exif\0\0")
    file = io.BytesIO(content)
    try:
        layout = _layout(file)
    except ValueError:
        return
    at = layout.number(content[layout.first : layout.first + layout.place])
    check(directory(file, at), len(content))


class OnePage(io.RawIOBase):
    """A TIFF file as if the directory at `at` were its only one. Closing it leaves `file` open."""

    def __init__(self, file: IO[bytes], found: Directory) -> None:
        super().__init__()
        layout = found.layout
        first = found.at.to_bytes(layout.place, "little" if layout.order == "<" else "big")
        self._file = file
        self._changes = ((layout.first, first), (found.next_at, bytes(layout.place)))
        file.seek(0)

    def readable(self) -> bool:
        """It can."""
        return True

    def seekable(self) -> bool:
        """It can."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """As files do."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As files do."""
        return self._file.tell()

    def readinto(self, buffer: memoryview, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Fill `buffer` from the file, with two offsets changed."""
        begin, view = self._file.tell(), memoryview(buffer).cast("B")
        count: int = self._file.readinto(view)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownMemberType]
        for place, content in self._changes:
            low, high = max(place, begin), min(place + len(content), begin + count)
            if low < high:
                view[low - begin : high - begin] = content[low - place : high - place]
        return count

    def fileno(self) -> int:
        """That of the file: libtiff reads pixels there, at the directory it is given."""
        return self._file.fileno()


def _layout(file: IO[bytes]) -> Layout:
    file.seek(0)
    head = file.read(4)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        raise ValueError("no TIFF")
    return Layout(order, 43 in head[2:])


def _next_at(file: IO[bytes], layout: Layout, at: int, size: int) -> int | None:
    """Where the directory at `at` ends, and says where the next one is; None when it does not lie in the file."""
    if at + layout.head > size:
        return None
    file.seek(at)
    end = at + layout.head + layout.number(file.read(layout.head)) * (20 if layout.big else 12)
    return end if end <= size else None
