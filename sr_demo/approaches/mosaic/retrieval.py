"""Residual retrieval: predicts what bicubic misses from the k most similar windows of a database's photos.

Windows are compared in their canonical version (see `dihedral`) by unit gradient features, and the mean residual is
scaled by the norm of the query's feature (contrast normalization, Freeman et al. 2002). Residuals are stored as 8-bit
numbers with one factor for each window. Legend: n = queried windows; N = windows of the database; d = length of a feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic import faiss_index
from sr_demo.approaches.mosaic.dihedral import to_canonical
from sr_demo.approaches.mosaic.patch_database import SCALE, PatchDatabase, Pixels, as_floats
from sr_demo.approaches.mosaic.windows import (
    INPUT_SIDE,
    OUTPUT_SIDE,
    RESIDUAL_SIZE,
    Floats,
    Ints,
    Predictions,
    fit_projection,
    luma,
    upsample,
)
from sr_demo.errors import BadInput
from sr_demo.imaging.resize import downscale, resize
from sr_demo.progress import Progress

WINDOWS = 240_000
"""Windows sampled from a database that was built without residuals."""
PHOTO_SCALES = (1.0, 0.7, 0.5)
"""Windows are sampled from each photo at these scales: a smaller version of a photo is sharper."""
SMALLEST = INPUT_SIDE * SCALE
"""Shortest side of a photo that holds a window, in pixels."""
FLAT = 0.02
"""Norm of a feature below which a window holds nothing to refine (a gradient of about one 8-bit step)."""
_TEMPERATURE = 0.1
"""The weight of a neighbour falls by e when its squared distance grows by this much over the nearest one's."""
_BUDGET = 1 << 30


@dataclass(frozen=True)
class WindowSample:
    """Windows sampled from one photo, in their canonical version."""

    windows: Floats
    """(n, 49)."""
    residuals: Floats
    """(n, 144), transformed as their windows."""
    places: Ints
    """(n, 3): index into `PHOTO_SCALES`, and the window's corner (y, x) in LR pixels of the photo at that scale."""


@dataclass(frozen=True)
class EncodedWindows:
    """Windows as a database stores them; flat ones are removed."""

    vectors: Floats
    """(n, d), unit features."""
    codes: NDArray[np.int8]
    """(n, 144)."""
    factors: Floats
    """(n,): the residual per unit of feature norm is codes * factor."""
    places: Ints
    """(n, 3), as in `WindowSample`."""


@dataclass(frozen=True)
class ResidualDatabase:
    """The residuals of a database's windows, and the index that finds them."""

    project: Floats
    """Feature projection P (d, 49)."""
    codes: NDArray[np.int8]
    """(N, 144)."""
    factors: Floats
    """(N,), as in `EncodedWindows`."""
    places: Ints
    """(N, 4): photo, then as in `WindowSample`. Windows of one photo are consecutive."""
    index: Any
    """FAISS index of the unit features."""

    def predict(self, windows: Floats, k: int, excluded: Sequence[int] = ()) -> Predictions:
        """Predict residuals as the weighted mean of the residuals of the nearest windows.

        Args:
            windows: (n, 49) windows of LR luma in [0, 1].
            k: Number of neighbours.
            excluded: Numbers of photos whose windows are not used.
        """
        canonical, transforms = to_canonical(windows)
        features = canonical @ self.project.T
        length = np.linalg.norm(features, axis=1)
        busy = np.flatnonzero(length > FLAT)
        out = np.zeros((len(windows), RESIDUAL_SIZE), np.float32)
        match, nearest = np.full(len(windows), -1, np.int64), np.zeros(len(windows), np.float32)
        if not len(busy):
            return Predictions(out, match, nearest)
        distance, number = faiss_index.search(
            self.index, features[busy] / length[busy, None], k, self.allowed_windows(excluded)
        )
        weight = np.exp((distance[:, :1] - distance) / _TEMPERATURE)
        weight *= length[busy, None] / weight.sum(axis=1, keepdims=True)
        weight *= self.factors[number]
        mixed = np.zeros((len(busy), RESIDUAL_SIZE), np.float32)
        for j in range(number.shape[1]):
            mixed += weight[:, j, None] * self.codes[number[:, j]]
        out[busy] = mixed
        match[busy], nearest[busy] = number[:, 0], np.maximum(distance[:, 0], 0)
        return Predictions(transforms.undo(out), match, nearest)

    def ranked(self, window: Floats, k: int, excluded: Sequence[int] = ()) -> tuple[NDArray[np.int64], Floats]:
        """Return the database windows nearest to one window, nearest first.

        Args:
            window: (49,) LR luma in [0, 1].
            k: Number of neighbours.
            excluded: Numbers of photos whose windows are not used.

        Returns:
            Numbers (k,) and squared distances (k,); both empty for a flat window.
        """
        features = to_canonical(window[None]).windows @ self.project.T
        length = float(np.linalg.norm(features))
        if length <= FLAT:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        distance, number = faiss_index.search(self.index, features / length, k, self.allowed_windows(excluded))
        return number[0], np.maximum(distance[0], 0)

    def allowed_windows(self, excluded: Sequence[int]) -> NDArray[np.bool_] | None:
        """Return which windows may be found, (N,); None for all, also if `excluded` contains all photos."""
        if not excluded:
            return None
        allowed = ~np.isin(self._photo, excluded)
        return allowed if allowed.any() else None

    @cached_property
    def _photo(self) -> Ints:
        return np.ascontiguousarray(self.places[:, 0])


@dataclass(frozen=True)
class NearestNeighbours:
    """A `windows.ResidualPredictor` that queries a `ResidualDatabase` for k neighbours."""

    database: ResidualDatabase
    k: int
    excluded: tuple[int, ...] = ()
    """Numbers of photos whose windows are not used."""

    def predict(self, windows: Floats) -> Predictions:
        """Predict the residuals of `windows` (n, 49); see `windows.ResidualPredictor`."""
        return self.database.predict(windows, self.k, self.excluded)


def build_residual_database(database: PatchDatabase, count: int, seed: int, progress: Progress) -> ResidualDatabase:
    """Sample windows from the photos of a database and index their residuals.

    Args:
        database: The photos.
        count: About how many windows are sampled.
        seed: Decides which ones.
        progress: Receives what is done so far.

    Raises:
        BadInput: No photo is large and detailed enough.
        Cancelled: Stop was pressed.
    """
    samples: list[WindowSample] = []
    photos = len(database.photos)
    for i in range(photos):
        progress(0.6 * i / photos, f"learning details from photo {i + 1} of {photos}")
        samples.append(sample_windows(database.hr(i), -(-count // photos), np.random.default_rng((seed, i))))
    windows = np.concatenate([sample.windows for sample in samples])
    if not len(windows):
        raise BadInput(f"The photos of this memory are too small or too smooth to refine with: {SMALLEST} pixels "
                       "on the shorter side are needed.")  # fmt: skip
    progress(0.6, "encoding what was learned")
    project = fit_projection(windows)
    parts = [encode_windows(sample, project) for sample in samples]
    vectors = np.concatenate([part.vectors for part in parts])
    places = [np.insert(part.places, 0, i, axis=1) for i, part in enumerate(parts)]
    progress(0.7, "indexing what was learned")
    index = faiss_index.build_index(vectors, faiss_index.choose_index(len(vectors), vectors.shape[1], _BUDGET))
    progress(1.0)
    return ResidualDatabase(
        project, np.concatenate([part.codes for part in parts]), np.concatenate([part.factors for part in parts]),
        np.concatenate(places), index,
    )  # fmt: skip


def sample_windows(hr: Pixels, count: int, rng: np.random.Generator) -> WindowSample:
    """Sample windows with some detail from one photo, at each of `PHOTO_SCALES`.

    Args:
        hr: (H, W, 3) uint8.
        count: About how many windows; fewer where the photo has fewer.
        rng: Decides which ones.
    """
    parts: list[WindowSample] = []
    photo = luma(as_floats(np.asarray(hr)))
    for number, scale in enumerate(PHOTO_SCALES):
        height, width = (round(side * scale) // SCALE * SCALE for side in hr.shape[:2])
        if min(height, width) >= SMALLEST:
            scaled = photo[:height, :width] if scale == 1 else resize(photo, (height, width))
            parts.append(_sample_at_scale(scaled, number, -(-count // len(PHOTO_SCALES)), rng))
    if not parts:
        none = np.empty((0, INPUT_SIDE**2), np.float32)
        return WindowSample(none, np.empty((0, RESIDUAL_SIZE), np.float32), np.empty((0, 3), np.int32))
    return WindowSample(
        np.concatenate([part.windows for part in parts]),
        np.concatenate([part.residuals for part in parts]),
        np.concatenate([part.places for part in parts]),
    )


def _sample_at_scale(hr: Floats, scale: int, count: int, rng: np.random.Generator) -> WindowSample:
    """Sample at most `count` windows of the luma plane `hr` (H, W), which is the photo at `PHOTO_SCALES[scale]`."""
    lr = downscale(hr, SCALE)
    residual = hr - upsample(lr, *hr.shape)
    view = np.lib.stride_tricks.sliding_window_view(lr, (INPUT_SIDE, INPUT_SIDE))
    busy = np.flatnonzero(view.std(axis=(2, 3)).ravel() > FLAT / 2)
    y, x = np.divmod(np.sort(rng.choice(busy, min(count, len(busy)), replace=False)), view.shape[1])
    margin, side = (INPUT_SIDE - OUTPUT_SIDE) // 2, OUTPUT_SIDE * SCALE
    residual_view = np.lib.stride_tricks.sliding_window_view(residual, (side, side))
    windows, transforms = to_canonical(view[y, x].reshape(-1, INPUT_SIDE**2))
    residuals = residual_view[(y + margin) * SCALE, (x + margin) * SCALE].reshape(-1, RESIDUAL_SIZE)
    places = np.stack([np.full(len(y), scale), y, x], axis=1).astype(np.int32)
    return WindowSample(windows, transforms.apply(residuals), places)


def encode_windows(sample: WindowSample, project: Floats) -> EncodedWindows:
    """Encode sampled windows as a database stores them, with features by the projection `project` (d, 49)."""
    # In float64 and then rounded: the same numbers whatever the number of threads of the matrix product.
    features = (sample.windows.astype(np.float64) @ project.T.astype(np.float64)).astype(np.float32)
    length = np.sqrt(np.einsum("ij,ij->i", features, features))
    busy = length > FLAT
    features, length, residuals = features[busy], length[busy], sample.residuals[busy]
    unit = residuals / length[:, None]
    factors = (np.maximum(np.abs(unit).max(axis=1), 1e-9) / 127).astype(np.float32)
    codes = np.rint(unit / factors[:, None]).astype(np.int8)
    return EncodedWindows(features / length[:, None], codes, factors, sample.places[busy])
