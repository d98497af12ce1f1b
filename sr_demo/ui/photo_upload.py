"""Reads the photos that a visitor drops: images, and zips of images.

A zip is read within limits of names, bytes and seconds. A member is unpacked only if its first bytes are those of an image.
"""

from __future__ import annotations

import shutil
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from sr_demo.codecs.archives import DAMAGED, opened
from sr_demo.codecs.sniff import about, check_file, shown
from sr_demo.errors import BadInput, SRError, StorageError, first_few
from sr_demo.image import Limits, Metadata, read, write_png
from sr_demo.progress import Progress
from sr_demo.system.folders import is_hidden

_MOST_PHOTOS = 200
_MOST_NAMES = 2000
"""Members of one zip that are read."""
_MOST_UPLOADS = 10
"""Limit on the bytes that all zips unpack to, in multiples of the largest upload."""
_MOST_SECONDS = 60.0
_HEAD = 4096

NONE_REMEMBERED = "None of these files can be remembered."


@dataclass
class Taken:
    """The result of reading dropped files: files found = `written` + `left_out` + `hidden`."""

    written: list[Path] = field(default_factory=list[Path])
    sentences: list[str] = field(default_factory=list[str])
    """Why files were left out: one sentence each, preceded by one for all that a limit left out together."""
    left_out: int = 0
    hidden: int = 0
    """Hidden files in zips, which systems add (`.DS_Store`, `__MACOSX/._photo.jpg`): neither written nor left out."""

    def leave_out(self, sentence: str) -> None:
        """Count a file that is left out, with the reason."""
        self.sentences.append(sentence)
        self.left_out += 1

    def leave_rest(self, limit: str, count: int) -> None:
        """Count files that come after a limit: "only the first 200 photos are used"."""
        self.sentences.insert(0, f"{limit}: {count:,} more {'is' if count == 1 else 'are'} left out.")
        self.left_out += count


def take_in(
    files: Sequence[Path], folder: Path, limits: Limits, progress: Progress, none: str = NONE_REMEMBERED
) -> Taken:
    """Write each image in `files` and in zips among them as an 8-bit PNG, within limits.

    Names from a zip are only labels: nothing is extracted to a path that a zip states.

    Args:
        files: The dropped files.
        folder: Where to write; must be empty.
        limits: Bytes and pixels of one image.
        progress: Reports each file.
        none: The first line of the error where no image can be read.

    Raises:
        BadInput: When no image can be read.
    """
    taken = Taken()
    scratch = folder / "members"
    scratch.mkdir()
    finder = _Finder(files, scratch, limits, taken)
    for path in finder.images():
        progress(min(len(taken.written) / _MOST_PHOTOS, 1.0), f"reading {shown(path.name)}")
        try:
            image = read(path, limits)
        except SRError as exc:
            taken.leave_out(about(path.name, str(exc)))
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
    """Finds images in files and zips, one at a time, until a limit is reached; records in `taken` what it leaves out."""

    def __init__(self, files: Sequence[Path], scratch: Path, limits: Limits, taken: Taken) -> None:
        self._files, self._scratch, self._limits, self._taken = files, scratch, limits, taken
        self._bytes_left = _MOST_UPLOADS * limits.max_bytes
        self._end = time.monotonic() + _MOST_SECONDS

    def images(self) -> Iterator[Path]:
        """Yield files that may be images. A file from a zip is deleted when the next one is requested."""
        for number, path in enumerate(self._files):
            if reason := self._enough():
                self._taken.leave_rest(reason, len(self._files) - number)
                return
            if zipfile.is_zipfile(path) and not _is_image(path, self._limits):
                yield from self._members(path)
            else:
                yield path

    def _enough(self) -> str:
        """Return the limit that was reached, or ""."""
        if len(self._taken.written) == _MOST_PHOTOS:
            return f"Only the first {_MOST_PHOTOS} photos are used"
        if time.monotonic() > self._end:
            return f"Only what could be read in {_MOST_SECONDS:.0f} seconds is used"
        return ""

    def _members(self, path: Path) -> Iterator[Path]:
        name = shown(path.name)
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
        """Yield the member as a file, unless its first bytes or its size rule it out."""
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
                # Never more than the announced size is read, whatever the stream contains.
                rest = stream.read(member.file_size - len(head))
            _append(target, rest)
            del rest
        except BadInput as exc:
            self._taken.leave_out(about(target.name, str(exc)))
        except DAMAGED:
            self._taken.leave_out(f"{shown(label)} could not be unpacked: it is damaged, or locked with a password.")
        else:
            yield target
        finally:
            target.unlink(missing_ok=True)


def _append(path: Path, content: bytes) -> None:
    """Append to a file. Raises StorageError, so that a full disk is not blamed on the zip."""
    try:
        with path.open("ab") as file:
            file.write(content)
    except OSError as exc:
        raise StorageError(f"A photo could not be unpacked here: {exc.strerror or exc}. Free some disk space.") from exc


def _is_image(path: Path, limits: Limits) -> bool:
    """Return whether the file begins as an image; an image with a zip appended is an image."""
    try:
        check_file(path, limits)
    except SRError:
        return False
    return True


def _place(member: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(member.filename.replace("\\", "/"))


def _label(member: zipfile.ZipInfo) -> str:
    """Return the last part of its name, short enough for any file system."""
    name = _place(member).name or "member"
    return name if len(name) <= 60 else name[:40] + name[-20:]


def _plain(label: str) -> str:
    """Return a file name of letters, digits, dots and dashes."""
    return "".join(c if c.isalnum() or c in "-." else "_" for c in Path(label).stem)[:60] or "photo"
