"""Where this app keeps files between runs, and what it says when the disk refuses.

Everything lies below one folder: `weights/` for downloaded checkpoints, and a folder of its own for each other user
(memories of the mosaic, measured estimates). Deleting the folder is always safe: what was in it comes back when needed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sr_demo.errors import StorageError

_REFUSALS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
    errno.EROFS: "that disk is read-only",
    errno.ENOTDIR: "a file stands where a folder should be",
    errno.EEXIST: "a file stands where a folder should be",
    errno.EIO: "the disk reports an error",
}


def cache_folder() -> Path:
    """The folder for everything kept between runs: `SR_DEMO_CACHE`, else `~/.cache/sr_demo`.

    Read from the environment at every call. It may not exist yet: see `ready`.
    """
    chosen = os.environ.get("SR_DEMO_CACHE")
    return Path(chosen).expanduser().absolute() if chosen else Path.home() / ".cache" / "sr_demo"


def ready(folder: Path, need: int = 0) -> Path:
    """Create `folder` if it is not there, and make sure that `need` bytes fit in. Raises StorageError."""
    with guarded(folder):
        folder.mkdir(parents=True, exist_ok=True)
        free = free_bytes(folder)
    if free < need:
        raise StorageError(
            f"Not enough room in {folder}: {need / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free. "
            "Make room, or set SR_DEMO_CACHE to a folder on another disk."
        )
    return folder


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written on the disk of `folder`, which must exist."""
    return shutil.disk_usage(folder).free


@contextmanager
def guarded(folder: Path) -> Generator[None]:
    """Translate what the disk says while files below `folder` are written into StorageError; let all else pass."""
    try:
        yield
    except OSError as exc:
        if exc.errno not in _REFUSALS:
            raise
        raise StorageError(
            f"Files cannot be kept in {folder}: {_REFUSALS[exc.errno]}. "
            "Make room there or allow writing, or set SR_DEMO_CACHE to another folder."
        ) from exc


@contextmanager
def alone(folder: Path, waiting: Callable[[], None]) -> Generator[None]:
    """Hold the lock of `folder`; while another thread or process holds it, call `waiting` five times a second."""
    lock = FileLock(folder / ".lock")
    while True:
        try:
            lock.acquire(timeout=0.2)
            break
        except Timeout:
            waiting()
    try:
        yield
    finally:
        lock.release()


def sha256_of(path: Path) -> str:
    """The sha256 of a file in lower-case hex, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
