"""Download of the images of a data set on the Hub. Each image is fetched once; a stopped download can be continued."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath

import httpx2
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, RepositoryNotFoundError

from sr_demo.errors import BadInput, WeightsUnavailable, quoted
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
        BadInput: The name is invalid, or the data set contains no image files.
        WeightsUnavailable: The data set cannot be fetched.
        Cancelled: Stop was pressed; raised before the next file.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise BadInput(f"A data set on the Hub is named OWNER/NAME, not {quoted(name)}.")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise WeightsUnavailable(
            f"The data set {name} is on the Hub, and this app is set to stay offline (HF_HUB_OFFLINE). "
            "Name a folder of photos instead."
        )
    endpoint = os.environ.get("HF_ENDPOINT") or None
    target = storage.ready(storage.cache_folder() / "data-sets" / name.replace("/", "--"))
    found: list[Path] = []
    try:
        listed = HfApi(endpoint=endpoint).list_repo_files(name, repo_type="dataset")
        wanted = sorted(file for file in listed if PurePosixPath(file).suffix.lower() in suffixes)
        for number, file in enumerate(wanted):
            progress(number / len(wanted), f"downloading image {number + 1} of {len(wanted)}")
            with storage.guarded(target):
                got = hf_hub_download(name, file, repo_type="dataset", endpoint=endpoint, local_dir=target)
            found.append(Path(got))
    except RepositoryNotFoundError as problem:
        raise WeightsUnavailable(
            f"The data set {name} is not on the Hub, or private. Check its name, or set HF_TOKEN."
        ) from problem
    except (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, httpx2.HTTPError) as problem:
        raise WeightsUnavailable(
            f"The data set {name} could not be fetched from the Hub ({type(problem).__name__}). Try again: files that are "
            "here already are not downloaded twice."
        ) from problem
    if not found:
        kinds = ", ".join(sorted({PurePosixPath(file).suffix or file for file in listed})[:6])
        raise BadInput(
            f"The data set {name} holds no pictures as files (it holds {kinds}). Unpack it, and name the folder."
        )
    return tuple(found)
