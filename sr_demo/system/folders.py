"""Listing of the files in a folder: hidden files are left out and counted, unreadable subfolders are named."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from sr_demo.errors import BadInput

_SYSTEM_FOLDER = "__MACOSX"
"""Folder in which macOS stores the hidden files of a zip."""


@dataclass(frozen=True)
class Listing:
    """The files of a folder."""

    files: list[Path] = field(default_factory=list)
    """The files, sorted by path."""
    hidden: int = 0
    """Number of hidden files and hidden folders, which are left out; a folder counts as one."""
    unreadable: list[str] = field(default_factory=list)
    """A sentence for each subfolder that cannot be read."""


def list_files(folder: Path, *, recursive: bool = False, without: Path | None = None) -> Listing:
    """List the files of a folder.

    Args:
        folder: The folder.
        recursive: Include its subfolders; links to folders are not followed.
        without: A subfolder that is skipped.

    Raises:
        BadInput: The path is not a folder, or cannot be read.
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
        hidden += sum(map(is_hidden, (*folders, *names)))
        folders[:] = [name for name in folders if not is_hidden(name)]
        files += [here / name for name in names if not is_hidden(name) and (here / name).is_file()]
    return Listing(sorted(files), hidden, unreadable)


def is_hidden(name: str) -> bool:
    """Return whether a file or folder of this name is hidden: the name begins with a dot, or belongs to the system."""
    return (name.startswith(".") and name != "..") or name == _SYSTEM_FOLDER
