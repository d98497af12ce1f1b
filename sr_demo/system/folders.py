"""Listing of the files in a folder: hidden files are left out and counted, what cannot be read is named; short names."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

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
    linked: int = 0
    """Number of links to folders, which are not followed, in a recursive listing."""
    unreadable: list[str] = field(default_factory=list)
    """A sentence for each subfolder that cannot be read, and for each broken link."""


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
    files, unreadable, hidden, linked = list[Path](), list[str](), 0, 0

    def failed(exc: OSError) -> None:
        sentence = f"The folder {exc.filename} cannot be read: {exc.strerror or exc}."
        if Path(exc.filename) == folder:
            raise BadInput(f"{sentence} Change its permissions, or choose another.") from exc
        if sentence not in unreadable:
            unreadable.append(sentence)

    def is_file(path: Path) -> bool:
        try:
            return S_ISREG(path.stat().st_mode)
        except OSError as exc:
            if os.path.islink(path):  # unlike Path.is_symlink, never raises
                unreadable.append(f"The link {path} cannot be followed: {exc.strerror}.")
            elif isinstance(exc, PermissionError):  # the names in the folder can be read, but not its files
                failed(OSError(exc.errno, exc.strerror, str(path.parent)))
        return False

    for place, folders, names in os.walk(folder, onerror=failed):
        here = Path(place)
        folders[:] = [
            name for name in sorted(folders) if recursive and (skipped is None or (here / name).resolve() != skipped)
        ]
        hidden += sum(map(is_hidden, (*folders, *names)))
        folders[:] = [name for name in folders if not is_hidden(name)]
        linked += sum((here / name).is_symlink() for name in folders)
        files += [here / name for name in names if not is_hidden(name) and is_file(here / name)]
    return Listing(sorted(files), hidden, linked, unreadable)


def is_hidden(name: str) -> bool:
    """Return whether a file or folder of this name is hidden: the name begins with a dot, or belongs to the system."""
    return (name.startswith(".") and name != "..") or name == _SYSTEM_FOLDER


def short_name(path: Path) -> str:
    """Return the last two parts of a path as a name for reports, those of the absolute path: `.` has none of its own."""
    absolute = Path(os.path.abspath(path))
    return "/".join(absolute.parts[1:][-2:]) or str(absolute)
