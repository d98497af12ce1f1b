"""Reading of the photos that a visitor drops: images, and zips of images.

A zip is read within limits on files, bytes and seconds. A member is unpacked only if its first bytes are those of an image.
"""

from __future__ import annotations

import shutil
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from sr_demo.codecs.archives import DAMAGED, opened
from sr_demo.codecs.sniff import check_file, display_name, with_file_name
from sr_demo.errors import BadInput, SRError, StorageError, first_few
from sr_demo.image import Limits, Metadata, read, write_png
from sr_demo.progress import Progress
from sr_demo.system.folders import is_hidden

_MOST_PHOTOS = 200
_MOST_NAMES = 2000
"""Largest number of members of one zip that are read."""
_MOST_UPLOADS = 10
"""Limit on the bytes that all zips unpack to, in multiples of the largest upload."""
_MOST_SECONDS = 60.0
_HEAD = 4096

NONE_REMEMBERED = "None of these files can be remembered."


@dataclass
class ReadPhotos:
    """The result of reading dropped files. Each file found counts in one of `written`, `left_out` and `hidden`."""

    written: list[Path] = field(default_factory=list[Path])
    sentences: list[str] = field(default_factory=list[str])
    """The reasons why files were left out: one sentence for each, preceded by one for all that exceed a limit."""
    left_out: int = 0
    hidden: int = 0
    """Number of hidden files in zips, which systems add (`.DS_Store`, `__MACOSX/._photo.jpg`)."""

    def leave_out(self, sentence: str) -> None:
        """Count a file that is left out, and record the reason."""
        self.sentences.append(sentence)
        self.left_out += 1

    def leave_rest(self, limit: str, count: int) -> None:
        """Count `count` files that exceed a limit; `limit` describes it, such as "Only the first 200 photos are used"."""
        self.sentences.insert(0, f"{limit}: {count:,} more {'is' if count == 1 else 'are'} left out.")
        self.left_out += count


def read_photos(
    files: Sequence[Path], folder: Path, limits: Limits, progress: Progress, none: str = NONE_REMEMBERED
) -> ReadPhotos:
    """Write each image in `files`, and in zips among them, as an 8-bit PNG file.

    Names in a zip are used as labels only: no file is extracted to a path from a zip.

    Args:
        files: The dropped files.
        folder: Folder to write to; must be empty.
        limits: Limits on bytes and pixels of one image.
        progress: Receives 0..1 and the name of each file.
        none: First line of the error message if no image can be read.

    Raises:
        BadInput: No image can be read.
    """
    taken = ReadPhotos()
    scratch = folder / "members"
    scratch.mkdir()
    finder = _Finder(files, scratch, limits, taken)
    for path in finder.images():
        progress(min(len(taken.written) / _MOST_PHOTOS, 1.0), f"reading {display_name(path.name)}")
        try:
            image = read(path, limits)
        except SRError as exc:
            taken.leave_out(with_file_name(path.name, str(exc)))
            continue
        target = folder / f"{len(taken.written):03d}_{_plain(path.name)}.png"
        write_png(replace(image, alpha=None, bits=8, icc=None, metadata=Metadata()), target)
        taken.written.append(target)
    shutil.rmtree(scratch)
    if taken.hidden:
        count = f"{taken.hidden:,}"
        taken.sentences.append(f"{count} hidden file left out." if count == "1" else f"{count} hidden files left out.")
    if not taken.written:
        raise BadInput("\n".join([none, *first_few(taken.sentences)]))
    return taken


class _Finder:
    """Finds images in files and zips, one at a time, until a limit is reached; counts files left out in `taken`."""

    def __init__(self, files: Sequence[Path], scratch: Path, limits: Limits, taken: ReadPhotos) -> None:
        self._files, self._scratch, self._limits, self._taken = files, scratch, limits, taken
        self._bytes_left = _MOST_UPLOADS * limits.max_bytes
        self._end = time.monotonic() + _MOST_SECONDS

    def images(self) -> Iterator[Path]:
        """Yield files that may be images. A file from a zip is deleted when the next file is requested."""
        for number, path in enumerate(self._files):
            if reason := self._enough():
                self._taken.leave_rest(reason, len(self._files) - number)
                return
            if zipfile.is_zipfile(path) and not _is_image(path, self._limits):
                yield from self._members(path)
            else:
                yield path

    def _enough(self) -> str:
        """Return a description of the limit that was reached, or ""."""
        if len(self._taken.written) == _MOST_PHOTOS:
            return f"Only the first {_MOST_PHOTOS} photos are used"
        if time.monotonic() > self._end:
            return f"Only what could be read in {_MOST_SECONDS:.0f} seconds is used"
        return ""

    def _members(self, path: Path) -> Iterator[Path]:
        name = display_name(path.name)
        try:
            with opened(path) as archive:
                files = [member for member in archive.infolist() if not member.is_dir()]
                members = [member for member in files if not any(map(is_hidden, _place(member).parts))]
                self._taken.hidden += len(files) - len(members)
                for number, member in enumerate(members):
                    left = len(members) - number
                    if reason := self._enough():
                        self._taken.leave_rest(reason, left)
                        return
                    if number == _MOST_NAMES:
                        self._taken.leave_rest(f"Only the first {_MOST_NAMES:,} files in {name} are read", left)
                        return
                    yield from self._member(archive, member)
        except BadInput as exc:
            self._taken.leave_out(str(exc))
        except DAMAGED:
            self._taken.leave_out(
                f"{name} is damaged or incomplete and cannot be opened. Make it or download it again."
            )

    def _member(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[Path]:
        """Yield the member as a file, unless its first bytes are not those of an image, or it is too large."""
        label = _label(member)
        target = self._scratch / label
        try:
            with archive.open(member) as stream:
                head = stream.read(min(_HEAD, member.file_size))
                _append(target, head)
                check_file(target, self._limits)
                if member.file_size > self._limits.max_bytes:
                    raise BadInput(f"{label} unpacks to more than the limit of {self._limits.max_bytes // 2**20} MB.")
                if member.file_size > self._bytes_left:
                    most = _MOST_UPLOADS * self._limits.max_bytes / 2**30
                    raise BadInput(f"{label} is left out: all photos together unpack to more than {most:.1f} GB.")
                self._bytes_left -= member.file_size
                # Never read more than the announced size, even if the stream contains more.
                rest = stream.read(member.file_size - len(head))
            _append(target, rest)
            del rest
        except BadInput as exc:
            self._taken.leave_out(with_file_name(target.name, str(exc)))
        except DAMAGED:
            self._taken.leave_out(
                f"{display_name(label)} could not be unpacked: it is damaged, or locked with a password."
            )
        else:
            yield target
        finally:
            target.unlink(missing_ok=True)


def _append(path: Path, content: bytes) -> None:
    """Append to a file. Raises StorageError, so that a full disk is not reported as an error of the zip."""
    try:
        with path.open("ab") as file:
            file.write(content)
    except OSError as exc:
        raise StorageError(f"A photo could not be unpacked here: {exc.strerror or exc}. Free some disk space.") from exc


def _is_image(path: Path, limits: Limits) -> bool:
    """Return whether the file begins like an image; an image with an appended zip counts as an image."""
    try:
        check_file(path, limits)
    except SRError:
        return False
    return True


def _place(member: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(member.filename.replace("\\", "/"))


def _label(member: zipfile.ZipInfo) -> str:
    """Return the last part of the member's name, shortened to 60 characters for any file system."""
    name = _place(member).name or "member"
    return name if len(name) <= 60 else name[:40] + name[-20:]


def _plain(label: str) -> str:
    """Return `label` as a file stem of letters, digits, dots, dashes and underscores."""
    return "".join(c if c.isalnum() or c in "-." else "_" for c in Path(label).stem)[:60] or "photo"
