"""Arrays of the size of results, memory-mapped if they would fill memory, and processed in bands of rows.

The x4 result of 100 megapixels takes 19 GB as float32, and 5 GB as uint8. It is stored in a file that is mapped into memory,
so that unused pages take disk space rather than memory. Linux counts touched pages as memory of this process until they are
released; code that fills or reads such an array must use `bands`, or call `release`.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import StorageError
from sr_demo.system import storage

T = TypeVar("T", np.float32, np.uint8)

IN_MEMORY = 192 * 2**20
"""Size in bytes above which an array is memory-mapped; a result of 4096 x 4096 pixels is the largest one in memory."""
AT_MOST = 600 * 2**20
"""Largest size in bytes of an array that is kept in memory if no file can be created."""
_LONGEST_ROW = 150_000
"""Largest size of a row in bytes for which large pages are requested. Writing a tile touches all pages that contain a part of
its rows: with pages of 2 MB these are whole rows over the height of the tile, 1 GB for 2000 rows of 40,000 pixels."""
BAND = 16 * 2**20
"""Size of a band in bytes: small compared with the memory, but large enough for a negligible overhead per band."""


def zeros(*shape: int) -> NDArray[np.float32]:
    """Return float32 zeros of this shape, in memory or, above `IN_MEMORY`, in a file that is removed with its last user.

    If no file can be created, arrays of up to `AT_MOST` bytes are kept in memory; larger ones raise StorageError.
    """
    return _made(shape, np.float32)


def levels(*shape: int) -> NDArray[np.uint8]:
    """Like `zeros`, in uint8."""
    return _made(shape, np.uint8)


def _made(shape: tuple[int, ...], kind: type[T]) -> NDArray[T]:
    need = np.dtype(kind).itemsize * int(np.prod(shape, dtype=np.int64))
    if need > IN_MEMORY:
        try:
            return _in_file(shape, need, kind)
        except StorageError:
            if need > AT_MOST:
                raise
    return np.zeros(shape, kind)


def _in_file(shape: tuple[int, ...], need: int, kind: type[T]) -> NDArray[T]:
    # Not in the system's folder for temporary files, which is often kept in memory (tmpfs).
    folder = storage.ensure_folder(storage.cache_folder() / "results", need)
    try:
        with storage.disk_errors_translated(folder), tempfile.TemporaryFile(dir=folder) as file:
            # Reserved in advance: if the disk filled up later, touching a page would kill the process (SIGBUS).
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, need)
            return _in_large_pages(np.memmap(file, kind, "w+", shape=shape))
    except OSError as exc:  # such as ENOMEM, if no address space is left for the mapping (RLIMIT_AS)
        raise StorageError(f"A file of {need / 1e9:.1f} GB cannot be used in {folder}: {exc.strerror or exc}.") from exc


def _in_large_pages(array: NDArray[T]) -> NDArray[T]:
    """Request pages of 2 MB for the mapped `array`, with which filling it takes a third less time; return the array."""
    row = array.nbytes // max(len(array), 1)
    if isinstance(array.base, mmap.mmap) and hasattr(mmap, "MADV_HUGEPAGE") and row <= _LONGEST_ROW:
        with suppress(OSError):  # a kernel built without large pages
            array.base.madvise(mmap.MADV_HUGEPAGE)
    return array


@contextmanager
def written_in_tiles(array: NDArray[Any]) -> Generator[None]:
    """Disable read-ahead of a mapped `array` within the block, which writes parts of its rows.

    Otherwise the system reads ahead in increasing units, which count as touched as a whole (Linux 6.18: 1.8 GB for three
    tiles of 1000 columns). After the block, read-ahead is enabled for sequential access to the rows.
    """
    mapping = _mapping(array) if hasattr(mmap, "MADV_RANDOM") else None
    if mapping is None:
        yield
        return
    mapping.madvise(mmap.MADV_RANDOM)
    try:
        yield
    finally:
        mapping.madvise(mmap.MADV_NORMAL)


def bands(*arrays: NDArray[Any], overlap: int = 0, least: int = 1) -> Iterator[slice]:
    """Yield bands of rows that cover `arrays`, from the top; a band is released when the next one is requested.

    The rows of all arrays in a band together take about `BAND` bytes.

    Args:
        arrays: (H, ...) each, of any dtype, with the same number of rows; in memory or memory-mapped.
        overlap: Number of rows that each band shares with the next one.
        least: Smallest number of rows of a band, without the overlap.

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
    """Free the memory of mapped `arrays`, or of views of them, in this process; their content stays in the file.

    Has no effect on arrays in memory. Safe while other threads read or write the same array.
    """
    for array in arrays:
        mapping = _mapping(array)
        if mapping is None or not array.size or not hasattr(mmap, "MADV_DONTNEED"):
            continue
        first = np.frombuffer(mapping, np.uint8).ctypes.data
        low, high = (bound - first for bound in np.lib.array_utils.byte_bounds(array))
        low -= low % mmap.PAGESIZE
        with suppress(OSError):  # unsupported, or pages are locked; their memory is freed later
            mapping.madvise(mmap.MADV_DONTNEED, low, high - low)


def equal_channels(array: NDArray[Any]) -> bool:
    """Return whether the first three channels of (H, W, 3 or more) are equal in all pixels, as in gray stored as RGB."""
    return all(
        bool((array[rows, :, 0] == array[rows, :, 1]).all() and (array[rows, :, 1] == array[rows, :, 2]).all())
        for rows in bands(array)
    )


def _mapping(array: NDArray[Any]) -> mmap.mmap | None:
    """Return the file mapping that `array` is a view of; None for a private one (copy on write), which would lose changes."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.mode == "c":
            return None
        base = base.base
    return base if isinstance(base, mmap.mmap) else None
