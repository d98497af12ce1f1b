"""Photos that a visitor drops, to be remembered or looked at: pictures and zips of pictures, read through the one door.

What is taken from a zip is limited: names looked at, bytes unpacked, seconds. A member is looked at by its first bytes,
and unpacked only when these are a picture's.
"""

from __future__ import annotations

import shutil
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from sr_demo.codecs.archives import DAMAGED, opened
from sr_demo.codecs.sniff import check_file, shown
from sr_demo.errors import BadInput, SRError, StorageError, first_few
from sr_demo.image import Limits, read, write_png
from sr_demo.progress import Progress

_MOST_PHOTOS = 200
_MOST_NAMES = 2000
"""Members of one zip that are looked at."""
_MOST_UPLOADS = 10
"""Bytes that all zips may unpack to, in largest uploads."""
_MOST_SECONDS = 60.0
_HEAD = 4096


@dataclass
class Taken:
    """What came of the dropped files: files found = `written` + `left_out`."""

    written: list[Path] = field(default_factory=list[Path])
    sentences: list[str] = field(default_factory=list[str])
    """Why files were left out: one each, and before those one for all that a limit left out together."""
    left_out: int = 0

    def leave_out(self, sentence: str) -> None:
        """Count a file that is not taken, with the reason."""
        self.sentences.append(sentence)
        self.left_out += 1

    def leave_rest(self, limit: str, count: int) -> None:
        """Count files that come after a limit: "only the first 200 photos are used"."""
        self.sentences.insert(0, f"{limit}: {count:,} more {'is' if count == 1 else 'are'} left out.")
        self.left_out += count


def take_in(
    files: Sequence[Path], folder: Path, limits: Limits, progress: Progress, purpose: str = "remembered"
) -> Taken:
    """Write each picture in `files` (zips opened) as an 8-bit PNG into `folder`, within limits.

    Names from a zip are only labels: nothing is extracted to a path that a zip asks for. Raises BadInput ("None of
    these files can be `purpose`") when no picture can be read.
    """
    taken = Taken()
    scratch = folder / "members"
    scratch.mkdir()
    finder = _Finder(files, scratch, limits, taken)
    for path in finder.pictures():
        progress(min(len(taken.written) / _MOST_PHOTOS, 1.0), f"reading {shown(path.name)}")
        try:
            picture = read(path, limits)
        except SRError as exc:
            taken.leave_out(_naming(path, exc))
            continue
        target = folder / f"{len(taken.written):03d}_{_plain(path.name)}.png"
        write_png(replace(picture, alpha=None, bits=8, icc=None), target)
        taken.written.append(target)
    shutil.rmtree(scratch)
    if not taken.written:
        raise BadInput(" ".join([f"None of these files can be {purpose}.", *first_few(taken.sentences)]))
    return taken


class _Finder:
    """Finds pictures in files and zips, one at a time, until a limit is reached; what it leaves out goes to `taken`."""

    def __init__(self, files: Sequence[Path], scratch: Path, limits: Limits, taken: Taken) -> None:
        self._files, self._scratch, self._limits, self._taken = files, scratch, limits, taken
        self._bytes_left = _MOST_UPLOADS * limits.max_bytes
        self._end = time.monotonic() + _MOST_SECONDS

    def pictures(self) -> Iterator[Path]:
        """Paths of files that may be pictures. Those from a zip are gone when the next one is asked for."""
        for number, path in enumerate(self._files):
            if reason := self._enough():
                self._taken.leave_rest(reason, len(self._files) - number)
                return
            if zipfile.is_zipfile(path) and not _is_picture(path, self._limits):
                yield from self._members(path)
            else:
                yield path

    def _enough(self) -> str:
        """Why no more is looked at, or ""."""
        if len(self._taken.written) == _MOST_PHOTOS:
            return f"Only the first {_MOST_PHOTOS} photos are used"
        if time.monotonic() > self._end:
            return f"Only what could be read in {_MOST_SECONDS:.0f} seconds is used"
        return ""

    def _members(self, path: Path) -> Iterator[Path]:
        name = shown(path.name)
        try:
            with opened(path) as archive:
                members = [member for member in archive.infolist() if not _is_hidden(member)]
                for number, member in enumerate(members):
                    left = len(members) - number
                    if reason := self._enough():
                        self._taken.leave_rest(reason, left)
                        return
                    if number == _MOST_NAMES:
                        self._taken.leave_rest(f"Only the first {_MOST_NAMES:,} files in {name} are looked at", left)
                        return
                    yield from self._member(archive, member)
        except BadInput as exc:
            self._taken.leave_out(str(exc))
        except DAMAGED:
            self._taken.leave_out(
                f"{name} is damaged or incomplete and cannot be opened. Make it or download it again."
            )

    def _member(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[Path]:
        """The member as a file, unless its first bytes or its size speak against it."""
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
                # No more than announced is ever read, whatever the stream holds.
                rest = stream.read(member.file_size - len(head))
            _append(target, rest)
            del rest
        except BadInput as exc:
            self._taken.leave_out(_naming(target, exc))
        except DAMAGED:
            self._taken.leave_out(f"{shown(label)} could not be unpacked: it is damaged, or locked with a password.")
        else:
            yield target
        finally:
            target.unlink(missing_ok=True)


def _append(path: Path, content: bytes) -> None:
    """Write behind what is there. Raises StorageError: a full disk is not the zip's fault."""
    try:
        with path.open("ab") as file:
            file.write(content)
    except OSError as exc:
        raise StorageError(
            f"A photo could not be unpacked here: {exc.strerror or exc}. Make room on the disk."
        ) from exc


def _is_picture(path: Path, limits: Limits) -> bool:
    """Whether the file begins as a picture: one with a zip behind it is a picture."""
    try:
        check_file(path, limits)
    except SRError:
        return False
    return True


def _is_hidden(member: zipfile.ZipInfo) -> bool:
    """Folders, and what systems put beside photos: `.DS_Store`, `__MACOSX/._photo.jpg`."""
    return member.is_dir() or _label(member).startswith(".")


def _label(member: zipfile.ZipInfo) -> str:
    """The last part of its name, short enough for any file system."""
    name = PurePosixPath(member.filename.replace("\\", "/")).name or "member"
    return name if len(name) <= 60 else name[:40] + name[-20:]


def _naming(path: Path, exc: SRError) -> str:
    """The sentence, with the name of the file in front where it does not say it."""
    name, sentence = shown(path.name), str(exc)
    return sentence if name in sentence else f"{name}: {sentence}"


def _plain(label: str) -> str:
    """A file name of letters, digits, dots and dashes."""
    return "".join(c if c.isalnum() or c in "-." else "_" for c in Path(label).stem)[:60] or "photo"
