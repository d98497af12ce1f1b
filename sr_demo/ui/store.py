"""The folder of uploads and results, and their removal by age and size.

::

    <temporary folder>/sr_demo_results_XXXXXXXX/    `root`: Gradio's folder for uploads too (`lend_to_gradio`)
        .lock                                       held while this server runs (see `scratch`)
        <sha256>/photo.jpg                          an upload
        results/YYYYYYYY/rdn.png                    a result: `folder` is `results`

Results are stored inside Gradio's own folder for uploads, so that Gradio does not copy each of them there.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread

from sr_demo.errors import DISK_REFUSES, StorageError
from sr_demo.system import scratch

log = logging.getLogger("sr_demo")

_KEPT_SECONDS = 2 * 3600
_LONG_SECONDS = 24 * 3600
_MAX_BYTES = 4096 * 2**20
_YOUNG_SECONDS = 20
"""Files that changed within this time are not removed to free space: the browser may not have loaded them yet."""
_SECONDS_BETWEEN = 5
_SHARE = 0.05
"""Largest share of time spent on scanning the folder, regardless of the number of files."""


@dataclass(frozen=True)
class _Entry:
    """One upload or one folder of results."""

    path: Path
    changed: float
    bytes: int


class Store:
    """Uploads and results in one private folder. Old ones are removed, and the oldest if all take too much space."""

    def __init__(self, kept_seconds: float = _KEPT_SECONDS, max_bytes: int = _MAX_BYTES) -> None:
        """Create the folder.

        Args:
            kept_seconds: Age at which entries are removed, in seconds.
            max_bytes: Size of all entries above which the oldest are removed.

        Raises:
            StorageError: The folder cannot be created.
        """
        self._scratch = scratch.Scratch(temporary_root())
        self.root = self._scratch.path
        self.folder = self.root / "results"
        self._make()
        self._kept_seconds, self._max_bytes = kept_seconds, max_bytes
        self._lent: list[Path] = []
        """Entries in use, as often as they are."""
        self._kept: set[Path] = set()
        self._tidying = Lock()
        self._next = 0.0
        self.on_removed: Callable[[set[Path]], None] = lambda gone: None
        """Called with the paths that `tidy` and `forget` have removed."""

    def lend_to_gradio(self) -> None:
        """Let Gradio store uploads here. Call this before Gradio is imported, since the import reads GRADIO_TEMP_DIR."""
        os.environ["GRADIO_TEMP_DIR"] = str(self.root)

    def allowed_paths(self) -> list[str]:
        """Return the folders that Gradio must be allowed to serve so that results can be shown.

        None are needed if Gradio stores its files here: it then serves images inline, and other files (HTML) as downloads.
        """
        return [] if os.environ.get("GRADIO_TEMP_DIR") == str(self.root) else [str(self.folder)]

    def new(self, name: str = "") -> Path:
        """Create an empty folder, by default with an unguessable name. Raises StorageError if the disk is full."""
        self.tidy()
        self._make()  # a clean-up of /tmp may have removed it
        with _disk():
            if not name:
                return Path(tempfile.mkdtemp(dir=self.folder))
            (self.folder / name).mkdir(mode=0o700)
            return self.folder / name

    def _make(self) -> None:
        with _disk():
            self._scratch.restore()
            self.folder.mkdir(mode=0o700, exist_ok=True)

    @contextmanager
    def lent(self, used: Iterable[Path] = ()) -> Generator[Path]:
        """Create a folder like `new`; neither it nor the files `used` are removed before the block ends, however old."""
        entries = [entry for entry in map(self._entry, used) if entry]
        self._lent += entries
        try:
            folder = self.new()
            entries.append(folder)
            self._lent.append(folder)
            yield folder
        finally:
            for entry in entries:
                self._lent.remove(entry)

    def _entry(self, file: Path) -> Path | None:
        """Return the upload or the folder of results that a file belongs to; None if it lies elsewhere."""
        return next((at for at in (file, *file.parents) if at.parent == self.folder or at.parent == self.root), None)

    def keep(self, folder: Path) -> None:
        """Keep a folder for a day instead of two hours; to free space, it is removed only after all others."""
        self._kept.add(folder)

    def release(self, folder: Path) -> None:
        """Undo `keep`: the folder is removed like any other again."""
        self._kept.discard(folder)

    def forget(self, folder: Path) -> None:
        """Remove a folder immediately."""
        self.release(folder)
        if _removed(folder):
            self.on_removed({folder})

    def keep_tidy(self, first: Callable[[], object]) -> Thread:
        """Start a thread that calls `first`, then `tidy` every few seconds; return it."""

        def work() -> None:
            try:
                first()
            except Exception as exc:  # the page works without it
                log.warning("leftovers of killed servers could not be removed", exc_info=exc)
            while True:
                time.sleep(_SECONDS_BETWEEN)
                self.tidy()

        thread = Thread(target=work, name="store", daemon=True)
        thread.start()
        return thread

    def tidy(self) -> None:
        """Remove old entries, then the oldest until the rest fits. Does nothing if this was done very recently."""
        if time.monotonic() < self._next or not self._tidying.acquire(blocking=False):
            return
        try:
            begun = time.monotonic()
            gone = {entry.path for entry in self._superfluous() if _removed(entry.path)}
            if gone:
                self._kept -= gone
                self.on_removed(gone)
            took = time.monotonic() - begun
            self._next = time.monotonic() + (took / _SHARE if took > 0.05 else 0)
        finally:
            self._tidying.release()

    def _superfluous(self) -> Iterator[_Entry]:
        now = time.time()
        entries = sorted(self._entries(), key=lambda entry: (entry.path in self._kept, entry.changed))
        excess = sum(entry.bytes for entry in entries) - self._max_bytes
        for entry in entries:
            age = now - entry.changed
            longest = _LONG_SECONDS if entry.path in self._kept else self._kept_seconds
            if entry.path not in self._lent and (age > longest or (excess > 0 and age > _YOUNG_SECONDS)):
                excess -= entry.bytes
                yield entry

    def _entries(self) -> Iterator[_Entry]:
        for parent, own in ((self.folder, ()), (self.root, (self.folder.name, scratch.LOCK))):
            with suppress(OSError), os.scandir(parent) as found:
                for one in found:
                    with suppress(OSError):  # removed in the meantime
                        if one.name not in own:
                            changed = one.stat(follow_symlinks=False).st_mtime
                            yield _Entry(Path(one.path), changed, _bytes(one))


@contextmanager
def _disk() -> Generator[None]:
    """Translate OSError to StorageError, which does not name the folder; the log does."""
    try:
        yield
    except OSError as exc:
        log.error("uploads and results cannot be kept in %s: %s", exc.filename or temporary_root(), exc.strerror or exc)
        raise StorageError(DISK_REFUSES) from exc


def temporary_root() -> Path:
    """Return the parent of the servers' folders: GRADIO_TEMP_DIR, or the system's temporary folder.

    Raises:
        StorageError: There is no writable temporary folder.
    """
    chosen = os.environ.get("GRADIO_TEMP_DIR")
    if not chosen:
        return scratch.temporary_folder()
    with suppress(OSError):  # reported when the folder is used
        Path(chosen).mkdir(parents=True, exist_ok=True)
    return Path(chosen).absolute()


def _bytes(entry: os.DirEntry[str]) -> int:
    if not entry.is_dir(follow_symlinks=False):
        return entry.stat(follow_symlinks=False).st_size
    total = 0
    with suppress(OSError), os.scandir(entry.path) as found:
        for one in found:
            with suppress(OSError):
                total += _bytes(one)
    return total


def _removed(path: Path) -> bool:
    """Remove `path`; return whether it no longer exists, possibly because a concurrent request has removed it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
    return not path.exists()
