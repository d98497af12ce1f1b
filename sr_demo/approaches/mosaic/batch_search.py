"""Searching a named database for every patch of many images, by an executor: one `.npz` file of matches for each image."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sr_demo.approaches.mosaic import faiss_index, named_databases
from sr_demo.approaches.mosaic.dihedral import to_canonical
from sr_demo.approaches.mosaic.executors import Executor
from sr_demo.approaches.mosaic.named_databases import NamedDatabase
from sr_demo.approaches.mosaic.patches import extract_features, grid_positions
from sr_demo.approaches.mosaic.retrieval import FLAT
from sr_demo.approaches.mosaic.windows import luma, window_rows
from sr_demo.errors import BadInput, SRError
from sr_demo.image import Image, read
from sr_demo.progress import Progress
from sr_demo.system import outputs, storage

_BATCH = 16_384


@dataclass(frozen=True)
class SearchTask:
    """One image and the database to search."""

    file: Path
    database: NamedDatabase
    k: int
    """Number of neighbours."""


@dataclass(frozen=True)
class SearchResult:
    """Outcome of one image."""

    file: Path
    out: Path
    """The `.npz` file."""
    patches: int
    """Patches of the image."""
    distinct: int
    """Different entries of the database among their nearest matches."""
    refused: str = ""
    """Why the image could not be searched; "" if it was searched."""


class _Matches(NamedTuple):
    """Matches of one image, as stored in its `.npz` file."""

    numbers: Any
    """(rows, columns, k) int64."""
    distances: Any
    """(rows, columns, k) float32, squared."""
    places: Any
    """(N, 3 or 4) int32: `places` of the database for the sorted distinct `numbers`."""


class _OpenedDatabase(NamedTuple):
    index: Any
    places: Any
    project: Any
    """Feature projection; None for `tiles`."""


def search_images(
    database: NamedDatabase,
    files: Sequence[Path],
    k: int,
    out: Path,
    executor: Executor,
    progress: Progress,
    *,
    overwrite: bool = False,
) -> Iterator[SearchResult]:
    """Search a database for every patch of many images, and write `<name>_<number>.npz` for each of them.

    A file holds `numbers` and `distances`, (rows, columns, k) each, with -1 and 0 where a window is flat and was not
    queried; and `places`, which gives photo and corner of each distinct number, as stored in the database.

    Args:
        database: The database.
        files: The images.
        k: Number of neighbours.
        out: Folder for the files.
        executor: Where the images are searched.
        progress: Receives what is done so far.
        overwrite: Whether files of earlier searches are replaced; otherwise names get a further number.

    Yields:
        A result for each image, in the order in which they are finished.
    """
    tasks = [SearchTask(file.absolute(), database, k) for file in files]
    for count, (number, content) in enumerate(executor.map(search_image, tasks, progress), 1):
        progress(count / len(tasks), files[number].name)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            refused = json.loads(arrays["refused"].tobytes())
            wanted = out / outputs.truncated_name(files[number].stem, f"_{number}.npz")
            if refused:
                yield SearchResult(files[number], wanted, 0, 0, refused)
                continue
            numbers = arrays["numbers"]
        with outputs.reserve_path(wanted, overwrite=overwrite) as target, storage.disk_errors_translated(out):
            storage.write_atomically(target, content)
        nearest = numbers[..., 0].ravel()
        yield SearchResult(files[number], target, len(nearest), len(np.unique(nearest[nearest >= 0])))


def search_image(task: SearchTask) -> bytes:
    """Return the `.npz` file of one image; if the image could not be searched, `refused` in it states the reason."""
    file = io.BytesIO()
    save: Any = np.savez
    try:
        image = read(task.file).rgb
        matches = _match_patches(image, task) if task.database.kind == "tiles" else _match_windows(image, task)
        save(file, **matches._asdict(), refused=_encoded(""))
    except SRError as problem:
        save(file, refused=_encoded(str(problem)))
    return file.getvalue()


def _encoded(sentence: str) -> Any:
    return np.frombuffer(json.dumps(sentence).encode(), np.uint8)


def _match_patches(image: Image, task: SearchTask) -> _Matches:
    patch = task.database.patch
    if min(image.shape[:2]) < patch:
        raise BadInput(f"The picture is smaller than a patch of {patch} pixels.")
    opened = _open(task.database)
    y, x = grid_positions(image.shape[0], image.shape[1], patch, patch)
    features = extract_features(image, y, x, patch).features
    distances, numbers = faiss_index.search(opened.index, features, task.k)
    grid = (image.shape[0] // patch, image.shape[1] // patch, -1)
    return _Matches(numbers.reshape(grid), distances.reshape(grid), opened.places[np.unique(numbers)])


def _match_windows(image: Image, task: SearchTask) -> _Matches:
    opened = _open(task.database)
    k = min(task.k, opened.index.ntotal)
    height, width = image.shape[:2]
    numbers = np.full((height + 2, width + 2, k), -1, np.int64)
    distances = np.zeros((height + 2, width + 2, k), np.float32)
    for rows in window_rows(luma(image), _BATCH):
        features = to_canonical(rows.windows).windows @ opened.project.T
        length = np.linalg.norm(features, axis=1)
        busy = np.flatnonzero(length > FLAT)
        if len(busy):
            here = slice(rows.top, rows.top + rows.count)
            distance, number = faiss_index.search(opened.index, features[busy] / length[busy, None], k)
            numbers[here].reshape(-1, k)[busy], distances[here].reshape(-1, k)[busy] = number, distance
    numbers, distances = numbers[1:-1, 1:-1], distances[1:-1, 1:-1]
    return _Matches(numbers, distances, opened.places[np.unique(numbers[numbers >= 0])])


@lru_cache(1)
def _open(database: NamedDatabase) -> _OpenedDatabase:
    """Open a database once for each process."""
    index = named_databases.open_index(database)  # checks all files
    places = np.load(database.place / "places.npy", mmap_mode="r")
    project = np.load(database.place / "project.npy") if database.kind == "refined" else None
    return _OpenedDatabase(index, places, project)
