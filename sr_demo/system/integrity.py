"""Checksums of cached files, checked once per process; damaged files are built again instead of used.

Binary files have a file `<name>.sha256` beside them, in the format of `sha256sum`; JSON files contain the checksum of their
other entries under "sha256". Files without a checksum count as damaged, unless they cannot be built again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

from sr_demo.system.storage import sha256_of, write_atomically

log = logging.getLogger("sr_demo")

SUFFIX = ".sha256"
_KEY = "sha256"


@lru_cache(maxsize=1024)
def _digest(path: Path, size: int, modified: int, inode: int) -> str:
    return sha256_of(path)


def digest(path: Path) -> str:
    """Return the sha256 of a file, computed once per process unless the file changes. Raises OSError."""
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns, status.st_ino)


def write_checksums(*paths: Path) -> None:
    """Write the checksums of complete files beside them. Raises OSError."""
    for path in paths:
        write_atomically(_beside(path), f"{sha256_of(path)}  {path.name}\n".encode())


def is_intact(*paths: Path) -> bool:
    """Return whether all files exist with matching checksums; log the first damaged file, but not a missing one."""
    for path in paths:
        if not path.is_file():
            return False
        try:
            expected = _beside(path).read_text(encoding="ascii").split()[0]
        except (OSError, ValueError, IndexError):
            report(path, "has no checksum")
            return False
        if not matches(path, expected):
            return False
    return True


def matches(path: Path, expected: str) -> bool:
    """Return whether a file has this sha256; log a mismatch."""
    try:
        found = digest(path)
    except OSError as exc:
        report(path, f"cannot be read ({exc.strerror or exc})")
        return False
    if found != expected:
        report(path, f"is damaged (sha256 expected {expected[:12]}, found {found[:12]})")
    return found == expected


@lru_cache(maxsize=1024)
def report(path: Path, what: str) -> None:
    """Log one line about a cached file, once per process."""
    log.warning("%s %s and is not used", path, what)


def json_with_checksum(values: dict[str, Any], indent: int | None = None) -> bytes:
    """Return `values` as JSON with their checksum."""
    return json.dumps({**values, _KEY: _checksum(values)}, indent=indent).encode()


def read_json_with_checksum(path: Path, *, unsealed: bool = False) -> dict[str, Any]:
    """Read JSON from `json_with_checksum`, without the checksum.

    Args:
        path: The file.
        unsealed: Accept a file without a checksum, as earlier versions wrote it.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is damaged, which is logged.
    """
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
        expected = values.pop(_KEY, None)
        if expected is None and unsealed:
            return values
        if expected != _checksum(values):
            raise ValueError("the checksum is missing or wrong")
    except (ValueError, AttributeError, TypeError, RecursionError) as exc:
        report(path, f"is damaged ({exc})")
        raise ValueError(f"{path} is damaged") from exc
    return values


def _checksum(values: dict[str, Any]) -> str:
    # Converted as by a round trip: keys become strings, tuples become lists.
    plain = json.loads(json.dumps(values))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _beside(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)
