"""Unfinished files and folders, each with a system lock that lasts as long as its writer lives.

The lock (flock) is on the file or folder itself. The system releases it however the writer ends, even by a kill or in another
container that shares the disk. A sweep can therefore distinguish remains from work in progress.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_own: set[Path] = set()
"""Unfinished paths of this process, which are removed at exit, since a server's threads end without their own clean-up."""


@contextmanager
def in_progress(path: Path, create: Callable[[Path], object] = Path.mkdir) -> Generator[Path]:
    """Create `path` and hold its lock; remove it at the end of the block, or of the process, if it still exists.

    Args:
        path: The unfinished file or folder, which is moved away when it is complete.
        create: Creates it empty; by default as a folder.

    Raises:
        OSError: The path cannot be created.
    """
    _own.add(path)
    descriptor: int | None = None
    try:
        while True:
            create(path)
            descriptor = _lock(path, waiting=True)
            if descriptor is None or _is_at(descriptor, path):
                break
            os.close(descriptor)  # a sweep removed it before it was locked
        yield path
    finally:
        remove(path)
        _own.discard(path)
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def claimed(path: Path) -> Generator[bool | None]:
    """Try to take over the unfinished path of a killed writer.

    Yields:
        True if its writer is gone (the block holds the lock), False if it lives, None if the system cannot tell.
    """
    try:
        descriptor = _lock(path, waiting=False)
    except BlockingIOError:
        yield False
        return
    try:
        yield None if descriptor is None else True
    finally:
        if descriptor is not None:
            os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file or a folder with its content, if it exists; errors are ignored."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _lock(path: Path, *, waiting: bool) -> int | None:
    """Return an open descriptor that holds the lock; None if the path cannot be locked. Raises BlockingIOError if held."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waiting else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:  # a disk without locks
        os.close(descriptor)
        return None
    return descriptor


def _is_at(descriptor: int, path: Path) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    return False


@atexit.register
def _remove_own() -> None:
    for path in list(_own):
        remove(path)
