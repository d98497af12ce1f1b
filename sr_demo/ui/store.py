"""Where the pictures of a comparison lie while people look at them."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from sr_demo.errors import StorageError

_KEPT_SECONDS = 2 * 3600


class Store:
    """Folders of result files under one private folder, which is all that the page may serve. Old ones are removed."""

    def __init__(self, kept_seconds: float = _KEPT_SECONDS) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sr_demo_results_")).resolve()
        self._kept_seconds = kept_seconds
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)

    def new(self) -> Path:
        """An empty folder with a name that cannot be guessed. Raises StorageError when the disk is full."""
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)  # a cleaner of /tmp may have taken it
            self._sweep()
            return Path(tempfile.mkdtemp(dir=self.folder))
        except OSError as exc:
            raise StorageError("The server's disk is full or cannot be written. Please try again later.") from exc

    def _sweep(self) -> None:
        oldest = time.time() - self._kept_seconds
        for folder in self.folder.iterdir():
            with suppress(FileNotFoundError):  # another visitor's sweep was faster
                if folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)
