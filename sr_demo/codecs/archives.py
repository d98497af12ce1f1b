"""Opening and reading of users' zip archives within limits. Paths in an archive are never used for writing."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.lib import format as npy

from sr_demo.codecs.sniff import display_name
from sr_demo.errors import BadInput

_MOST_LISTING = 4 * 2**20
"""Largest size of an archive's directory in bytes: about 50,000 names, which Python parses in a second."""
_MOST_ARRAYS = 1000
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError, NotImplementedError,
    ValueError,
)  # fmt: skip
"""Exceptions from opening an archive and reading a member, for, in this order: a wrong checksum or header; deflate; lzma; a
truncated header; a truncated file; bz2 or a lost file; a password, or a decompressor that this Python lacks; unknown
compression; a bad name."""


class _Listing:
    """A file wrapper that refuses to read more than `_MOST_LISTING` bytes at once while `opening` is True."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.opening = True
        self._file, self._name = file, name

    def read(self, size: int = -1, /) -> bytes:
        if not self.opening:
            return self._file.read(size)
        content = self._file.read(_MOST_LISTING + 1 if size < 0 else min(size, _MOST_LISTING + 1))
        if len(content) > _MOST_LISTING:
            raise BadInput(f"{self._name} lists more files than can be read here. Split it into smaller ones.")
        return content

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


@contextmanager
def opened(path: Path) -> Generator[zipfile.ZipFile]:
    """Open the archive at `path` for reading. Raises one of `DAMAGED` for a bad archive, BadInput for too many names."""
    with path.open("rb") as file:
        listing = _Listing(file, display_name(path.name))
        # `ZipFile` reads all names at once and keeps an object for each.
        with zipfile.ZipFile(cast("BinaryIO", listing)) as archive:
            listing.opening = False
            yield archive


@dataclass(frozen=True)
class Header:
    """The header of an array in an `.npz` file."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def array_headers(path: Path, most: int) -> list[Header]:
    """Read the headers of the arrays in an `.npz` file, and check them against the sizes of the members.

    numpy allocates the size that the header of an array states before it reads the values.

    Args:
        path: The file.
        most: Largest number of bytes of all arrays together.

    Raises:
        BadInput: The file cannot be read, a header states more than the member holds, or `most` is exceeded.
        FileNotFoundError: There is no such file.
    """
    headers: list[Header] = []
    total = 0
    try:
        with opened(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            if len(members) > _MOST_ARRAYS:
                raise BadInput(f"{path.name} holds more than {_MOST_ARRAYS:,} arrays. Save them as a few large ones.")
            for member in members:
                with archive.open(member) as stream:
                    version = npy.read_magic(stream)
                    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                    shape, _, dtype = read(stream)
                    there = member.file_size - stream.tell()
                if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize > there:
                    raise BadInput(f"{path.name}: {member.filename} says that it is larger than it is. Save it again.")
                total += member.file_size
                headers.append(Header(member.filename.removesuffix(".npy"), shape, dtype))
    except FileNotFoundError:
        raise
    except DAMAGED as problem:
        raise BadInput(f"{path.name} is not an .npz file that can be read ({problem}).") from problem
    if total > most:
        raise BadInput(
            f"{path.name} unpacks to {total / 2**30:.1f} GB, and only {most / 2**30:.1f} GB of memory can be used for it. "
            "Split it into smaller files."
        )
    return headers
