"""Arrays as large as a result: on the disk where they would fill memory, and walked in bands of rows.

Results of 100 megapixels enlarged four times take 19 GB as float32. They lie in a file that is mapped into memory: what is
not looked at for a while costs disk, not memory. Linux counts the mapped pages that were touched as memory of this process
until they are let go: whoever fills or reads such an array does it with `bands`, or calls `release`.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import StorageError
from sr_demo.system import storage

IN_MEMORY = 192 * 2**20
"""Bytes of one array beyond which it lies in a file: a result of 4096 x 4096 pixels is the largest that does not."""
AT_MOST = 600 * 2**20
"""Bytes of one array that memory takes after all, where no file can be made."""
_LONGEST_ROW = 150_000
"""Bytes of a row up to which large pages are asked for. A tile of 2000 rows brings in all pages that its pieces of rows
touch: by 2 MB at once that is the whole height of a tile, 1 GB for rows of 40,000 pixels."""
BAND = 16 * 2**20
"""Bytes that are worked on at once: small beside the memory there is, large beside what starting a band costs."""


def zeros(*shape: int) -> NDArray[np.float32]:
    """Float32 zeros of this shape: in memory, or in a file beyond `IN_MEMORY`, which is gone with the last user.

    Where no file can be made, memory takes up to `AT_MOST` bytes; beyond, raises StorageError.
    """
    need = 4 * int(np.prod(shape, dtype=np.int64))
    if need > IN_MEMORY:
        try:
            return _in_file(shape, need)
        except StorageError:
            if need > AT_MOST:
                raise
    return np.zeros(shape, np.float32)


def _in_file(shape: tuple[int, ...], need: int) -> NDArray[np.float32]:
    # Not the system's folder for temporary files: on many machines that is memory.
    folder = storage.ready(storage.cache_folder() / "results", need)
    try:
        with storage.guarded(folder), tempfile.TemporaryFile(dir=folder) as file:
            # Reserved now: a disk that fills up later would end the process at the touch of a page, without a word.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, need)
            return _in_large_pages(np.memmap(file, np.float32, "w+", shape=shape))
    except OSError as exc:  # such as ENOMEM: no addresses are left to map it to (RLIMIT_AS)
        raise StorageError(f"A file of {need / 1e9:.1f} GB cannot be used in {folder}: {exc.strerror or exc}.") from exc


def _in_large_pages(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """`array`, which maps a file, brought in by 2 MB at once where the system can: filling it takes a third less."""
    row = array.nbytes // max(len(array), 1)
    if isinstance(array.base, mmap.mmap) and hasattr(mmap, "MADV_HUGEPAGE") and row <= _LONGEST_ROW:
        with suppress(OSError):  # a kernel built without large pages
            array.base.madvise(mmap.MADV_HUGEPAGE)
    return array


def bands(*arrays: NDArray[Any], overlap: int = 0, least: int = 1) -> Iterator[slice]:
    """Slices of rows that cover `arrays`, which have the same number of rows, from the top.

    The rows of all of them together take about `BAND` bytes. When the next band is asked for, the last one is let go.

    Args:
        arrays: (H, ...) each, of any type; in memory or in a file.
        overlap: rows that each band shares with the next one.
        least: rows that a band has without them, however long they are.

    Yields:
        Slices of rows; a single one for small arrays.
    """
    height = len(arrays[0])
    each = max(sum(array.nbytes for array in arrays) // max(height, 1), 1)
    step = max(BAND // each, least)
    for top in range(0, max(height - overlap, 1), step):
        rows = slice(top, min(top + step + overlap, height))
        yield rows
        release(*(array[rows] for array in arrays))


def release(*arrays: NDArray[Any]) -> None:
    """Let go of the memory that mapped `arrays`, or parts of such, take in this process; what is in them stays.

    Nothing happens to arrays in memory. Safe while others read or write the same array.
    """
    for array in arrays:
        mapping = _mapping(array)
        if mapping is None or not array.size or not hasattr(mmap, "MADV_DONTNEED"):
            continue
        first = np.frombuffer(mapping, np.uint8).ctypes.data
        low, high = (bound - first for bound in np.lib.array_utils.byte_bounds(array))
        low -= low % mmap.PAGESIZE
        with suppress(OSError):  # a system that cannot, or pages that are locked: memory is let go later
            mapping.madvise(mmap.MADV_DONTNEED, low, high - low)


def _mapping(array: NDArray[Any]) -> mmap.mmap | None:
    """The file mapping that `array` is a view of; a private one (copy on write) would lose what was written."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.mode == "c":
            return None
        base = base.base
    return base if isinstance(base, mmap.mmap) else None
