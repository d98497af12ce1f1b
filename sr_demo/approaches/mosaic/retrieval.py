"""Residuals from memory: what bicubic misses, answered by the k most similar windows of the memory's photos.

Windows are compared by gradient features divided by their length, and the residual is scaled back by the length of the
query (contrast normalisation, Freeman et al. 2002). Residuals are kept as 8-bit numbers with one factor per window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic import index as indexes
from sr_demo.approaches.mosaic.memory import SCALE, Memory, as_floats
from sr_demo.approaches.mosaic.windows import RESIDUAL, SEEN, SIDE, Floats, enlarge, luma, projection
from sr_demo.errors import BadInput
from sr_demo.progress import Progress

WINDOWS = 240_000
"""Windows taken from a memory, turned and mirrored ones included."""
FLAT = 0.02
"""Length of a feature below which a window holds nothing to refine (a gradient of about one 8-bit step)."""
_SHARP = 0.1
"""Weights of neighbours fall by e when the squared distance grows by this much over the nearest."""
_BUDGET = 1 << 30


class Residuals(Protocol):
    """Answers windows of luma with what bicubic misses in them."""

    def answer(self, windows: Floats) -> Floats:
        """(n, 49) LR pixels of luma -> (n, 144) residuals of the 12 x 12 HR pixels in the middle."""
        ...


@dataclass(frozen=True)
class Examples:
    """Residuals of a memory's windows and the index to find them. Made by `learn`."""

    project: Floats
    """P (d, 49)."""
    codes: NDArray[np.int8]
    """(N, 144)."""
    factors: Floats
    """(N,): residual per unit of feature length = codes * factor."""
    index: Any

    def nearest(self, windows: Floats, k: int) -> Floats:
        """The weighted mean of the residuals of the k nearest windows, (n, 144); zero where the window is flat."""
        features = windows @ self.project.T
        length = np.linalg.norm(features, axis=1)
        busy = np.flatnonzero(length > FLAT)
        out = np.zeros((len(windows), RESIDUAL), np.float32)
        if not len(busy):
            return out
        distance, number = indexes.search(self.index, features[busy] / length[busy, None], k)
        weight = np.exp((distance[:, :1] - distance) / _SHARP)
        weight *= length[busy, None] / weight.sum(axis=1, keepdims=True)
        weight *= self.factors[number]
        mixed = np.zeros((len(busy), RESIDUAL), np.float32)
        for j in range(number.shape[1]):
            mixed += weight[:, j, None] * self.codes[number[:, j]]
        out[busy] = mixed
        return out


@dataclass(frozen=True)
class Nearest:
    """`Examples` asked for k neighbours."""

    examples: Examples
    k: int

    def answer(self, windows: Floats) -> Floats:
        """See `Residuals`."""
        return self.examples.nearest(windows, self.k)


def learn(memory: Memory, count: int, seed: int, progress: Progress) -> Examples:
    """Examples from about `count` windows of `memory`, drawn by `seed`, each photo in its eight orientations."""
    rng = np.random.default_rng(seed)
    areas = np.array([photo.height * photo.width for photo in memory.photos], float)
    windows: list[Floats] = []
    residuals: list[Floats] = []
    for i, area in enumerate(areas):
        progress(0.6 * i / len(areas), f"learning details from photo {i + 1} of {len(areas)}")
        seen, missed = windows_of(memory, i, round(count * area / areas.sum()), rng)
        windows.append(seen)
        residuals.append(missed)
    return _examples(np.concatenate(windows), np.concatenate(residuals), progress.part(0.6, 1))


def windows_of(memory: Memory, photo: int, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """About `count` windows of a photo in its eight orientations, (n, 49), and their residuals, (n, 144)."""
    hr, lr = (luma(as_floats(side)) for side in (memory.hr(photo), memory.lr(photo)))
    missed = hr - enlarge(lr, *hr.shape)
    drawn = [_draw(_turned(lr, turn), _turned(missed, turn), max(count // 8, 1), rng) for turn in range(8)]
    return np.concatenate([seen for seen, _ in drawn]), np.concatenate([rest for _, rest in drawn])


def _turned(plane: Floats, turn: int) -> Floats:
    """One of the eight orientations of a plane; 0 is the plane itself."""
    return np.rot90(plane.T if turn >= 4 else plane, turn % 4)


def _draw(lr: Floats, missed: Floats, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """About `count` windows that lie inside, (n, 49), and their residuals, (n, 144)."""
    margin = (SEEN - SIDE) // 2
    height, width = lr.shape[0] - SEEN + 1, lr.shape[1] - SEEN + 1
    if min(height, width) < 1:
        return np.empty((0, SEEN**2), np.float32), np.empty((0, RESIDUAL), np.float32)
    count = min(count, height * width)
    y, x = np.divmod(np.sort(rng.choice(height * width, count, replace=False)), width)
    seen = np.lib.stride_tricks.sliding_window_view(lr, (SEEN, SEEN))[y, x]
    side = SIDE * SCALE
    view = np.lib.stride_tricks.sliding_window_view(missed, (side, side))
    residuals = view[(y + margin) * SCALE, (x + margin) * SCALE]
    return seen.reshape(count, -1), residuals.reshape(count, -1)


def _examples(windows: Floats, residuals: Floats, progress: Progress) -> Examples:
    if not len(windows):
        raise BadInput(f"The photos of this memory are too small to refine with: {SEEN * SCALE} pixels are needed.")
    progress(0.0, "sorting what was learned")
    project = projection(windows)
    features = windows @ project.T
    length = np.linalg.norm(features, axis=1)
    busy = length > FLAT
    if not busy.any():
        busy[:] = True
    features, length, residuals = features[busy], np.maximum(length[busy], FLAT), residuals[busy]
    unit = residuals / length[:, None]
    factors = np.maximum(np.abs(unit).max(axis=1), 1e-9) / 127
    codes = np.rint(unit / factors[:, None]).astype(np.int8)
    vectors = features / length[:, None]
    progress(0.3, "indexing what was learned")
    index = indexes.build(vectors, indexes.choose(len(vectors), vectors.shape[1], _BUDGET))
    progress(1.0)
    return Examples(project, codes, factors, index)
