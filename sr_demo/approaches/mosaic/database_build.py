"""Building a named memory: shards by an engine, merged into one index, visible when whole.

Each finished shard is a file in the folder of the build, so that a build that was stopped or killed goes on where it
was. Merging starts over if it was interrupted. Legend: N = patches; d = length of a feature.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from sr_demo.approaches.mosaic import faiss_index as indexes
from sr_demo.approaches.mosaic import named_databases, retrieval, shards
from sr_demo.approaches.mosaic.executors import Engine
from sr_demo.approaches.mosaic.named_databases import Entry
from sr_demo.approaches.mosaic.patch_database import FORMAT, SCALE, Photo
from sr_demo.approaches.mosaic.shards import Recipe, Shard
from sr_demo.approaches.mosaic.windows import Floats, projection
from sr_demo.errors import BadInput, SRError, first_few
from sr_demo.progress import Progress
from sr_demo.system import storage

_PER_SHARD = 8
_LOOKED_AT = 64
"""Photos from which the directions of features are found."""
_APPENDED = ("codes", "factors", "looks", "places")


@dataclass(frozen=True)
class Order:
    """What is to be built."""

    name: str
    files: tuple[Path, ...]
    recipe: Recipe
    source: str
    """The folder or data set, for the list."""


@dataclass(frozen=True)
class Built:
    """A finished memory."""

    entry: Entry
    skipped: tuple[str, ...]
    """A sentence for each file that was left out."""
    kept: int
    """Shards that an earlier, interrupted build had finished."""
    was_there: bool = False


def build(order: Order, engine: Engine, progress: Progress) -> Built:
    """Build the memory, or go on with a build that was interrupted.

    Raises BadInput when no file can be used, when the name is taken by another memory or by a build that is running;
    StorageError when the disk refuses; Cancelled. What is finished by then stays for the next try.
    """
    named_databases.checked(order.name)
    if not order.files:
        raise BadInput(f"There are no pictures in {order.source}.")
    key = _key(order)
    place = named_databases.folder() / order.name
    beside = named_databases.folder() / f"{named_databases.BUILDING}{order.name}"
    storage.ready(named_databases.folder())
    with storage.guarded(named_databases.folder()):
        lock = FileLock(named_databases.folder() / f".lock-{order.name}")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise BadInput(f"Another program is building the memory {order.name} at this moment.") from None
        try:
            if place.exists():
                return _there(order, key)
            _prepare(beside, key)
            return _make(order, key, engine, beside, place, progress)
        finally:
            lock.release()
            with suppress(OSError):
                (named_databases.folder() / f".lock-{order.name}").unlink()


def _there(order: Order, key: str) -> Built:
    entry = named_databases.find(order.name)
    if json.loads((entry.place / "memory.json").read_text(encoding="utf-8"))["key"] != key:
        raise BadInput(
            f"There is a memory {order.name} already, made of other photos or in another way. Choose another name, or "
            f"delete it first: python -m sr_demo memory delete {order.name}"
        )
    return Built(entry, (), 0, was_there=True)


def _prepare(beside: Path, key: str) -> None:
    """The folder of the build: as an earlier try for the same memory left it, or new."""
    written = beside / "order"
    if beside.is_dir() and not (written.is_file() and written.read_text() == key):
        shutil.rmtree(beside)
    beside.mkdir(exist_ok=True)
    written.write_text(key)


def _make(order: Order, key: str, engine: Engine, beside: Path, place: Path, progress: Progress) -> Built:
    planned = _plan(order, beside, progress.part(0.0, 0.05))
    missing = [shard for shard in planned if not _file(beside, shard.number).is_file()]
    kept = len(planned) - len(missing)
    learning = progress.part(0.05, 0.8)
    learning(kept / len(planned), f"{kept} of {len(planned)} parts were done before" if kept else "reading photos")
    for count, (number, content) in enumerate(engine.map(shards.embed, missing, learning), kept + 1):
        _write(_file(beside, missing[number].number), content)
        learning(count / len(planned), f"part {count} of {len(planned)}")
    skipped = _merge(order, key, planned, beside, progress.part(0.8, 1.0))
    os.replace(beside, place)
    progress(1.0, "ready")
    return Built(named_databases.find(order.name), tuple(skipped), kept)


def _plan(order: Order, beside: Path, progress: Progress) -> list[Shard]:
    """The shards of a memory: a pure function of the order, but for the directions of features that are found once."""
    recipe = order.recipe
    project = _directions(order, beside / "project.npy", progress) if recipe.kind == "refined" else None
    share = -(-recipe.patches // len(order.files))
    files = [str(file.absolute()) for file in order.files]
    return [
        Shard(number, first, tuple(files[first : first + _PER_SHARD]), share, recipe, project)
        for number, first in enumerate(range(0, len(files), _PER_SHARD))
    ]


def _directions(order: Order, path: Path, progress: Progress) -> Floats:
    if path.is_file():
        return np.load(path)
    windows: list[Floats] = []
    looked_at = order.files[:: -(-len(order.files) // _LOOKED_AT)]
    for number, file in enumerate(looked_at):
        progress(number / len(looked_at), "looking at the photos")
        with suppress(SRError):  # said when the file's own turn comes
            hr = shards.photo(file, order.recipe)
            windows.append(retrieval.draw(hr, 3000, np.random.default_rng((order.recipe.seed, number))).windows)
    if not sum(map(len, windows)):
        _refuse(order, [])
    project = projection(np.concatenate(windows))
    content = io.BytesIO()
    np.save(content, project)
    storage.write_atomically(path, content.getvalue())
    return project


def _merge(order: Order, key: str, planned: Sequence[Shard], beside: Path, progress: Progress) -> list[str]:
    """One memory of all shards. `memory.json` is written last, and the shards removed."""
    skipped: list[str] = []
    photos: list[Photo] = []
    vectors: list[Floats] = []
    columns: dict[str, list[Any]] = {}
    start = 0
    with (beside / "hr.u8").open("wb") as hr, (beside / "lr.u8").open("wb") as lr:
        for shard in planned:
            progress(0.4 * shard.number / len(planned), "putting the parts together")
            card, arrays = shards.unpack(_file(beside, shard.number).read_bytes())
            skipped += card["skipped"]
            if not card["photos"]:
                continue
            hr.write(arrays["hr"].tobytes())
            lr.write(arrays["lr"].tobytes())
            arrays["places"][:, 0] += len(photos)
            for photo in card["photos"]:
                photos.append(Photo(**photo, start=start))
                start += photo["height"] * photo["width"]
            vectors.append(arrays["vectors"])
            for name in _APPENDED:
                if name in arrays:
                    columns.setdefault(name, []).append(arrays[name])
        for file in (hr, lr):
            file.flush()
            os.fsync(file.fileno())
    if not sum(map(len, vectors)):
        _refuse(order, skipped)
    for name in list(columns):
        np.save(beside / f"{name}.npy", np.concatenate(columns.pop(name)))
    progress(0.5, "indexing")
    plan = _index(np.concatenate(vectors), order.recipe, beside)
    progress(0.95, "indexing")
    card = {
        **asdict(order.recipe), "name": order.name, "patches": sum(map(len, vectors)), "photos": len(photos),
        "source": order.source, "date": datetime.now(timezone.utc).date().isoformat(), "index": plan.factory,
        "probes": plan.probes, "gives_up": plan.gives_up,
    }  # fmt: skip
    written = {
        "format": FORMAT,
        "scale": SCALE,
        "key": key,
        "card": card,
        "photos": [asdict(photo) for photo in photos],
    }
    for shard in planned:
        _file(beside, shard.number).unlink()
    _write(beside / "memory.json", json.dumps(written, indent=1).encode())
    return skipped


def _index(vectors: Floats, recipe: Recipe, beside: Path) -> indexes.Plan:
    import faiss

    plan = indexes.choose(len(vectors), vectors.shape[1], recipe.budget_mb * 1_000_000)
    content: Any = faiss.serialize_index(indexes.build(vectors, plan))
    with (beside / "index.faiss").open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return plan


def _refuse(order: Order, skipped: Sequence[str]) -> None:
    """Nothing can be kept: remove the build and say why."""
    shutil.rmtree(named_databases.folder() / f"{named_databases.BUILDING}{order.name}", ignore_errors=True)
    side = order.recipe.smallest
    why = " ".join(first_few(skipped)) or f"None is a picture of {side} x {side} pixels or more with some detail."
    raise BadInput(f"None of the {len(order.files)} files in {order.source} can be remembered. {why}")


def _key(order: Order) -> str:
    """Changes with the files, their sizes and times, and the recipe."""
    digest = hashlib.sha256(f"format {FORMAT}, {shards.describe(order.recipe)}".encode())
    for file in order.files:
        try:
            status = file.stat()
        except OSError as problem:
            raise BadInput(f"{file} cannot be read ({problem.strerror}).") from problem
        digest.update(f"\n{file.absolute()} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _file(beside: Path, number: int) -> Path:
    return beside / f"shard-{number:06d}.npz"


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, also after a power cut."""
    storage.write_atomically(path, content, durable=True)
