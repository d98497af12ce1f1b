"""Checks of a model file before a library reads it: suffix, size, and the format by its first bytes."""

from __future__ import annotations

from pathlib import Path

from sr_demo.backends import pickles
from sr_demo.codecs.sniff import display_name
from sr_demo.errors import BadInput, OutOfMemory
from sr_demo.system import memory

SUFFIXES = (".safetensors", ".pth", ".onnx")
MAX_BYTES = 2**30
"""Default limit for the size of a model file; the page's limit is a setting."""
_COPIES = 3
"""Memory for opening a file, as a multiple of its size: the file, the network in fp32, and room to run it."""
_PROGRAMS = {".pt", ".ckpt", ".pkl", ".pickle", ".bin", ".pt2", ".jit", ".ptl"}
_LONGEST_HEADER = 100_000_000
"""Largest header that safetensors accepts, in bytes."""
_TEXT = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\n\r")


def check(path: Path, max_bytes: int = MAX_BYTES) -> None:
    """Raise BadInput or OutOfMemory, with the reason and a remedy, if `path` is not a model file that can be opened."""
    try:
        _check(path, max_bytes)
    except OSError as exc:
        raise BadInput(f"{display_name(path.name)} cannot be read: {exc.strerror}.") from exc


def _check(path: Path, max_bytes: int) -> None:
    """Like `check`. Raises OSError if the file cannot be read."""
    name, suffix = display_name(path.name), path.suffix.lower()
    if not path.is_file():
        raise BadInput(f"There is no model file {name} at that place.")
    if suffix in _PROGRAMS:
        raise BadInput(f"{name} is not opened: a {suffix} file can hold a program. {pickles.CONVERT}")
    if suffix not in SUFFIXES:
        raise BadInput(f"{name} is no model file: its name must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}.")
    size = path.stat().st_size
    if size == 0:
        raise BadInput(f"{name} is empty. Download or save it again.")
    if size > max_bytes:
        raise BadInput(f"{name} has {size / 1e6:,.0f} MB, and at most {max_bytes / 1e6:,.0f} MB are accepted here.")
    if _COPIES * size > memory.available_bytes():
        raise OutOfMemory(f"{name} has {size / 1e6:,.0f} MB, too much for the memory that is free here.")
    with path.open("rb") as file:
        head = file.read(4096)
    if all(byte in _TEXT for byte in head):
        raise BadInput(f"{name} is text, not a model: perhaps a page or a pointer was downloaded instead of the file.")
    if suffix == ".safetensors" and _header_bytes(head) > min(_LONGEST_HEADER, size - 8):
        raise BadInput(f"{name} is damaged or no safetensors file: its header would be longer than the file may be.")


def _header_bytes(head: bytes) -> int:
    return int.from_bytes(head[:8], "little") if len(head) >= 8 else 2**63


def public_name(stem: str) -> str:
    """Return the stem of a file as the name of a checkpoint: letters, digits, dots, dashes, and `_` for others."""
    return "".join(c if c.isalnum() or c in "-._" else "_" for c in stem)[:60] or "model"
