"""Photos that a person drops, to be remembered or looked at: pictures and zips of pictures, read through the one door."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from sr_demo.errors import BadInput, SRError
from sr_demo.image import Limits, read, write_png
from sr_demo.progress import Progress

_MOST_PHOTOS = 200
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".avif"})

_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, NotImplementedError)
"""What reading a member raises: wrong checksum or header; deflate; lzma; cut off; bz2 and a lost file; a password or a
decompressor that this Python lacks; a compression nobody here knows."""


def take_in(
    files: Sequence[Path], folder: Path, limits: Limits, progress: Progress, purpose: str = "remembered"
) -> tuple[list[Path], list[str]]:
    """Write each picture in `files` (zips opened) as an 8-bit PNG into `folder`.

    Returns the written files and a sentence for each that was left out. Names from a zip are only labels: nothing is
    extracted to a path that a zip asks for. Raises BadInput ("None of these files can be `purpose`") when nothing can be.
    """
    written: list[Path] = []
    left_out: list[str] = []
    for index, (label, path) in enumerate(_pictures(files, folder, limits, left_out)):
        progress(min(index / _MOST_PHOTOS, 1.0), f"reading {label}")
        if len(written) == _MOST_PHOTOS:
            left_out.append(f"Only the first {_MOST_PHOTOS} photos are used.")
            break
        try:
            picture = read(path, limits)
        except SRError as exc:
            left_out.append(str(exc))
            continue
        target = folder / f"{len(written):03d}_{_plain(label)}.png"
        write_png(replace(picture, alpha=None, bits=8, icc=None), target)
        written.append(target)
    if not written:
        raise BadInput(" ".join([f"None of these files can be {purpose}.", *left_out]))
    return written, left_out


def _pictures(files: Sequence[Path], folder: Path, limits: Limits, left_out: list[str]) -> Iterator[tuple[str, Path]]:
    """Label and path of every picture, one at a time; members of a zip pass through one scratch file."""
    scratch = folder / "member"
    for path in files:
        if not zipfile.is_zipfile(path):
            yield path.name, path
            continue
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                label = PurePosixPath(member.filename.replace("\\", "/")).name
                if member.is_dir() or PurePosixPath(label).suffix.lower() not in _SUFFIXES:
                    continue
                if member.file_size > limits.max_bytes:
                    left_out.append(f"{label} unpacks to more than the limit of {limits.max_bytes // 2**20} MB.")
                    continue
                try:
                    # A size that the zip lies about is caught here: no more than announced is ever read.
                    content = archive.open(member).read(member.file_size)
                except _DAMAGED:
                    left_out.append(f"{label} could not be unpacked: it is damaged, or locked with a password.")
                    continue
                scratch.write_bytes(content)  # a full disk is not the zip's fault
                yield label, scratch
    scratch.unlink(missing_ok=True)


def _plain(label: str) -> str:
    """A file name of letters, digits, dots and dashes."""
    return "".join(c if c.isalnum() or c in "-." else "_" for c in Path(label).stem)[:60] or "photo"
