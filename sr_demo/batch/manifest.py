"""The manifest of a batch: one JSON line per picture, written as the work goes.

A result is written under the name `.<name>.part`, then its line is appended, then the file gets its name. Whoever is
killed in between leaves a complete file behind, and the line says which bytes it must have: nothing is done twice and
nothing half-written is ever taken for a result.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sr_demo.errors import BadInput, StorageError
from sr_demo.system.storage import sha256_of

NAME = "manifest.jsonl"
Record = dict[str, Any]
Key = tuple[str, int | None]
"""Path of a picture below the input folder, and its page in a stack."""


def key_of(record: Record) -> Key:
    """Which picture a line is about."""
    return record["source"], record["page"]


def part_of(target: Path) -> Path:
    """Where the complete bytes of `target` lie until they get their name."""
    return target.with_name(f".{target.name}.part")


class Manifest:
    """The lines in `folder`, and what they promise. Only one process may hold it: see `held`."""

    def __init__(self, folder: Path) -> None:
        """Reads what is there. A last line that was cut off by a full disk or a power failure is removed."""
        self.folder = folder
        self._path = folder / NAME
        self.records: dict[Key, Record] = {}
        """The last line about each picture."""
        with _writable(folder):
            if self._path.exists():
                _drop_torn_line(self._path)
                for number, line in enumerate(self._path.read_text(encoding="utf-8").splitlines(), 1):
                    self._take(line, number)

    def _take(self, line: str, number: int) -> None:
        try:
            record = json.loads(line)
            self.records[key_of(record)] = record
        except (ValueError, TypeError, KeyError) as exc:
            raise BadInput(
                f"Line {number} of {self._path} is not one that this program wrote. Choose another --out."
            ) from exc

    def append(self, record: Record) -> None:
        """Add one line, whole or not at all. Raises StorageError."""
        line = (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape")
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
        """Append the line of a result whose bytes lie complete in its `.part`, then give the file its name."""
        self.append(record)
        target = self.folder / record["result"]
        with _writable(self.folder):
            os.replace(part_of(target), target)

    def keeps(self, record: Record) -> bool:
        """Whether the result of a line is there with the bytes it names. One that only lacks its name gets it."""
        target = self.folder / record["result"]
        if _has(target, record["result_sha256"]):
            return True
        if not _has(part_of(target), record["result_sha256"]):
            return False
        with _writable(self.folder):
            os.replace(part_of(target), target)
        return True

    def sweep(self) -> None:
        """Remove what killed runs left unfinished. Call after `keeps` was asked about every line."""
        for left in self.folder.rglob(".*.part"):
            with suppress(OSError):
                left.unlink()


@contextmanager
def held(folder: Path) -> Generator[None]:
    """Be the only batch that writes to `folder`; a killed process no longer counts. Raises BadInput, StorageError."""
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
    """Cut `path` after its last line break."""
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
            f"Results cannot be kept in {folder}: {exc.strerror or exc}. "
            "Make room there and go on with --resume, or choose another --out."
        ) from exc
