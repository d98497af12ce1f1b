"""Download of selected files of a repository on the Hub into one folder, as diffusers and transformers load them.

The Hub lists path, size and (for weights) sha256 of each file; downloaded files are compared with them. A folder is complete
once it contains the mark, which is written last. A stopped download continues with the next file.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.hf_api import RepoFile

from sr_demo.checkpoint import Repository, WeightFile
from sr_demo.errors import WeightsUnavailable, quoted
from sr_demo.hub.download import SourceFailed, kind_of, reason, refuse_offline, transfer
from sr_demo.progress import Progress
from sr_demo.system import integrity
from sr_demo.system.storage import (
    cache_folder,
    disk_errors_translated,
    ensure_folder,
    folder_lock,
    sha256_of,
    unfinished_folder,
)

log = logging.getLogger("sr_demo")

_MARK = ".complete"
_TOLERANCE = 1.1
"""Largest ratio of the size of a repository on the Hub to the size that the user agreed to."""


def folder(repository: Repository) -> Path:
    """Return the folder of a repository's files, which may not exist yet."""
    name = repository.name.replace("/", "--") + (f"--{repository.revision[:12]}" if repository.revision else "")
    return cache_folder() / "repositories" / name


def is_available(repository: Repository) -> bool:
    """Return whether all files of a repository were downloaded earlier."""
    return (folder(repository) / _MARK).is_file()


def fetch(repository: Repository, progress: Progress) -> Path:
    """Return the complete folder of a repository; download missing files first.

    Raises:
        WeightsUnavailable: The Hub does not give the files, or they are larger than agreed.
        StorageError: The cache folder cannot be written.
        Cancelled: Stop was pressed; raised within a second.
    """
    target = folder(repository)
    if is_available(repository) and _is_intact(target, progress):
        return target
    ensure_folder(target)
    with (
        disk_errors_translated(target),
        folder_lock(target, lambda: progress(0.0, "waiting for another download of the same files")),
    ):
        if is_available(repository):  # another process was faster
            return target
        failures: list[SourceFailed] = []
        for name in (repository.name, *repository.mirrors):
            try:
                _fetch(replace(repository, name=name), target, progress)
            except SourceFailed as exc:
                failures.append(exc)
                continue
            log.info("%s came from %s", repository.name, name)
            return target
        first = failures[0]
        raise WeightsUnavailable(
            f"{' and '.join((repository.name, *repository.mirrors))} could not be fetched from the Hub ({first.code}"
            f"{': ' + first.detail if first.detail else ''}). Try again with a network; files that are here already are "
            f"not downloaded twice. They lie in {target}."
        ) from first


def _fetch(repository: Repository, target: Path, progress: Progress) -> None:
    files = _listed(repository)
    total = sum(file.size for file in files)
    if total > repository.bytes * _TOLERANCE:
        raise SourceFailed(
            "wrong", f"it has {total / 1e9:.1f} GB now, and a download of {repository.bytes / 1e9:.1f} GB was agreed to"
        )
    missing = [file for file in files if not _has_intact(target / file.path, file, progress)]
    ensure_folder(target, need=sum(file.size for file in missing))
    done = total - sum(file.size for file in missing)
    at = f"@{repository.revision}" if repository.revision else ""
    for file in missing:
        part = progress.part(done / max(total, 1), (done + file.size) / max(total, 1))
        fetch_file(repository.name + at, file, target, part)
        done += file.size
    listed: list[str] = []
    for file in files:
        progress(1.0, f"checking {file.path}")
        listed.append(f"{integrity.digest(target / file.path)}  {file.path}")
    (target / _MARK).write_text("\n".join(listed), encoding="utf-8")


def _has_intact(path: Path, file: RepoFile, progress: Progress) -> bool:
    """Return whether a file is at `path` with its size and, where the Hub lists one, its sha256."""
    if not has(path, file.size) or file.lfs is None:
        return has(path, file.size)
    progress(0.0, f"checking {file.path}")
    return integrity.matches(path, file.lfs.sha256)


def _is_intact(target: Path, progress: Progress) -> bool:
    """Return whether the files are intact, checked once per process; damaged ones are removed, to be fetched again.

    Marks of earlier versions have no checksums; their files are not checked.
    """
    damaged: list[Path] = []
    for line in (target / _MARK).read_text(encoding="utf-8").splitlines():
        expected, space, path = line.partition("  ")
        if space and len(expected) == 64:
            progress(0.0, f"checking {path}")
            if not integrity.matches(target / path, expected):
                damaged.append(target / path)
    if damaged:
        with disk_errors_translated(target):
            (target / _MARK).unlink(missing_ok=True)
            for path in damaged:
                path.unlink(missing_ok=True)
    return not damaged


def _listed(repository: Repository) -> list[RepoFile]:
    """The files that match its patterns. Raises SourceFailed."""
    found = listed(repository.name, repository.revision)
    wanted = [file for file in found if any(fnmatch(file.path, pattern) for pattern in repository.patterns)]
    for pattern in repository.patterns:
        if not any(fnmatch(file.path, pattern) for file in wanted):
            raise SourceFailed("file", f"no {pattern}")
    return wanted


def listed(name: str, revision: str = "") -> list[RepoFile]:
    """Return the files of a repository, or of a data set, whose name begins with "datasets/". Raises SourceFailed."""
    refuse_offline()
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
    kind, name = kind_of(name)
    try:
        tree = api.list_repo_tree(name, recursive=True, revision=revision or None, repo_type=kind)
        return [entry for entry in tree if isinstance(entry, RepoFile)]
    except (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, httpx2.HTTPError) as problem:
        raise (reason(problem) or SourceFailed("server", type(problem).__name__)) from problem


def fetch_file(source: str, file: RepoFile, target: Path, progress: Progress) -> None:
    """Download one file into `target`. Raises SourceFailed, and what `transfer` raises.

    Args:
        source: "owner/repository[@commit]", or "datasets/owner/name".
        file: As the Hub lists it.
        target: The folder of the repository's files.
        progress: Where to report.
    """
    place = target / file.path
    if not place.resolve().is_relative_to(target.resolve()):
        raise SourceFailed("wrong", f"a path that leaves its folder: {quoted(file.path)}")
    expected = WeightFile(place.name, file.lfs.sha256 if file.lfs else "", file.size)
    with unfinished_folder(target) as part:
        transfer(f"{source}:{file.path}", part / place.name, expected, progress)
        arrived = part / place.name
        if not has(arrived, file.size) or (expected.sha256 and sha256_of(arrived) != expected.sha256):
            raise SourceFailed("wrong", f"{file.path} is not what the Hub lists")
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(arrived, place)


def has(path: Path, size: int) -> bool:
    """Return whether there is a file of that size."""
    return path.is_file() and path.stat().st_size == size
