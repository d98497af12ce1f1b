"""Asking a named memory for every patch of many pictures, by an engine: the answers as one `.npz` file per picture."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sr_demo.approaches.mosaic import faiss_index as indexes
from sr_demo.approaches.mosaic import named_databases
from sr_demo.approaches.mosaic import patches as pieces
from sr_demo.approaches.mosaic.anchors import pose
from sr_demo.approaches.mosaic.executors import Engine
from sr_demo.approaches.mosaic.named_databases import Entry
from sr_demo.approaches.mosaic.retrieval import FLAT
from sr_demo.approaches.mosaic.windows import luma, rows_of
from sr_demo.errors import BadInput, SRError
from sr_demo.image import Image, read
from sr_demo.progress import Progress
from sr_demo.system import storage

_WINDOWS = 16_384


@dataclass(frozen=True)
class Question:
    """One picture and whom to ask."""

    file: Path
    entry: Entry
    k: int


@dataclass(frozen=True)
class Answered:
    """What came of one picture."""

    file: Path
    out: Path
    patches: int
    distinct: int
    refused: str = ""


def ask(
    entry: Entry, files: Sequence[Path], k: int, out: Path, engine: Engine, progress: Progress
) -> Iterator[Answered]:
    """Write `<name>.npz` into `out` for each picture; yield what was written, in the order of finishing.

    Numbers are (rows, columns, k), -1 where a window is flat and none was asked; distances alike; `places` (N, 3 or 4)
    says for each memory of this picture its number's photo and corner, as the memory keeps it.
    """
    questions = [Question(file.absolute(), entry, k) for file in files]
    for count, (number, content) in enumerate(engine.map(answer, questions, progress), 1):
        progress(count / len(questions), files[number].name)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            refused = json.loads(arrays["refused"].tobytes())
            target = out / f"{files[number].stem}_{number}.npz"
            if refused:
                yield Answered(files[number], target, 0, 0, refused)
                continue
            numbers = arrays["numbers"]
        with storage.guarded(out):
            storage.write_atomically(target, content)
        asked = numbers[..., 0].ravel()
        yield Answered(files[number], target, len(asked), len(np.unique(asked[asked >= 0])))


def answer(question: Question) -> bytes:
    """The `.npz` file for one picture; `refused` holds a sentence where it could not be read."""
    file = io.BytesIO()
    save: Any = np.savez
    try:
        image = read(question.file).rgb
        numbers, distances, places = (
            _pieces(image, question) if question.entry.kind == "tiles" else _windows(image, question)
        )
        save(file, numbers=numbers, distances=distances, places=places, refused=_text(""))
    except SRError as problem:
        save(file, refused=_text(str(problem)))
    return file.getvalue()


def _text(sentence: str) -> Any:
    return np.frombuffer(json.dumps(sentence).encode(), np.uint8)


def _pieces(image: Image, question: Question) -> tuple[Any, Any, Any]:
    patch = question.entry.patch
    if min(image.shape[:2]) < patch:
        raise BadInput(f"The picture is smaller than a piece of {patch} pixels.")
    index, places, _ = _opened(question.entry)
    y, x = pieces.positions(image.shape[0], image.shape[1], patch, patch)
    found = pieces.describe(image, y, x, patch)
    distances, numbers = indexes.search(index, found.features, question.k)
    grid = (image.shape[0] // patch, image.shape[1] // patch, -1)
    return numbers.reshape(grid), distances.reshape(grid), places[np.unique(numbers)]


def _windows(image: Image, question: Question) -> tuple[Any, Any, Any]:
    index, places, project = _opened(question.entry)
    assert project is not None
    k = min(question.k, index.ntotal)
    height, width = image.shape[:2]
    numbers = np.full((height + 2, width + 2, k), -1, np.int64)
    distances = np.zeros((height + 2, width + 2, k), np.float32)
    for rows in rows_of(luma(image), _WINDOWS):
        features = pose(rows.windows)[0] @ project.T
        length = np.linalg.norm(features, axis=1)
        busy = np.flatnonzero(length > FLAT)
        if len(busy):
            here = slice(rows.top, rows.top + rows.count)
            far, near = indexes.search(index, features[busy] / length[busy, None], k)
            numbers[here].reshape(-1, k)[busy], distances[here].reshape(-1, k)[busy] = near, far
    numbers, distances = numbers[1:-1, 1:-1], distances[1:-1, 1:-1]
    return numbers, distances, places[np.unique(numbers[numbers >= 0])]


@lru_cache(1)
def _opened(entry: Entry) -> tuple[Any, Any, Any]:
    """Index, places and directions of a memory, opened once per process."""
    places = np.load(entry.place / "places.npy", mmap_mode="r")
    project = np.load(entry.place / "project.npy") if entry.kind == "refined" else None
    return named_databases.index(entry), places, project
