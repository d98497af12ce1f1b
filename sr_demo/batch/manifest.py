"""The manifest of a batch: one JSON line per image, appended as soon as the image is finished.

A result is written under a temporary name, then its line is appended, then the file gets its name. A process that is
killed in between leaves a complete file and a line with its checksum: no image is processed twice, and a half-written file
never counts as a result.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sr_demo.errors import BadInput, StorageError
from sr_demo.system.storage import sha256_of

NAME = "manifest.jsonl"
_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.part")
"""Temporary file names of results and of `storage.write_atomically`; they do not match the user's files."""
Record = dict[str, Any]
Key = tuple[str, int | None]
"""Path of an image below the input folder, and its page in a stack."""


def key_of(record: Record) -> Key:
    """Return the key of the image that a line describes."""
    return record["source"], record["page"]


def temporary_path(target: Path) -> Path:
    """Return the temporary name of `target`, which it has until its line has been written."""
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()  # short even for long names
    return target.with_name(f".{digest[:32]}.part")


class Manifest:
    """The manifest in `folder` and the results it lists. Only one process may write to it: see `manifest_lock`."""

    def __init__(self, folder: Path) -> None:
        """Read the manifest of earlier runs; a last line cut off by a full disk or a power failure is removed."""
        self.folder = folder
        self._path = folder / NAME
        self.records: dict[Key, Record] = {}
        """The last line about each image."""
        with _writable(folder):
            if self._path.exists():
                _drop_torn_line(self._path)
                # Names may contain characters at which `splitlines` splits; earlier versions wrote bytes that are not UTF-8.
                lines = self._path.read_bytes().decode("utf-8", "surrogateescape").split("\n")
                for number, line in enumerate(lines[:-1], 1):
                    self._take(line, number)

    def _take(self, line: str, number: int) -> None:
        try:
            record = json.loads(line)
            self.records[key_of(record)] = record
        except (ValueError, TypeError, KeyError) as exc:
            raise BadInput(
                f"Line {number} of {self._path} was not written by this program. Choose another --out."
            ) from exc

    def append(self, record: Record) -> None:
        """Append one line, completely or not at all. Raises StorageError."""
        try:
            line = (json.dumps(record, ensure_ascii=False) + "\n").encode()
        except UnicodeEncodeError:  # a file name that is not Unicode is escaped, so that the line is valid UTF-8
            line = (json.dumps(record) + "\n").encode()
        with _writable(self.folder):
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            before = os.fstat(file).st_size
            try:
                if os.write(file, line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                os.ftruncate(file, before)
                raise
            finally:
                os.close(file)
        self.records[key_of(record)] = record

    def publish(self, record: Record) -> None:
        """Append the line of a result that is complete under its temporary name, then rename the file."""
        self.append(record)
        target = self.folder / record["result"]
        with _writable(self.folder):
            os.replace(temporary_path(target), target)

    def has_result(self, record: Record) -> bool:
        """Return whether the result of a line exists with the right checksum; rename it if it has its temporary name."""
        target = self.folder / record["result"]
        if _has(target, record["result_sha256"]):
            return True
        if not _has(temporary_path(target), record["result_sha256"]):
            return False
        with _writable(self.folder):
            os.replace(temporary_path(target), target)
        return True

    def sweep(self) -> None:
        """Remove the unfinished files of killed runs. Call it after `has_result` has checked every line."""
        for left in self.folder.rglob(".*.part"):
            if _UNFINISHED.fullmatch(left.name):
                with suppress(OSError):
                    left.unlink()


@contextmanager
def manifest_lock(folder: Path) -> Generator[None]:
    """Lock `folder` for one batch; the lock of a killed process is released. Raises BadInput and StorageError."""
    with _writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as exc:
            raise BadInput(f"Another batch is writing to {folder}. Wait for it, or choose another --out.") from exc
    try:
        yield
    finally:
        lock.release()


def _has(path: Path, sha256: str) -> bool:
    try:
        return sha256_of(path) == sha256
    except OSError:
        return False


def _drop_torn_line(path: Path) -> None:
    """Truncate `path` after its last line break."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


@contextmanager
def _writable(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as exc:
        raise StorageError(
            f"Results cannot be written to {folder}: {exc.strerror or exc}. "
            "Free some space there and continue with --resume, or choose another --out."
        ) from exc
