"""The folder of models that the operator of a server provides for every visitor: `SR_DEMO_MODELS`."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from sr_demo.errors import BadInput, SRError
from sr_demo.spec import Approach
from sr_demo.user_models.model_file import MAX_BYTES, SUFFIXES
from sr_demo.user_models.opening import open_model_in_subprocess, with_unique_names

log = logging.getLogger("sr_demo")

VARIABLE = "SR_DEMO_MODELS"


def from_environment(environ: Mapping[str, str] | None = None) -> Path | None:
    """Return the folder that the environment names; None if it names none. Raises BadInput if it is not a folder."""
    name = (os.environ if environ is None else environ).get(VARIABLE, "").strip()
    if not name:
        return None
    folder = Path(name).expanduser()
    if not os.path.isdir(folder):  # unlike Path.is_dir, never raises
        raise BadInput(f"The environment variable {VARIABLE} must name a folder of model files, and {folder} is none.")
    return folder


def approaches(folder: Path | None, max_bytes: int = MAX_BYTES) -> list[Approach]:
    """Return an approach for each model file in `folder`, sorted by name; unusable files are logged and skipped.

    A new file is tried out in a separate process, which takes seconds; the findings are cached. Networks are loaded when they
    are used.

    Args:
        folder: Folder of the files; None for no folder.
        max_bytes: Largest file that is accepted.

    Raises:
        BadInput: The folder cannot be read.
    """
    if folder is None:
        return []
    try:
        paths = sorted(folder.iterdir())
    except OSError as exc:
        raise BadInput(f"The folder {folder} of {VARIABLE} cannot be read: {exc.strerror}.") from exc
    opened: list[Approach] = []
    for path in paths:
        if path.suffix.lower() not in SUFFIXES or os.path.isdir(path):
            continue
        try:
            opened.append(open_model_in_subprocess(path, max_bytes=max_bytes, keep=True))
        except SRError as exc:
            log.warning("a file of %s is left out: %s", VARIABLE, exc)
    return with_unique_names(opened)
