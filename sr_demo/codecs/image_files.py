"""The one rule for which files of a folder are images, for every command and tab.

A file is an image by its first bytes, whatever its name says: `.jfif`, `.jpe` and `.heif` count, and so does a photo without
an extension. A file whose name says that it is an image counts too, although its content is none: reading it then yields the
sentence that says what is wrong. Hidden files and folders (`._photo.jpg` of macOS, `.thumbnails`) are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sr_demo.codecs.sniff import kind_of
from sr_demo.system.folders import list_files

SUFFIXES = frozenset({
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif", ".hif",
    ".avif",
})  # fmt: skip
"""In lower case. Alone they decide only where content cannot be read: about files on a server."""


@dataclass(frozen=True)
class ImageFiles:
    """The files of a folder, sorted out: files found = `images` + `others` + `hidden`."""

    images: tuple[Path, ...]
    """By path."""
    others: tuple[Path, ...]
    """Files of other kinds."""
    hidden: int = 0
    """Hidden files, and hidden folders with all that is in them."""
    unreadable: tuple[str, ...] = ()
    """A sentence for each subfolder that cannot be read."""

    @property
    def left_out(self) -> str:
        """What was left out, as a phrase that is empty where nothing was: "2 other files and 1 hidden file left out"."""
        parts = [_counted(len(self.others), "other file"), _counted(self.hidden, "hidden file")]
        phrase = " and ".join(part for part in parts if part)
        return f"{phrase} left out" if phrase else ""


def find_images(folder: Path, *, recursive: bool = False, without: Path | None = None) -> ImageFiles:
    """Sort out the files of a folder.

    Args:
        folder: the folder.
        recursive: whether to include its subfolders.
        without: a folder inside it that is not entered, such as the one for results.

    Raises:
        BadInput: when it is not a folder, or cannot be read.
    """
    listing = list_files(folder, recursive=recursive, without=without)
    images: list[Path] = []
    others: list[Path] = []
    for path in listing.files:
        (images if is_image_file(path) else others).append(path)
    return ImageFiles(tuple(images), tuple(others), listing.hidden, tuple(listing.unreadable))


def is_image_file(path: Path) -> bool:
    """Return whether a file is an image by its content, or says so by its name."""
    return path.suffix.lower() in SUFFIXES or kind_of(path) is not None


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}" if count else ""
