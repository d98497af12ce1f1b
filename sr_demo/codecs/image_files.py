"""The rule that decides which files of a folder are images, shared by all commands and tabs.

A file counts as an image by its first bytes, whatever its name: `.jfif`, `.jpe` and `.heif` count, and so does a photo
without a suffix. A file with the suffix of an image counts too, even if its content is not an image; reading it then gives an
error that explains the problem. Hidden files and folders (`._photo.jpg` of macOS, `.thumbnails`) are left out.
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
"""Suffixes of image files in lower case. They decide alone only if content cannot be read, as for files on a server."""


@dataclass(frozen=True)
class ImageFiles:
    """The files of a folder by kind: files found = `images` + `others` + `hidden`."""

    images: tuple[Path, ...]
    """Image files, sorted by path."""
    others: tuple[Path, ...]
    """Files of other kinds."""
    hidden: int = 0
    """Number of hidden files and hidden folders; a folder counts as one."""
    unreadable: tuple[str, ...] = ()
    """A sentence for each subfolder that cannot be read, and for each broken link."""
    linked: int = 0
    """Number of links to folders, which are not followed."""

    @property
    def left_out(self) -> str:
        """Phrase for the files that were left out, such as "2 other files and 1 hidden file left out"; empty for none."""
        counts = ((len(self.others), "other file"), (self.hidden, "hidden file"), (self.linked, "linked folder"))
        *most, last = [_counted(*count) for count in counts if count[0]] or [""]
        phrase = f"{', '.join(most)} and {last}" if most else last
        return f"{phrase} left out" if phrase else ""


def find_images(folder: Path, *, recursive: bool = False, without: Path | None = None) -> ImageFiles:
    """Return the files of a folder by kind.

    Args:
        folder: The folder.
        recursive: Whether to include its subfolders.
        without: A subfolder that is skipped, such as the one for results.

    Raises:
        BadInput: The path is not a folder, or cannot be read.
    """
    listing = list_files(folder, recursive=recursive, without=without)
    images: list[Path] = []
    others: list[Path] = []
    for path in listing.files:
        (images if is_image_file(path) else others).append(path)
    return ImageFiles(tuple(images), tuple(others), listing.hidden, tuple(listing.unreadable), listing.linked)


def is_image_file(path: Path) -> bool:
    """Return whether a file is an image by its content or by its suffix."""
    return path.suffix.lower() in SUFFIXES or kind_of(path) is not None


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
