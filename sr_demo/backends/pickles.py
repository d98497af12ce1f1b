"""A safety check of `.pth` files before they are read: refuses TorchScript programs and decompression bombs.

torch passes an archive with TorchScript to its own loader, regardless of the caller's unpickler, and unpacks compressed
members at the size that they declare.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from sr_demo.errors import WeightsUnavailable

CONVERT = "Convert it to .safetensors where you trust it: safetensors.torch.save_file(state_dict, FILE)."
"""Advice for every file that is refused because it could run as a program."""
_SPARE = 2**20
"""Bytes by which the members of an archive may exceed the file: torch stores them uncompressed."""


def check(path: Path) -> None:
    """Raise WeightsUnavailable if a `.pth` file is a TorchScript program, or unpacks to more than its size."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as exc:
        raise WeightsUnavailable(f"{path.name} is damaged or incomplete. Download or save it again.") from exc
    if any(member.filename.rpartition("/")[2] == "constants.pkl" for member in members):
        raise WeightsUnavailable(f"{path.name} is not loaded: it is TorchScript, which is a program. {CONVERT}")
    if sum(member.file_size for member in members) > path.stat().st_size + _SPARE:
        raise WeightsUnavailable(f"{path.name} is not loaded: it unpacks to more than its size, as no checkpoint does.")
