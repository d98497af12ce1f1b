"""Temporary folders of a process, and removal of those of killed processes.

A process removes its folder when it ends, unless it is killed. Each temporary folder therefore contains a file `.lock` that
is locked while the process runs; the system releases the lock in any case when the process ends, so a lock that can be
acquired means that the process no longer exists. Several servers may share a temporary folder and a cache.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

from filelock import FileLock, Timeout

from sr_demo.errors import StorageError
from sr_demo.system.unfinished import claimed

log = logging.getLogger("sr_demo")

LOCK = ".lock"
RESULTS = "sr_demo_results_"
_OURS = re.compile(r"(sr_demo_(results|supir|page)|\.sr_demo_new)_[a-z0-9_]{8}")
"""Full names of a server's temporary folders, so that the user's folders are never taken for one."""
_UNLOCKED_SECONDS = 24 * 3600
"""Age in seconds after which files without a lock file are removed, since it is unknown whether their process lives."""
_LOCKED = re.compile(r"\.part-[0-9a-f]{8}|\.[0-9a-f]{32}\.part|\.building-[0-9a-f]{16}-[0-9a-f]{8}")
"""Names of files and folders of `unfinished.in_progress`, without the build of a named patch database, which is continued
later."""
_CACHE_DEPTH = 3


def temporary_folder() -> Path:
    """Return the system's folder for temporary files. Raises StorageError if none can be written."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as exc:
        raise StorageError(
            f"No folder for temporary files can be written ({os.environ.get('TMPDIR') or 'TMPDIR is not set'}, /tmp, "
            "/var/tmp). Make room in one of them, or set TMPDIR to another folder."
        ) from exc


class Scratch:
    """A private folder of this process, which is removed at exit, or after a kill by `sweep` in another process."""

    def __init__(self, parent: Path) -> None:
        """Create the folder below `parent`. Raises StorageError when that cannot be written."""
        try:
            # Locked before it gets its final name, so that no sweep finds it unlocked.
            fresh = Path(tempfile.mkdtemp(prefix=".sr_demo_new_", dir=parent)).resolve()
            self.path = fresh.with_name(RESULTS + fresh.name[-8:])
            self._lock = _locked(fresh)
            fresh.rename(self.path)
            self._restoring = Lock()
        except OSError as exc:
            raise StorageError(
                f"No temporary folder can be created in {parent}: {exc.strerror or exc}. "
                "Make room there, or set TMPDIR to another folder."
            ) from exc
        atexit.register(self.remove)

    def restore(self) -> None:
        """Create the folder again if a cleaner of temporary files removed it. Raises OSError."""
        with self._restoring:
            if not self.path.is_dir():
                self._lock.release(force=True)
                self.path.mkdir(mode=0o700)
                self._lock = _locked(self.path)

    def remove(self) -> None:
        """Remove the folder with its content."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            self._lock.release(force=True)


def _locked(folder: Path) -> FileLock:
    lock = FileLock(folder / LOCK, thread_local=False)
    lock.acquire(timeout=0)
    return lock


def sweep(parent: Path) -> list[Path]:
    """Remove the temporary folders of killed servers of this user below `parent`; return them.

    Links are not followed, and folders of other users are not touched.
    """
    found = [path for path in _children(parent) if _OURS.fullmatch(path.name) and _is_own(path)]
    return [path for path in found if path.is_dir() and _remove_dead(path, (path,))]


def sweep_cache(cache: Path) -> list[Path]:
    """Remove the unfinished files and folders below `cache` whose writers were killed; return them."""
    return [path for path in unfinished(cache) if _is_own(path) and _remove_dead(path, (path, path.parent))]


def unfinished(cache: Path) -> list[Path]:
    """Return the unfinished files and folders below `cache`, of running and of killed processes."""
    found = (path for folder in _folders(cache, _CACHE_DEPTH) for path in _children(folder))
    return [path for path in found if _is_unfinished(path)]


def sweep_builds(folder: Path) -> None:
    """Remove the unfinished builds of killed processes in `folder`."""
    for path in _children(folder):
        if _is_unfinished(path) and _is_own(path):
            _remove_dead(path, (path,))


def _is_unfinished(path: Path) -> bool:
    return bool(_LOCKED.fullmatch(path.name))


def _remove_dead(path: Path, lockable: Iterable[Path]) -> bool:
    """Remove `path` if its writer is gone: neither the path nor the first of `lockable` with a lock file is locked."""
    if _is_unfinished(path):
        with claimed(path) as is_gone:
            if is_gone is not None:
                return is_gone and _remove(path)
    for folder in lockable:
        if (folder / LOCK).is_file():
            lock = FileLock(folder / LOCK)
            try:
                lock.acquire(timeout=0)
            except (Timeout, OSError):
                return False
            try:
                return _remove(path)
            finally:
                with suppress(OSError):
                    lock.release()
    with suppress(OSError):
        return time.time() - path.lstat().st_mtime > _UNLOCKED_SECONDS and _remove(path)
    return False


def _remove(path: Path) -> bool:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as exc:
        log.warning("%s was left by a server that was killed, and cannot be removed: %s", path, exc.strerror or exc)
        return False
    return True


def _is_own(path: Path) -> bool:
    """Return whether `path` is a file or folder of this user, and not a link."""
    try:
        status = path.lstat()
    except OSError:
        return False
    own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return own and (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode))


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _folders(top: Path, depth: int) -> Iterator[Path]:
    """Yield `top` and the folders below it, at most `depth` levels deep; links are not followed."""
    yield top
    if depth:
        for child in _children(top):
            if child.is_dir() and not child.is_symlink() and not _is_unfinished(child):
                yield from _folders(child, depth - 1)
