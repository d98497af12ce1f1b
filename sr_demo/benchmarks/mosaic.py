"""Benchmark of patch databases: seconds to build and to search, and the recall of the faster indexes.

`python -m sr_demo bench mosaic [--photos DIR] [COUNT…]` prints one row per number of windows (default 10k, 100k, 1M),
sampled from the photos in DIR, or from those that come with scikit-image (which hold about 400k). Queries are windows of
every tenth photo, which is left out of the database. Seconds are wall-clock and CPU seconds: on a busy machine only the
latter are meaningful.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr_demo import checkpoint as weights
from sr_demo.approaches.mosaic import anchors, faiss_index, refinement, retrieval, shards
from sr_demo.approaches.mosaic.patch_database import Pixels, as_floats
from sr_demo.approaches.mosaic.windows import Floats, fit_projection
from sr_demo.imaging.resize import resize
from sr_demo.progress import SILENT

QUERIES = 65_536
_REFERENCE_QUERIES = 2_000
"""Queries that are also searched exhaustively, as the reference of recall."""
_HELD_OUT = 10
_BUDGET = 512_000_000
"""Default index budget of `memory build`, in bytes."""


def print_table(files: Sequence[Path], counts: Sequence[int]) -> None:
    """Print the table for windows of the photos `files`, one row for each of `counts`."""
    start = time.process_time()
    windows = _windows([file for i, file in enumerate(files) if i % _HELD_OUT], max(counts))
    sampled = time.process_time() - start
    project = fit_projection(windows[:100_000])
    queries = _features(_windows(files[::_HELD_OUT], 2 * QUERIES), project)[:QUERIES]
    vectors = _features(windows, project)
    sys.stdout.write(f"{len(windows)} windows sampled from {len(files)} photos in {sampled:.0f} CPU seconds\n")
    _line("windows", "index", "MB", "build s", "(cpu)", "search s", "(cpu)", "queries", "recall@1")
    for count in counts:
        _line(*_row(vectors[:count], queries))
    _print_refined(shards.read_photo(files[0], shards.Recipe("refined")))


def _row(vectors: Floats, queries: Floats) -> tuple[object, ...]:
    plan = faiss_index.choose_index(len(vectors), vectors.shape[1], _BUDGET)
    clock, cpu = time.perf_counter(), time.process_time()
    index = faiss_index.build_index(vectors, plan)
    built = time.perf_counter() - clock, time.process_time() - cpu
    clock, cpu = time.perf_counter(), time.process_time()
    nearest = faiss_index.search(index, queries, 9)[1][:_REFERENCE_QUERIES, 0]
    searched = time.perf_counter() - clock, time.process_time() - cpu
    flat = faiss_index.build_index(vectors, faiss_index.IndexPlan("Flat", "Flat", 0, 0))
    reference = faiss_index.search(flat, queries[:_REFERENCE_QUERIES], 1)[1][:, 0]
    # Equal vectors may have different numbers, so vectors are compared rather than numbers.
    recall = np.mean(np.all(vectors[nearest] == vectors[reference], axis=1))
    return len(vectors), plan.factory, plan.bytes // 1_000_000, *built, *searched, len(queries), float(recall)


class _TimedRegression(anchors.AnchoredRegression):
    """Anchored regression that adds up the seconds spent searching in `spent`."""

    spent = 0.0

    def nearest(self, features: Floats) -> NDArray[np.intp]:
        begun = time.perf_counter()
        found = super().nearest(features)
        _TimedRegression.spent += time.perf_counter() - begun
        return found


def _print_refined(photo: Pixels) -> None:
    """Print the windows per second of refined retrieval with the learned memory at 256 x 256, and the share of search."""
    learned = anchors.load(weights.EMBEDDED / "mosaic-memory-x4.safetensors")
    model = _TimedRegression(learned.project, learned.anchors, learned.regressors)
    image = resize(as_floats(photo), (256, 256))
    refinement.refine(image, model, 4, SILENT)
    _TimedRegression.spent, begun = 0.0, time.perf_counter()
    refinement.refine(image, model, 4, SILENT)
    seconds = time.perf_counter() - begun
    sys.stdout.write(
        f"refined, learned memory, 256 x 256: {seconds:.2f} s, {258 * 258 / seconds:,.0f} windows/s, "
        f"searching {_TimedRegression.spent / seconds:.0%}\n"
    )


def _windows(files: Sequence[Path], count: int) -> Floats:
    """Return about `count` canonical windows (n, 49), or as many as there are, in random order."""
    recipe, share = shards.Recipe("refined"), -(-count // len(files))
    sampled = [
        retrieval.sample_windows(shards.read_photo(file, recipe), share, np.random.default_rng(i)).windows
        for i, file in enumerate(files)
    ]
    return np.random.default_rng(0).permutation(np.concatenate(sampled))


def _features(windows: Floats, project: Floats) -> Floats:
    features = windows @ project.T
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return (features / np.maximum(length, retrieval.FLAT))[length[:, 0] > retrieval.FLAT]


def _line(*cells: object) -> None:
    texts = (f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells)
    sys.stdout.write("".join(f"{text:>15}" for text in texts) + "\n")
    sys.stdout.flush()
