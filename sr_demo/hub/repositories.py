"""Files of a repository on the Hub -> one folder here, as pipelines want them. A stopped transfer goes on at the next file.

The Hub tells path, size and (for weights) sha256 of each file; what arrives must agree. A folder counts as here once it
holds the mark that is written last.
"""

from __future__ import annotations

import os
from fnmatch import fnmatch
from pathlib import Path

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.hf_api import RepoFile

from sr_demo.errors import WeightsUnavailable
from sr_demo.hub.download import SourceFailed, reason, refuse_offline, transfer
from sr_demo.progress import Progress
from sr_demo.spec import Repository, WeightFile
from sr_demo.system.storage import alone, cache_folder, guarded, ready, sha256_of, unfinished_folder

_MARK = ".complete"
_AGREED = 1.1
"""How much more than it said it would be a download may be."""


def folder(repository: Repository) -> Path:
    """Where its files lie, or would."""
    name = repository.name.replace("/", "--") + (f"--{repository.revision[:12]}" if repository.revision else "")
    return cache_folder() / "repositories" / name


def is_here(repository: Repository) -> bool:
    """Whether all of it was fetched earlier."""
    return (folder(repository) / _MARK).is_file()


def fetch(repository: Repository, progress: Progress) -> Path:
    """The folder of `repository`, complete. Raises WeightsUnavailable, StorageError, or Cancelled."""
    target = folder(repository)
    if is_here(repository):
        return target
    ready(target)
    with guarded(target), alone(target, lambda: progress(0.0, "waiting for another download of the same files")):
        try:
            if not is_here(repository):  # else another process was faster
                _fetch(repository, target, progress)
        except SourceFailed as failed:
            raise WeightsUnavailable(
                f"{repository.name} could not be fetched from the Hub ({failed.code}"
                f"{': ' + failed.detail if failed.detail else ''}). Try again with a network; files that are here "
                f"already are not fetched twice. They lie in {target}."
            ) from failed
    return target


def _fetch(repository: Repository, target: Path, progress: Progress) -> None:
    files = _listed(repository)
    total = sum(file.size for file in files)
    if total > repository.bytes * _AGREED:
        raise SourceFailed(
            "wrong", f"it has {total / 1e9:.1f} GB now, and a download of {repository.bytes / 1e9:.1f} GB was agreed to"
        )
    missing = [file for file in files if not _has(target / file.path, file.size)]
    ready(target, need=sum(file.size for file in missing))
    done = total - sum(file.size for file in missing)
    for file in missing:
        part = progress.part(done / max(total, 1), (done + file.size) / max(total, 1))
        _one(repository, file, target, part)
        done += file.size
    (target / _MARK).write_text("\n".join(file.path for file in files), encoding="utf-8")


def _listed(repository: Repository) -> list[RepoFile]:
    """Its files that are wanted. Raises SourceFailed."""
    refuse_offline()
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
    try:
        tree = api.list_repo_tree(repository.name, recursive=True, revision=repository.revision or None)
        found = [entry for entry in tree if isinstance(entry, RepoFile)]
    except (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, httpx2.HTTPError) as problem:
        raise (reason(problem) or SourceFailed("server", type(problem).__name__)) from problem
    wanted = [file for file in found if any(fnmatch(file.path, pattern) for pattern in repository.patterns)]
    for pattern in repository.patterns:
        if not any(fnmatch(file.path, pattern) for file in wanted):
            raise SourceFailed("file", f"no {pattern}")
    return wanted


def _one(repository: Repository, file: RepoFile, target: Path, progress: Progress) -> None:
    place = target / file.path
    if not place.resolve().is_relative_to(target.resolve()):
        raise SourceFailed("wrong", f"a path that leaves its folder: {file.path!r}")
    expected = WeightFile(place.name, file.lfs.sha256 if file.lfs else "", file.size)
    at = f"@{repository.revision}" if repository.revision else ""
    with unfinished_folder(target) as part:
        transfer(f"{repository.name}{at}:{file.path}", part / place.name, expected, progress)
        arrived = part / place.name
        if not _has(arrived, file.size) or (expected.sha256 and sha256_of(arrived) != expected.sha256):
            raise SourceFailed("wrong", f"{file.path} is not what the Hub says it is")
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(arrived, place)


def _has(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
