"""Residuals from memory: what bicubic misses, answered by the k most similar windows of the memory's photos.

Windows are brought into one of sixteen equivalent poses (see `anchors`), compared by gradient features divided by their
length, and the residual is scaled back by the length of the query (contrast normalisation, Freeman et al. 2002).
Residuals are kept as 8-bit numbers with one factor per window. Legend: n = windows asked; N = windows remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic import faiss_index as indexes
from sr_demo.approaches.mosaic.anchors import pose
from sr_demo.approaches.mosaic.patch_database import SCALE, PatchDatabase, Pixels, as_floats
from sr_demo.approaches.mosaic.windows import RESIDUAL, SEEN, SIDE, Explained, Floats, Ints, enlarge, luma, projection
from sr_demo.errors import BadInput
from sr_demo.imaging.resize import downscale, resize
from sr_demo.progress import Progress

WINDOWS = 240_000
"""Windows taken from a memory."""
SIZES = (1.0, 0.7, 0.5)
"""Photos are also shrunk before windows are drawn: smaller pictures are sharper."""
SMALLEST = SEEN * SCALE
"""Shortest side of a photo that holds a window, in pixels."""
FLAT = 0.02
"""Length of a feature below which a window holds nothing to refine (a gradient of about one 8-bit step)."""
_SHARP = 0.1
"""Weights of neighbours fall by e when the squared distance grows by this much over the nearest."""
_BUDGET = 1 << 30


@dataclass(frozen=True)
class Drawn:
    """Windows of one photo."""

    windows: Floats
    """(n, 49), posed."""
    residuals: Floats
    """(n, 144), posed alike."""
    places: Ints
    """(n, 3): number of the size, and the window's corner in LR pixels of the photo at that size."""


@dataclass(frozen=True)
class Encoded:
    """Windows as they are remembered; flat ones are gone."""

    vectors: Floats
    """(n, d), length 1."""
    codes: NDArray[np.int8]
    """(n, 144)."""
    factors: Floats
    """(n,): residual per unit of feature length = codes * factor."""
    places: Ints


@dataclass(frozen=True)
class Examples:
    """Residuals of a memory's windows and the index to find them. Made by `learn`, or read from a built memory."""

    project: Floats
    """P (d, 49)."""
    codes: NDArray[np.int8]
    factors: Floats
    places: Ints
    """(N, 4): photo, then as in `Drawn`. Windows of one photo are neighbours."""
    index: Any

    def nearest(self, windows: Floats, k: int, without: Sequence[int] = ()) -> Explained:
        """The weighted mean of the residuals of the `k` nearest windows, those of photos `without` left out."""
        posed, poses = pose(windows)
        features = posed @ self.project.T
        length = np.linalg.norm(features, axis=1)
        busy = np.flatnonzero(length > FLAT)
        out = np.zeros((len(windows), RESIDUAL), np.float32)
        who, far = np.full(len(windows), -1, np.int64), np.zeros(len(windows), np.float32)
        if not len(busy):
            return Explained(out, who, far)
        allowed = self.allowed(without)
        distance, number = indexes.search(self.index, features[busy] / length[busy, None], k, allowed)
        weight = np.exp((distance[:, :1] - distance) / _SHARP)
        weight *= length[busy, None] / weight.sum(axis=1, keepdims=True)
        weight *= self.factors[number]
        mixed = np.zeros((len(busy), RESIDUAL), np.float32)
        for j in range(number.shape[1]):
            mixed += weight[:, j, None] * self.codes[number[:, j]]
        out[busy] = mixed
        who[busy], far[busy] = number[:, 0], np.maximum(distance[:, 0], 0)
        return Explained(poses.undo(out), who, far)

    def ranked(self, window: Floats, k: int, without: Sequence[int] = ()) -> tuple[NDArray[np.int64], Floats]:
        """Numbers and squared distances of the memories nearest to one window (49,), nearest first; none if flat."""
        features = pose(window[None])[0] @ self.project.T
        length = float(np.linalg.norm(features))
        if length <= FLAT:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        distance, number = indexes.search(self.index, features / length, k, self.allowed(without))
        return number[0], np.maximum(distance[0], 0)

    def allowed(self, without: Sequence[int]) -> NDArray[np.bool_] | None:
        """(N,) which windows may answer; None for all."""
        if not without:
            return None
        allowed = ~np.isin(self._photo, without)
        return allowed if allowed.any() else None

    @cached_property
    def _photo(self) -> Ints:
        return np.ascontiguousarray(self.places[:, 0])


@dataclass(frozen=True)
class Nearest:
    """`Examples` asked for k neighbours."""

    examples: Examples
    k: int
    without: tuple[int, ...] = ()
    """Photos that do not answer."""

    def explain(self, windows: Floats) -> Explained:
        """See `Residuals`."""
        return self.examples.nearest(windows, self.k, self.without)


def learn(memory: PatchDatabase, count: int, seed: int, progress: Progress) -> Examples:
    """Examples from about `count` windows of `memory`, drawn by `seed`. Raises BadInput when the photos are too small."""
    drawn: list[Drawn] = []
    photos = len(memory.photos)
    for i in range(photos):
        progress(0.6 * i / photos, f"learning details from photo {i + 1} of {photos}")
        drawn.append(draw(memory.hr(i), -(-count // photos), np.random.default_rng((seed, i))))
    windows = np.concatenate([d.windows for d in drawn])
    if not len(windows):
        raise BadInput(f"The photos of this memory are too small or too smooth to refine with: {SMALLEST} pixels "
                       "on the shorter side are needed.")  # fmt: skip
    progress(0.6, "sorting what was learned")
    project = projection(windows)
    parts = [encode(d, project) for d in drawn]
    vectors = np.concatenate([part.vectors for part in parts])
    places = [np.insert(part.places, 0, i, axis=1) for i, part in enumerate(parts)]
    progress(0.7, "indexing what was learned")
    index = indexes.build(vectors, indexes.choose(len(vectors), vectors.shape[1], _BUDGET))
    progress(1.0)
    return Examples(
        project, np.concatenate([part.codes for part in parts]), np.concatenate([part.factors for part in parts]),
        np.concatenate(places), index,
    )  # fmt: skip


def draw(hr: Pixels, count: int, rng: np.random.Generator) -> Drawn:
    """About `count` busy windows of the photo `hr` (H, W, 3), drawn by `rng` from its `SIZES`; fewer where it has fewer."""
    parts: list[Drawn] = []
    photo = luma(as_floats(np.asarray(hr)))
    for number, size in enumerate(SIZES):
        height, width = (round(side * size) // SCALE * SCALE for side in hr.shape[:2])
        if min(height, width) >= SMALLEST:
            at_size = photo[:height, :width] if size == 1 else resize(photo, (height, width))
            parts.append(_draw(at_size, number, -(-count // len(SIZES)), rng))
    if not parts:
        nothing = np.empty((0, SEEN**2), np.float32)
        return Drawn(nothing, np.empty((0, RESIDUAL), np.float32), np.empty((0, 3), np.int32))
    return Drawn(
        np.concatenate([part.windows for part in parts]),
        np.concatenate([part.residuals for part in parts]),
        np.concatenate([part.places for part in parts]),
    )


def _draw(hr: Floats, size: int, count: int, rng: np.random.Generator) -> Drawn:
    lr = downscale(hr, SCALE)
    missed = hr - enlarge(lr, *hr.shape)
    view = np.lib.stride_tricks.sliding_window_view(lr, (SEEN, SEEN))
    busy = np.flatnonzero(view.std(axis=(2, 3)).ravel() > FLAT / 2)
    y, x = np.divmod(np.sort(rng.choice(busy, min(count, len(busy)), replace=False)), view.shape[1])
    margin, side = (SEEN - SIDE) // 2, SIDE * SCALE
    cut = np.lib.stride_tricks.sliding_window_view(missed, (side, side))
    windows, poses = pose(view[y, x].reshape(-1, SEEN**2))
    residuals = cut[(y + margin) * SCALE, (x + margin) * SCALE].reshape(-1, RESIDUAL)
    places = np.stack([np.full(len(y), size), y, x], axis=1).astype(np.int32)
    return Drawn(windows, poses.apply(residuals), places)


def encode(drawn: Drawn, project: Floats) -> Encoded:
    """`drawn` as it is remembered, with features by `project` (d, 49)."""
    # In float64 and then rounded: the same numbers whatever the number of threads of the matrix product.
    features = (drawn.windows.astype(np.float64) @ project.T.astype(np.float64)).astype(np.float32)
    length = np.sqrt(np.einsum("ij,ij->i", features, features))
    busy = length > FLAT
    features, length, residuals = features[busy], length[busy], drawn.residuals[busy]
    unit = residuals / length[:, None]
    factors = (np.maximum(np.abs(unit).max(axis=1), 1e-9) / 127).astype(np.float32)
    codes = np.rint(unit / factors[:, None]).astype(np.int8)
    return Encoded(features / length[:, None], codes, factors, drawn.places[busy])
