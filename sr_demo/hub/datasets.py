"""Download of the images of a data set on the Hub. Each image is fetched once; a stopped download can be continued."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path, PurePosixPath

from sr_demo.errors import BadInput, WeightsUnavailable, quoted
from sr_demo.hub.download import SourceFailed, is_offline
from sr_demo.hub.reasons import REASONS
from sr_demo.hub.repositories import fetch_file, has, listed
from sr_demo.progress import Progress
from sr_demo.system import storage

_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def fetch(name: str, suffixes: Collection[str], progress: Progress) -> tuple[Path, ...]:
    """Download the image files of a data set.

    Args:
        name: OWNER/NAME on the Hub.
        suffixes: Suffixes of image files, in lower case with the dot.
        progress: Receives the progress.

    Returns:
        The local paths, sorted by their paths in the data set.

    Raises:
        BadInput: when the name is none, or the data set holds no image files.
        WeightsUnavailable: when it cannot be fetched.
        Cancelled: within a second after Stop.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise BadInput(f"A data set on the Hub is named OWNER/NAME, not {quoted(name)}.")
    if is_offline():
        raise WeightsUnavailable(
            f"The data set {name} is on the Hub, and this app is set to stay offline (HF_HUB_OFFLINE). "
            "Name a folder of photos instead."
        )
    target = storage.ensure_folder(storage.cache_folder() / "data-sets" / name.replace("/", "--"))
    try:
        files = listed(f"datasets/{name}")
        wanted = sorted(
            (file for file in files if PurePosixPath(file.path).suffix.lower() in suffixes), key=lambda file: file.path
        )
        for number, file in enumerate(wanted):
            note = f"downloading image {number + 1} of {len(wanted)}"
            part = progress.part(number / len(wanted), (number + 1) / len(wanted))
            part(0.0, note)
            if not has(target / file.path, file.size):
                with storage.disk_errors_translated(target):
                    fetch_file(f"datasets/{name}", file, target, _noted(part, note))
    except SourceFailed as problem:
        if problem.code in ("repository", "gated"):
            raise WeightsUnavailable(
                f"The data set {name} is not on the Hub, or private. Check its name, or set HF_TOKEN."
            ) from problem
        raise WeightsUnavailable(
            f"The data set {name} could not be fetched from the Hub ({REASONS[problem.code][0]}). Try again: files that are "
            "here already are not downloaded twice."
        ) from problem
    if not wanted:
        kinds = ", ".join(sorted({PurePosixPath(file.path).suffix or file.path for file in files})[:6])
        raise BadInput(
            f"The data set {name} holds no pictures as files (it holds {kinds}). Unpack it, and name the folder."
        )
    return tuple(target / file.path for file in wanted)


def _noted(progress: Progress, note: str) -> Progress:
    """Return a progress that reports the same with `note` for a note."""

    def report(fraction: float, _: str) -> None:
        progress.report(fraction, note)

    return replace(progress, report=report)
