"""Listing the files of a folder: hidden ones are left out and counted, unreadable subfolders are named."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from sr_demo.errors import BadInput


@dataclass(frozen=True)
class Listing:
    """The files of a folder."""

    files: list[Path] = field(default_factory=list)
    """By path."""
    hidden: int = 0
    """Files and folders whose name begins with a dot, such as the `._` files of macOS; they are left out."""
    unreadable: list[str] = field(default_factory=list)
    """A sentence for each subfolder that cannot be read."""

    @property
    def left_out(self) -> str:
        """A phrase on the hidden files and folders; "" where there are none."""
        return f"{self.hidden} hidden left out" if self.hidden else ""


def list_files(folder: Path, *, recursive: bool = False, without: Path | None = None) -> Listing:
    """List the files of a folder.

    Args:
        folder: where to look.
        recursive: include its subfolders; links to folders are not followed.
        without: a subfolder that is not entered.

    Raises:
        BadInput: when it is not a folder, or cannot be read.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder." if folder.exists() else f"There is no folder {folder}.")
    skipped = None if without is None else without.resolve()
    files, unreadable, hidden = list[Path](), list[str](), 0

    def failed(exc: OSError) -> None:
        sentence = f"The folder {exc.filename} cannot be read: {exc.strerror or exc}."
        if Path(exc.filename) == folder:
            raise BadInput(f"{sentence} Change its permissions, or choose another.") from exc
        unreadable.append(sentence)

    for place, folders, names in os.walk(folder, onerror=failed):
        here = Path(place)
        folders[:] = [
            name for name in sorted(folders) if recursive and (skipped is None or (here / name).resolve() != skipped)
        ]
        hidden += sum(name.startswith(".") for name in (*folders, *names))
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [here / name for name in names if not name.startswith(".") and (here / name).is_file()]
    return Listing(sorted(files), hidden, unreadable)
