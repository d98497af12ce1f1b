"""What a `.pth` file is, found out before anything in it is read: an archive of tensors, a program, or a bomb.

torch hands an archive with TorchScript inside to its own loader, whatever the caller's unpickler allows, and unpacks
compressed members at their announced size.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from sr_demo.errors import WeightsUnavailable

CONVERT = "Convert it to .safetensors where you trust it: safetensors.torch.save_file(state_dict, FILE)."
"""The way out for every file that is refused because it could run as a program."""
_SPARE = 2**20
"""Bytes by which the members of an archive may exceed the file: torch stores them uncompressed."""


def check(path: Path) -> None:
    """Raise WeightsUnavailable where a `.pth` file is a TorchScript program, or unpacks to more than its size."""
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
