"""The cache folder: its location, safe writing, and the messages for disk errors.

Everything that is kept between runs is stored below one folder: `weights/` for downloaded checkpoints, and a separate folder
for each other kind of file (patch databases, converted networks, time estimates). Deleting it is always safe, since its
content is downloaded or computed again when needed.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from uuid import uuid4

from filelock import FileLock, Timeout

from sr_demo.errors import StorageError
from sr_demo.system import scratch
from sr_demo.system.unfinished import in_progress

log = logging.getLogger("sr_demo")

_VARIABLE = "SR_DEMO_CACHE"
_homeless = Lock()
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
    """Return the folder for everything kept between runs: `SR_DEMO_CACHE`, else `~/.cache/sr_demo`.

    The environment is read at every call. The folder may not exist yet; see `ensure_folder`. A user without a home folder, as
    in a container that runs under another user id, gets a temporary one.
    """
    chosen = os.environ.get(_VARIABLE)
    try:
        return Path(chosen).expanduser().absolute() if chosen else Path.home() / ".cache" / "sr_demo"
    except RuntimeError:
        return _until_exit()


def _until_exit() -> Path:
    """Create a folder that is removed with this process, and make child processes use it too. Raises StorageError."""
    with _homeless:
        if not os.environ.get(_VARIABLE, "~").startswith("~"):
            return cache_folder()  # another thread was faster
        folder = scratch.Scratch(scratch.temporary_folder()).path
        os.environ[_VARIABLE] = str(folder)
    log.warning(
        "This user has no home folder, so nothing is kept between runs. %s names a folder to keep it in.", _VARIABLE
    )
    return folder


def ensure_folder(folder: Path, need: int = 0) -> Path:
    """Create `folder` unless it exists, check that `need` bytes are free there, and return it. Raises StorageError."""
    with disk_errors_translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        free = free_bytes(folder)
    if free < need:
        raise StorageError(
            f"Not enough room in {folder}: {need / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free. "
            "Make room, or set SR_DEMO_CACHE to a folder on another disk."
        )
    return folder


def free_bytes(folder: Path) -> int:
    """Return the number of bytes that can still be written on the disk of `folder`, which must exist."""
    return shutil.disk_usage(folder).free


@contextmanager
def disk_errors_translated(folder: Path) -> Generator[None]:
    """Translate disk errors into StorageError while files below `folder` are written; not those of files elsewhere."""
    try:
        yield
    except OSError as exc:
        named = [name for name in (exc.filename, exc.filename2) if isinstance(name, str | bytes | os.PathLike)]
        if named and not any(_in_or_above(name, folder) for name in named):
            raise
        if exc.errno not in _REFUSALS and not named:  # of a connection, which is an OSError too
            raise
        reason = _REFUSALS.get(exc.errno or 0, exc.strerror)
        raise StorageError(
            f"Files cannot be kept in {folder}: {reason}. "
            "Make room there or allow writing, or set SR_DEMO_CACHE to another folder."
        ) from exc


def _in_or_above(name: str | bytes | os.PathLike[str], folder: Path) -> bool:
    path, folder = Path(os.path.abspath(os.fsdecode(name))), Path(os.path.abspath(folder))
    return path.is_relative_to(folder) or folder.is_relative_to(path)


def write_atomically(path: Path, content: bytes | Callable[[Path], object], *, durable: bool = False) -> None:
    """Write a file that appears at `path` only when it is complete; an existing file is replaced.

    It is written beside `path` with the name `.<hex>.part` and then renamed. After a failure the temporary file is removed;
    after a kill, `scratch.sweep_cache` removes it from the cache.

    Args:
        path: Path of the file; its folder must exist.
        content: Content of the file, or a function that writes it to a given path.
        durable: Flush the file to the disk before renaming, so that a power failure leaves the old file or the new one.

    Raises:
        OSError: The disk is full or cannot be written; callers translate it (`disk_errors_translated`).
        Exception: Whatever `content` raises.
    """
    with in_progress(path.with_name(f".{uuid4().hex}.part"), Path.touch) as part:
        if callable(content):
            content(part)
        else:
            part.write_bytes(content)
        if durable:
            with part.open("rb") as file:
                os.fsync(file.fileno())
        os.replace(part, path)


@contextmanager
def unfinished_folder(parent: Path) -> Generator[Path]:
    """Create a folder below `parent` for incomplete files; remove it with its remaining content afterwards.

    Complete files are moved out with `os.replace`. After a kill, `scratch.sweep_cache` removes the folder. Raises OSError.
    """
    with in_progress(parent / f".part-{uuid4().hex[:8]}") as folder:
        yield folder


@contextmanager
def folder_lock(folder: Path, waiting: Callable[[], None]) -> Generator[None]:
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
    """Return the sha256 of a file in lower-case hex, read 1 MiB at a time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
