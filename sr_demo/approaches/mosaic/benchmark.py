"""How long the memory takes to build and to ask, and what the faster indexes miss.

`python -m sr_demo.approaches.mosaic.benchmark [COUNT…]` prints one row per number of windows (default 10k, 100k, 1M),
drawn from the default memory in all orientations. Queries are windows of its cat, which is then left out of the memory.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from sr_demo.approaches.mosaic import index as indexes
from sr_demo.approaches.mosaic import retrieval
from sr_demo.approaches.mosaic.memory import Memory
from sr_demo.approaches.mosaic.upscalers import default_memory
from sr_demo.approaches.mosaic.windows import Floats, projection
from sr_demo.progress import SILENT
from sr_demo.storage import cache_folder

QUERIES = 65_536
_TRUTH = 2_000
"""Queries that are also answered exhaustively."""
_HELD_OUT = "chelsea.png"


def main(counts: list[int]) -> None:
    """Print the table."""
    memory = default_memory(cache_folder() / "memories", SILENT)
    windows = _windows(memory, max(counts), held_out=False)
    asked = _windows(memory, QUERIES, held_out=True)
    project = projection(windows[:100_000])
    queries = _features(asked, project)[:QUERIES]
    _line("windows", "index", "MB", "build s", "ask s", "asked", "recall@1")
    for count in counts:
        vectors = _features(windows, project)[:count]
        plan = indexes.choose(len(vectors), vectors.shape[1], 1 << 30)
        start = time.perf_counter()
        index = indexes.build(vectors, plan)
        built = time.perf_counter() - start
        start = time.perf_counter()
        nearest = indexes.search(index, queries, 9)[1][:_TRUTH, 0]
        asking = time.perf_counter() - start
        flat = indexes.build(vectors, indexes.Plan("Flat", "Flat", 0, 0))
        truth = indexes.search(flat, queries[:_TRUTH], 1)[1][:, 0]
        # Equal vectors may stand under two numbers: what counts is that the one found is as near.
        recall = np.mean(np.all(vectors[nearest] == vectors[truth], axis=1))
        _line(len(vectors), plan.factory, plan.bytes // 1_000_000, built, asking, len(queries), float(recall))


def _windows(memory: Memory, count: int, *, held_out: bool) -> Floats:
    """At least `count` windows where there are so many, in random order."""
    rng = np.random.default_rng(int(held_out))
    photos = [i for i, photo in enumerate(memory.photos) if (photo.name == _HELD_OUT) == held_out]
    area = sum(memory.photos[i].height * memory.photos[i].width for i in photos)
    # Flat windows are dropped later: half as many again are drawn.
    drawn = [retrieval.draw(memory.hr(i), round(1.1 * count / area * _area(memory, i)), rng).windows for i in photos]
    return rng.permutation(np.concatenate(drawn))


def _area(memory: Memory, photo: int) -> int:
    return memory.photos[photo].height * memory.photos[photo].width


def _features(windows: Floats, project: Floats) -> Floats:
    features = windows @ project.T
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return (features / np.maximum(length, retrieval.FLAT))[length[:, 0] > retrieval.FLAT]


def _line(*cells: object) -> None:
    texts = (f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells)
    sys.stdout.write("".join(f"{text:>16}" for text in texts) + "\n")


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [10_000, 100_000, 1_000_000])
