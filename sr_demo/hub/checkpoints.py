"""Verified local files of a checkpoint: embedded in `weights/`, stored by an earlier download, or downloaded now.

A file is identified by its sha256; its sources are secondary. The store is `<cache>/weights/<sha256>/<name>`; a file
appears there in one step and only after its size and sha256 are right. Decide (`plan`), then act (`fetch`).

The Hub client is imported by the first download, so that files that are stored already do not wait for it.
"""

from __future__ import annotations

import logging
import os
import shutil
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from sr_demo import spec
from sr_demo.errors import WeightsUnavailable
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Checkpoint, Repository, WeightFile
from sr_demo.system.storage import alone, cache_folder, guarded, ready, sha256_of, unfinished_folder

if TYPE_CHECKING:
    from sr_demo.hub.download import SourceFailed

log = logging.getLogger("sr_demo")

_BY_HAND = "or put the file by hand at {path}"
REASONS: dict[str, tuple[str, str]] = {
    "gated": (
        "behind a licence gate",
        "accept the licence on {page} and set HF_TOKEN to a token of the account that accepted it.",
    ),
    "offline": (
        "offline",
        f"this app is set to stay offline (HF_HUB_OFFLINE). Works again with a network, {_BY_HAND}.",
    ),
    "network": ("unreachable", f"no network, or the host cannot be reached. Works again with a network, {_BY_HAND}."),
    "timeout": ("no answer in time", f"the host did not answer in time. Try again later, {_BY_HAND}."),
    "server": ("server error", f"the server failed ({{detail}}). Try again later, {_BY_HAND}."),
    "broken": ("broken off", f"the transfer broke off before the end. Try again, {_BY_HAND}."),
    "wrong": (
        "other bytes",
        f"what it holds is not the expected file ({{detail}}) and was discarded. Try again later, {_BY_HAND}.",
    ),
    "refused": (
        "access refused",
        f"the host refuses access ({{detail}}). Check HF_TOKEN where it is set, try again later, {_BY_HAND}.",
    ),
    "file": ("file missing", f"the repository or host no longer has that file. Try again later, {_BY_HAND}."),
    "repository": ("repository missing", f"the repository does not exist or is private. Try again later, {_BY_HAND}."),
}
"""Code -> (reason in two words, end of a sentence with reason and advice). The most useful reasons come first."""


class Step(NamedTuple):
    """The action for one file, and where the file lies afterwards."""

    file: WeightFile
    action: Literal["embedded", "stored", "download", "own"]
    path: Path


def plan(checkpoint: Checkpoint) -> tuple[Step, ...]:
    """Return what `fetch` will do, for each file in order. Reads names and sizes only; changes nothing."""
    return tuple(_step(file) for file in checkpoint.files)


def _step(file: WeightFile) -> Step:
    if file.path is not None:
        return Step(file, "own", file.path)
    if not file.sources:
        return Step(file, "embedded", spec.EMBEDDED / file.name)
    path = cache_folder() / "weights" / file.sha256 / file.name
    return Step(file, "stored" if _has_size(path, file) else "download", path)


def is_available(checkpoint: Checkpoint) -> bool:
    """Return whether all files are stored, so that `fetch` needs no network. Compares sizes, hashes nothing."""
    files_are_here = all(step.action != "download" and _has_size(step.path, step.file) for step in plan(checkpoint))
    return files_are_here and not _missing_repositories(checkpoint)


def _missing_repositories(checkpoint: Checkpoint) -> list[Repository]:
    if not checkpoint.repositories:
        return []
    from sr_demo.hub import repositories

    return [repository for repository in checkpoint.repositories if not repositories.is_here(repository)]


def fetch(checkpoint: Checkpoint, progress: Progress = SILENT, agreed: bool = False) -> tuple[Path, ...]:
    """Return the verified local files of a checkpoint; only files that are not stored are downloaded.

    Any number of threads and processes may call this for the same file: one downloads, the others wait. After Stop nothing
    unfinished is visible, and the next call starts again.

    Args:
        checkpoint: what to fetch.
        progress: where to report, as in "downloading 34 of 85 MB".
        agreed: whether the user agreed to the download of its repositories, which are gigabytes.

    Returns:
        The files in the order of `checkpoint.files`, then the folders of its repositories.

    Raises:
        WeightsUnavailable: names the file, the source, the reason and what to do.
        StorageError: when the cache folder cannot be written.
        Cancelled: within a second after Stop.
    """
    done, total = 0, max(checkpoint.bytes, 1)
    missing = _missing_repositories(checkpoint)
    if missing and not agreed:
        size = sum(repository.bytes for repository in missing) / 1e9
        raise WeightsUnavailable(
            f"{checkpoint.title}: about {size:.1f} GB must be downloaded from the Hub first, and nothing that large is "
            "fetched unasked. Tick the box for it on the page, or give --download on the command line."
        )
    for step in plan(checkpoint):
        progress.check()
        part = progress.part(done / total, (done + step.file.bytes) / total)
        if step.action == "embedded":
            _check_embedded(checkpoint, step)
        elif step.action == "own":
            _check_own(step)
        elif step.action == "download" or not _is_stored(step):
            _download(checkpoint, step, part)
        done += step.file.bytes
    folders: list[Path] = []
    for repository in checkpoint.repositories:
        from sr_demo.hub import repositories

        part = progress.part(done / total, (done + repository.bytes) / total)
        folders.append(repositories.fetch(repository, part))
        done += repository.bytes
    return (*(step.path for step in plan(checkpoint)), *folders)


def _has_size(path: Path, file: WeightFile) -> bool:
    try:
        return path.stat().st_size == file.bytes
    except OSError:
        return False


@lru_cache(maxsize=512)
def _digest(path: Path, size: int, modified: int) -> str:
    """The sha256 of a file, computed once per process as long as its size and modification time stay the same."""
    return sha256_of(path)


def _sha256(path: Path) -> str:
    """The sha256 of a file, cached."""
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)


def _check_embedded(checkpoint: Checkpoint, step: Step) -> None:
    if not step.path.is_file():
        raise WeightsUnavailable(
            f"{checkpoint.title}: the file {step.path} that comes with this app is missing. Install the app again."
        )
    found = _sha256(step.path)
    if found != step.file.sha256:
        raise WeightsUnavailable(
            f"{checkpoint.title}: the file {step.path} that comes with this app is damaged "
            f"({_difference(step.file, found)}). Install the app again."
        )


def _check_own(step: Step) -> None:
    """Raise WeightsUnavailable where a user's own file is not what it was when it was opened."""
    if not _has_size(step.path, step.file) or _sha256(step.path) != step.file.sha256:
        raise WeightsUnavailable(
            f"The model file {step.file.name} was changed or removed since it was opened. Open it again."
        )


def _is_stored(step: Step) -> bool:
    """Whether the stored file has the right bytes; one with others is removed."""
    if not _has_size(step.path, step.file):
        return False
    found = _sha256(step.path)
    if found == step.file.sha256:
        return True
    log.warning("%s was damaged (%s) and is removed", step.path, _difference(step.file, found))
    with guarded(step.path.parent):
        step.path.unlink(missing_ok=True)
    return False


def _difference(file: WeightFile, found: str) -> str:
    return f"sha256 expected {file.sha256[:12]}, found {found[:12]}"


def _download(checkpoint: Checkpoint, step: Step, progress: Progress) -> None:
    """Download the file of `step` from the first source that gives the right bytes."""
    from sr_demo.hub import download

    folder = ready(step.path.parent)
    failures: list[tuple[str, SourceFailed]] = []
    with guarded(folder), alone(folder, lambda: progress(0.0, "waiting for another download of the same file")):
        if _is_stored(step):  # another process was faster
            return
        # Only the holder of the lock downloads: unfinished folders were left by a process that was killed.
        for left in folder.glob(".part-*"):
            shutil.rmtree(left, ignore_errors=True)
        ready(folder, need=step.file.bytes)
        for source in step.file.sources:
            try:
                with unfinished_folder(folder) as part:
                    download.transfer(source, part / step.file.name, step.file, progress)
                    _check_arrived(part / step.file.name, step.file)
                    os.replace(part / step.file.name, step.path)
                return
            except download.SourceFailed as exc:
                failures.append((source, exc))
    raise _unavailable(checkpoint, step, failures)


def _check_arrived(path: Path, file: WeightFile) -> None:
    from sr_demo.hub.download import SourceFailed

    found = sha256_of(path)
    if found != file.sha256:
        raise SourceFailed("wrong", _difference(file, found))
    if path.stat().st_size != file.bytes:
        raise SourceFailed("wrong", f"{path.stat().st_size:,} bytes instead of {file.bytes:,}")


def _unavailable(checkpoint: Checkpoint, step: Step, failures: list[tuple[str, SourceFailed]]) -> WeightsUnavailable:
    """The error to raise: the most useful failure in a sentence, the others in two words each."""
    order = list(REASONS)
    source, worst = min(failures, key=lambda failure: order.index(failure[1].code))
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    page = f"{endpoint.rstrip('/')}/{source.partition(':')[0]}"
    why = REASONS[worst.code][1].format(detail=worst.detail, page=page, path=step.path)
    others = "; ".join(f"{other}: {REASONS[exc.code][0]}" for other, exc in failures if exc is not worst)
    error = WeightsUnavailable(
        f"{checkpoint.title}: {step.file.name} could not be fetched from {source}: {why}"
        + (f" (Also tried: {others}.)" if others else "")
    )
    error.__cause__ = worst
    return error
