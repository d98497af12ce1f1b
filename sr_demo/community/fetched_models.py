"""A model of OpenModelDB as an approach: fetched, verified, tried out like a user's file, described by its card.

Fetched models are stored in `<cache>/openmodeldb/ID/`, with their source and their card, and need no network again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sr_demo.checkpoint import Checkpoint, WeightFile
from sr_demo.codecs.sniff import with_file_name
from sr_demo.community import index, search
from sr_demo.community.cards import Card, read_card
from sr_demo.community.suitability import suitability
from sr_demo.errors import BadInput, SRError
from sr_demo.hub import checkpoints
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Approach
from sr_demo.system import integrity
from sr_demo.system.storage import cache_folder, disk_errors_translated, write_atomically
from sr_demo.user_models.model_file import MAX_BYTES
from sr_demo.user_models.opening import TRIAL_SECONDS, open_model_in_subprocess

log = logging.getLogger("sr_demo")

ID = "openmodeldb"
"""Id of all approaches from OpenModelDB; the name of their checkpoint is the id of the card."""
_CARD = "card.json"
_PATIENT_SECONDS = 1800.0
"""Longest trial in seconds on the command line, where no other visitor waits."""


class Fetched(NamedTuple):
    """A model of OpenModelDB with its local file."""

    card: Card
    file: WeightFile
    """The file, with its local path."""


def is_named(name: object) -> bool:
    """Return whether a name has the form `openmodeldb:NAME`."""
    return str(name).startswith(f"{ID}:")


def by_name(name: str, progress: Progress = SILENT, max_bytes: int = MAX_BYTES) -> Approach:
    """Return the model `openmodeldb:NAME`; fetch it first if it is not stored.

    Args:
        name: `openmodeldb:NAME`; NAME is the id of the card or a unique name, in upper or lower case.
        progress: Receives the progress.
        max_bytes: Largest file that is accepted.

    Raises:
        BadInput: There is no such model, or it cannot run here.
        WeightsUnavailable: The model cannot be fetched.
        SRError: The trial of the model file failed.
        Cancelled: Stop was pressed.
    """
    wanted = name.partition(":")[2]
    here = [model for model in stored_models() if model.card.id.lower() == wanted.lower()]
    card = here[0].card if here else search.find_card(index.load(progress).cards, wanted)
    model = fetch(card, progress.part(0.0, 0.8), max_bytes=max_bytes)
    return open_fetched(model, progress.part(0.8, 1.0), max_bytes, _PATIENT_SECONDS)


def fetch(card: Card, progress: Progress = SILENT, folder: Path | None = None, max_bytes: int = MAX_BYTES) -> Fetched:
    """Fetch and verify the file of a card; a stored file is not downloaded again.

    Args:
        card: Card of the model.
        progress: Receives the progress.
        folder: Folder for the file; None for the cache, where it stays.
        max_bytes: Largest file that is accepted.

    Raises:
        BadInput: The model cannot run here.
        WeightsUnavailable: The file cannot be fetched.
        StorageError: The folder cannot be written.
        Cancelled: Stop was pressed.
    """
    model = next((model for model in stored_models() if model.card == card), None)
    if model is None:
        file, why = suitability(card, index.address(), max_bytes)
        if file is None:
            raise BadInput(f"{card.id} of OpenModelDB cannot run here: {why}.")
        model = Fetched(card, replace(file, path=(folder or _folder(card)) / file.name))
    checkpoints.fetch(_checkpoint(model), progress)
    return model


def open_fetched(
    model: Fetched, progress: Progress = SILENT, max_bytes: int = MAX_BYTES, seconds: float = TRIAL_SECONDS
) -> Approach:
    """Try out a fetched model and return it as an approach; if it is in the cache, record it for `stored_models`.

    Args:
        model: A model that `fetch` returned.
        progress: Receives the progress, and is checked for Stop.
        max_bytes: Largest file that is accepted.
        seconds: Longest trial in seconds; it runs in a separate process.

    Raises:
        SRError: See `open_model_in_subprocess`.
        Cancelled: See `open_model_in_subprocess`.
    """
    card, path = model.card, model.file.path
    assert path is not None
    try:
        found = open_model_in_subprocess(path, progress, max_bytes=max_bytes, keep=True, seconds=seconds)
    except SRError as exc:
        raise SRError(with_file_name(path.name, str(exc))) from exc
    if path.parent == _folder(card) and _read(path.parent) != model:
        _keep(model)
    architecture = found.checkpoints[0].title.partition(",")[0]
    what = "cleans" if found.scale == 1 else f"enlarges {found.scale}x"
    described = _checkpoint(model)
    checkpoint = replace(
        found.checkpoints[0], name=described.name, title=f"{architecture}, from OpenModelDB", files=described.files,
        licence=described.licence,
    )  # fmt: skip
    return replace(
        found,
        id=ID,
        title=card.name,
        summary=f"from OpenModelDB, by {card.author}: {architecture}, {what}",
        about=f"A model of the community, from OpenModelDB, by {card.author}. {card.description}".strip(),
        checkpoints=(checkpoint,),
    )


def stored_approaches(max_bytes: int = MAX_BYTES) -> list[Approach]:
    """Return the models in the cache, sorted by name; unusable models are logged and skipped."""
    found: list[Approach] = []
    for model in stored_models():
        try:
            found.append(open_fetched(model, max_bytes=max_bytes))
        except SRError as exc:
            log.warning("a model of OpenModelDB is left out: %s", exc)
    return found


def stored_models() -> Iterator[Fetched]:
    """Yield the models in the cache that passed their trial and whose file exists, sorted by name."""
    with suppress(OSError):
        for folder in sorted((cache_folder() / "openmodeldb").iterdir()):
            model = _read(folder)
            if model is not None and checkpoints.is_available(_checkpoint(model)):
                yield model


def _checkpoint(model: Fetched) -> Checkpoint:
    return Checkpoint(model.card.id, model.card.name, (model.file,), model.card.licence)


def _folder(card: Card) -> Path:
    return cache_folder() / "openmodeldb" / card.id


def _keep(model: Fetched) -> None:
    """Write the card beside the file, so that neither the index nor the network is needed again."""
    file = model.file
    facts = {"name": file.name, "sha256": file.sha256, "bytes": file.bytes, "sources": list(file.sources)}
    written = integrity.json_with_checksum({"id": model.card.id, "card": dict(model.card.data), "file": facts})
    with disk_errors_translated(_folder(model.card)):
        write_atomically(_folder(model.card) / _CARD, written)


def _read(folder: Path) -> Fetched | None:
    """Return the model in a folder of the cache; None if there is none."""
    try:
        found = integrity.read_json_with_checksum(folder / _CARD)
        facts = found["file"]
        file = WeightFile(
            facts["name"], facts["sha256"], facts["bytes"], tuple(facts["sources"]), folder / facts["name"]
        )
        card = read_card(found["id"], found["card"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return Fetched(card, file) if card is not None and card.id == folder.name else None
