"""Building a named database: shards embedded by an executor, merged into one index, visible when complete.

Each finished shard is a file in the folder of the build, so that a stopped or killed build resumes after the last finished
shard. An interrupted merge starts over. Legend: d = length of a feature.
"""

from __future__ import annotations

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

from sr_demo.approaches.mosaic import faiss_index, named_databases, shards
from sr_demo.approaches.mosaic.build_plan import BuildRequest, content_key, plan_shards, refuse, shard_file
from sr_demo.approaches.mosaic.executors import Executor
from sr_demo.approaches.mosaic.named_databases import NamedDatabase
from sr_demo.approaches.mosaic.patch_database import CARD, FORMAT, SCALE, Photo, checksums, damaged
from sr_demo.approaches.mosaic.shards import Recipe, Shard
from sr_demo.approaches.mosaic.windows import Floats
from sr_demo.errors import BadInput
from sr_demo.progress import Progress
from sr_demo.system import integrity, storage

_MERGED_ARRAYS = ("codes", "factors", "looks", "places")


@dataclass(frozen=True)
class BuildResult:
    """A complete database, and how it was built."""

    database: NamedDatabase
    skipped: tuple[str, ...]
    """A sentence for each file that was skipped."""
    resumed: int
    """Shards that an earlier, interrupted build had finished."""
    existed: bool = False
    """Whether the same database existed before."""


def build_named_database(request: BuildRequest, executor: Executor, progress: Progress) -> BuildResult:
    """Build a database, or resume a build that was interrupted.

    Args:
        request: What is to be built.
        executor: Where the shards are embedded.
        progress: Receives what is done so far.

    Raises:
        BadInput: No file can be used; or the name belongs to another database or to a build that is running.
        StorageError: The disk is full or cannot be written.
        Cancelled: Stop was pressed. Finished shards stay for the next attempt.
    """
    named_databases.check_name(request.name)
    if not request.files:
        raise BadInput(f"There are no pictures in {request.source}.")
    key = content_key(request)
    storage.ensure_folder(named_databases.folder())
    with storage.disk_errors_translated(named_databases.folder()):
        lock = FileLock(named_databases.folder() / f".lock-{request.name}")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise BadInput(f"Another program is building the memory {request.name} at the moment.") from None
        try:
            if request.place.exists():
                if not damaged(request.place):
                    return _existing(request, key)
                shutil.rmtree(request.place)  # the log names the damaged file
            _prepare_folder(request.build_place, key)
            return _build(request, key, executor, progress)
        finally:
            lock.release()
            with suppress(OSError):
                (named_databases.folder() / f".lock-{request.name}").unlink()


def _existing(request: BuildRequest, key: str) -> BuildResult:
    database = named_databases.find(request.name)
    if json.loads((database.place / CARD).read_text(encoding="utf-8"))["key"] != key:
        raise BadInput(
            f"There is already a memory {request.name}, built from other photos or with other settings. Choose another "
            f"name, or delete it first: python -m sr_demo memory delete {request.name}"
        )
    return BuildResult(database, (), 0, existed=True)


def _prepare_folder(folder: Path, key: str) -> None:
    """Keep the folder of an earlier build of the same database; otherwise start with an empty one."""
    stored_key = folder / "order"
    if folder.is_dir() and not (stored_key.is_file() and stored_key.read_text() == key):
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    stored_key.write_text(key)


def _build(request: BuildRequest, key: str, executor: Executor, progress: Progress) -> BuildResult:
    folder = request.build_place
    planned = plan_shards(request, progress.part(0.0, 0.05))
    missing = [shard for shard in planned if not shard_file(folder, shard.number).is_file()]
    resumed = len(planned) - len(missing)
    embedding = progress.part(0.05, 0.8)
    note = f"{resumed} of {len(planned)} parts were finished before" if resumed else "reading photos"
    embedding(resumed / len(planned), note)
    for count, (number, content) in enumerate(executor.map(shards.embed_shard, missing, embedding), resumed + 1):
        _write(shard_file(folder, missing[number].number), content)
        embedding(count / len(planned), f"part {count} of {len(planned)}")
    skipped = _merge(request, key, planned, progress.part(0.8, 1.0))
    os.replace(folder, request.place)
    progress(1.0, "ready")
    return BuildResult(named_databases.find(request.name), tuple(skipped), resumed)


def _merge(request: BuildRequest, key: str, planned: Sequence[Shard], progress: Progress) -> list[str]:
    """Merge all shards into one database and return the sentences on skipped files.

    `memory.json` is written last, after the shards are removed.
    """
    folder = request.build_place
    skipped: list[str] = []
    photos: list[Photo] = []
    vectors: list[Floats] = []
    columns: dict[str, list[Any]] = {}
    start = 0
    with (folder / "hr.u8").open("wb") as hr, (folder / "lr.u8").open("wb") as lr:
        for shard in planned:
            progress(0.4 * shard.number / len(planned), "merging the parts")
            card, arrays = shards.unpack_shard(shard_file(folder, shard.number).read_bytes())
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
            for name in _MERGED_ARRAYS:
                if name in arrays:
                    columns.setdefault(name, []).append(arrays[name])
        for file in (hr, lr):
            file.flush()
            os.fsync(file.fileno())
    if not sum(map(len, vectors)):
        refuse(request, skipped)
    for name in list(columns):
        np.save(folder / f"{name}.npy", np.concatenate(columns.pop(name)))
    progress(0.5, "indexing")
    count = sum(map(len, vectors))
    plan = _write_index(np.concatenate(vectors), request.recipe, folder)
    progress(0.95, "indexing")
    for shard in planned:
        shard_file(folder, shard.number).unlink()
    _write_card(request, key, photos, count, plan)
    return skipped


def _write_index(vectors: Floats, recipe: Recipe, folder: Path) -> faiss_index.IndexPlan:
    import faiss

    plan = faiss_index.choose_index(len(vectors), vectors.shape[1], recipe.budget_mb * 1_000_000)
    content: Any = faiss.serialize_index(faiss_index.build_index(vectors, plan))
    with (folder / "index.faiss").open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return plan


def _write_card(
    request: BuildRequest, key: str, photos: Sequence[Photo], patches: int, plan: faiss_index.IndexPlan
) -> None:
    card = {
        **asdict(request.recipe), "name": request.name, "patches": patches, "photos": len(photos),
        "source": request.source, "date": datetime.now(timezone.utc).date().isoformat(), "index": plan.factory,
        "probes": plan.probes, "gives_up": plan.gives_up,
    }  # fmt: skip
    written = {
        "format": FORMAT,
        "scale": SCALE,
        "key": key,
        "card": card,
        "photos": [asdict(photo) for photo in photos],
        **checksums(request.build_place),
    }
    _write(request.build_place / CARD, integrity.json_with_checksum(written, indent=1))


def _write(path: Path, content: bytes) -> None:
    """Write a file that is either complete or missing, even after a power cut."""
    storage.write_atomically(path, content, durable=True)
