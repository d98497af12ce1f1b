"""A model of OpenModelDB as an approach: fetched, verified, tried out like a stranger's file, described by its card.

What was fetched lies below `<cache>/openmodeldb/ID/`, the file with its source and the card, and needs no network again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sr_demo.checkpoint import Checkpoint, WeightFile
from sr_demo.codecs.sniff import about
from sr_demo.community import index, search
from sr_demo.community.cards import Card, read_card
from sr_demo.community.suitability import suitability
from sr_demo.errors import BadInput, SRError
from sr_demo.hub import checkpoints
from sr_demo.own.model_file import MAX_BYTES
from sr_demo.own.opening import TRIAL_SECONDS, open_apart
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Approach
from sr_demo.system import seals
from sr_demo.system.storage import cache_folder, guarded, write_atomically

log = logging.getLogger("sr_demo")

ID = "openmodeldb"
"""Id of every approach that is such a model; the name of its checkpoint is the id of the card."""
_CARD = "card.json"
_PATIENT_SECONDS = 1800.0
"""Longest trial on the command line, where no other visitor waits."""


class Fetched(NamedTuple):
    """A model whose file is here."""

    card: Card
    file: WeightFile
    """With the path where it lies."""


def is_named(name: object) -> bool:
    """Return whether a name, of an approach or of a model, is `openmodeldb:NAME`."""
    return str(name).startswith(f"{ID}:")


def by_name(name: str, progress: Progress = SILENT, max_bytes: int = MAX_BYTES) -> Approach:
    """Return the model that `openmodeldb:NAME` names, fetched first where it is not here.

    Args:
        name: with the prefix; NAME is the id of the card, in any case.
        progress: where to report.
        max_bytes: largest file that is accepted.

    Raises:
        BadInput: there is none, or it cannot run here.
        WeightsUnavailable: it cannot be fetched.
        SRError: the trial refuses it, as any other model file.
        Cancelled: Stop was pressed.
    """
    wanted = name.partition(":")[2]
    here = [model for model in kept() if model.card.id.lower() == wanted.lower()]
    card = here[0].card if here else search.named(index.load(progress).cards, wanted)
    model = fetch(card, progress.part(0.0, 0.8), max_bytes=max_bytes)
    return opened(model, progress.part(0.8, 1.0), max_bytes, _PATIENT_SECONDS)


def fetch(card: Card, progress: Progress = SILENT, folder: Path | None = None, max_bytes: int = MAX_BYTES) -> Fetched:
    """Fetch and verify the file of a card; nothing is downloaded where it is here.

    Args:
        card: of the model.
        progress: where to report.
        folder: where the file goes; None for the cache, where it stays.
        max_bytes: largest file that is accepted.

    Raises:
        BadInput, WeightsUnavailable, StorageError, Cancelled: as `by_name`.
    """
    model = next((model for model in kept() if model.card == card), None)
    if model is None:
        file, why = suitability(card, index.address(), max_bytes)
        if file is None:
            raise BadInput(f"{card.id} of OpenModelDB cannot run here: {why}.")
        model = Fetched(card, replace(file, path=(folder or _folder(card)) / file.name))
    checkpoints.fetch(_checkpoint(model), progress)
    return model


def opened(
    model: Fetched, progress: Progress = SILENT, max_bytes: int = MAX_BYTES, seconds: float = TRIAL_SECONDS
) -> Approach:
    """Return a fetched model as an approach, tried out first; one in the cache is known by its name from then on.

    Args:
        model: as `fetch` returned it.
        progress: reported to, and checked for Stop.
        max_bytes: largest file that is accepted.
        seconds: longest trial, which runs in a process of its own.

    Raises:
        SRError, Cancelled: as `open_apart`.
    """
    card, path = model.card, model.file.path
    assert path is not None
    try:
        found = open_apart(path, progress, max_bytes=max_bytes, keep=True, seconds=seconds)
    except SRError as exc:
        raise SRError(about(path.name, str(exc))) from exc
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


def fetched(max_bytes: int = MAX_BYTES) -> list[Approach]:
    """Return the models that are in the cache, by name; one that cannot be used is one line of the log."""
    found: list[Approach] = []
    for model in kept():
        try:
            found.append(opened(model, max_bytes=max_bytes))
        except SRError as exc:
            log.warning("a model of OpenModelDB is left out: %s", exc)
    return found


def kept() -> Iterator[Fetched]:
    """Yield the models in the cache that passed their trial and whose file is here, by name."""
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
    """Write the card beside the file, so that neither the index nor a network is needed again."""
    file = model.file
    facts = {"name": file.name, "sha256": file.sha256, "bytes": file.bytes, "sources": list(file.sources)}
    written = seals.sealed_json({"id": model.card.id, "card": dict(model.card.data), "file": facts})
    with guarded(_folder(model.card)):
        write_atomically(_folder(model.card) / _CARD, written)


def _read(folder: Path) -> Fetched | None:
    """Return the model in a folder of the cache; None where there is none."""
    try:
        found = seals.read_json(folder / _CARD)
        facts = found["file"]
        file = WeightFile(
            facts["name"], facts["sha256"], facts["bytes"], tuple(facts["sources"]), folder / facts["name"]
        )
        card = read_card(found["id"], found["card"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return Fetched(card, file) if card is not None and card.id == folder.name else None
