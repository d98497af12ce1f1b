"""How long the memory takes to build and to ask, and what the faster indexes miss.

`python -m sr_demo.benchmarks.mosaic [--photos DIR] [COUNT…]` prints one row per number of windows (default
10k, 100k, 1M), drawn from the photos in DIR, or from those that scikit-image bundles (which hold about 400k). Queries
are windows of every tenth photo, which are left out of the memory. Seconds are those of the clock and of the processor:
on a busy machine only the latter say something.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr_demo import spec
from sr_demo.approaches.mosaic import anchors, photos, refinement, retrieval, shards
from sr_demo.approaches.mosaic import faiss_index as indexes
from sr_demo.approaches.mosaic.patch_database import Pixels, as_floats
from sr_demo.approaches.mosaic.windows import Floats, projection
from sr_demo.imaging.resize import resize
from sr_demo.progress import SILENT

QUERIES = 65_536
_TRUTH = 2_000
"""Queries that are also answered exhaustively."""
_HELD_OUT = 10
_BUDGET = 512_000_000
"""As `memory build` has it."""


def main(files: Sequence[Path], counts: Sequence[int]) -> None:
    """Print the table."""
    start = time.process_time()
    windows = _windows([file for i, file in enumerate(files) if i % _HELD_OUT], max(counts))
    drawn = time.process_time() - start
    project = projection(windows[:100_000])
    queries = _features(_windows(files[::_HELD_OUT], 2 * QUERIES), project)[:QUERIES]
    vectors = _features(windows, project)
    sys.stdout.write(f"{len(windows)} windows drawn from {len(files)} photos in {drawn:.0f} s of the processor\n")
    _line("windows", "index", "MB", "build s", "(cpu)", "ask s", "(cpu)", "asked", "recall@1")
    for count in counts:
        _line(*_row(vectors[:count], queries))
    _refined(shards.photo(files[0], shards.Recipe("refined")))


def _row(vectors: Floats, queries: Floats) -> tuple[object, ...]:
    plan = indexes.choose(len(vectors), vectors.shape[1], _BUDGET)
    clock, cpu = time.perf_counter(), time.process_time()
    index = indexes.build(vectors, plan)
    built = time.perf_counter() - clock, time.process_time() - cpu
    clock, cpu = time.perf_counter(), time.process_time()
    nearest = indexes.search(index, queries, 9)[1][:_TRUTH, 0]
    asked = time.perf_counter() - clock, time.process_time() - cpu
    flat = indexes.build(vectors, indexes.Plan("Flat", "Flat", 0, 0))
    truth = indexes.search(flat, queries[:_TRUTH], 1)[1][:, 0]
    # Equal vectors may stand under two numbers: what counts is that the one found is as near.
    recall = np.mean(np.all(vectors[nearest] == vectors[truth], axis=1))
    return len(vectors), plan.factory, plan.bytes // 1_000_000, *built, *asked, len(queries), float(recall)


class _Timed(anchors.Anchors):
    """The learned memory, with the seconds spent searching added up in `spent`."""

    spent = 0.0

    def nearest(self, features: Floats) -> NDArray[np.intp]:
        begun = time.perf_counter()
        found = super().nearest(features)
        _Timed.spent += time.perf_counter() - begun
        return found


def _refined(photo: Pixels) -> None:
    """Windows per second of refined retrieval with the learned memory on 256 x 256 pixels, and the share of searching."""
    learned = anchors.load(spec.EMBEDDED / "mosaic-memory-x4.safetensors")
    memory = _Timed(learned.project, learned.anchors, learned.regressors)
    image = resize(as_floats(photo), (256, 256))
    refinement.refine(image, memory, 4, SILENT)
    _Timed.spent, begun = 0.0, time.perf_counter()
    refinement.refine(image, memory, 4, SILENT)
    seconds = time.perf_counter() - begun
    sys.stdout.write(
        f"refined, learned memory, 256 x 256: {seconds:.2f} s, {258 * 258 / seconds:,.0f} windows/s, "
        f"searching {_Timed.spent / seconds:.0%}\n"
    )


def _windows(files: Sequence[Path], count: int) -> Floats:
    """About `count` posed windows where there are so many, in random order."""
    recipe, share = shards.Recipe("refined"), -(-count // len(files))
    drawn = [
        retrieval.draw(shards.photo(file, recipe), share, np.random.default_rng(i)).windows
        for i, file in enumerate(files)
    ]
    return np.random.default_rng(0).permutation(np.concatenate(drawn))


def _features(windows: Floats, project: Floats) -> Floats:
    features = windows @ project.T
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return (features / np.maximum(length, retrieval.FLAT))[length[:, 0] > retrieval.FLAT]


def _line(*cells: object) -> None:
    texts = (f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells)
    sys.stdout.write("".join(f"{text:>15}" for text in texts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m sr_demo.benchmarks.mosaic")
    parser.add_argument("--photos", type=Path, help="folder of photos (default: those of scikit-image)")
    parser.add_argument("counts", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    given = parser.parse_args()
    main(sorted(given.photos.iterdir()) if given.photos else photos.bundled(), given.counts)
