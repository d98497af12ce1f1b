"""Small windows of luma for refined retrieval: features, residuals, and their sum with full overlap.

The feature of Zeyde et al. 2010 ("On single image scale-up using sparse-representations"), also used by A+ (Timofte et
al. 2014): first and second gradients, in both directions, of the bicubic enlargement over 3 x 3 LR pixels (4 x 144
numbers), reduced by PCA. Enlarging and gradients are linear in the 7 x 7 LR pixels that the window's bicubic reaches:
one small matrix P takes those 49 pixels straight to the feature. Legend: n = windows; d = length of a feature.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic.patch_database import SCALE
from sr_demo.image import bt601_luma
from sr_demo.imaging.resize import resize

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
SIDE = 3
"""LR pixels a window answers for, along one side."""
SEEN = 7
"""LR pixels a window looks at, along one side."""
RESIDUAL = (SIDE * SCALE) ** 2
_MARGIN = SEEN // 2
_RING = SIDE // 2
"""Windows are also centred this far outside the picture, so that every pixel is answered by all nine."""


def luma(image: Floats) -> Floats:
    """(H, W, 3) -> (H, W): full-range BT.601, 0..1."""
    return np.ascontiguousarray(bt601_luma(image))


def enlarge(plane: Floats, height: int, width: int) -> Floats:
    """A signed plane (h, w) in [-1, 1], bicubic, to (height, width). Bicubic weights sum to 1, so a shift is exact."""
    half = np.float32(0.5)
    return (resize(plane * half + half, (height, width)) - half) * np.float32(2)


def gradients() -> NDArray[np.float64]:
    """(576, 49): the gradients over a window, as a matrix that acts on the 7 x 7 LR pixels around it."""
    up = _bicubic(SEEN)
    low = (SEEN - SIDE) // 2 * SCALE
    high = low + SIDE * SCALE
    same = up[low:high]
    first = up[low + 1 : high + 1] - up[low - 1 : high - 1]
    second = (up[low + 2 : high + 2] - 2 * same + up[low - 2 : high - 2]) / 2
    pairs = ((same, first), (first, same), (same, second), (second, same))
    return np.concatenate([np.kron(rows, columns) for rows, columns in pairs]).astype(np.float64)


def _bicubic(length: int) -> NDArray[np.float64]:
    """(4 length, length): x4 enlargement of a line by Keys' cubic (1981), a = -0.5; pixels outside count as 0."""
    at = (np.arange(length * SCALE) + 0.5) / SCALE - 0.5
    t = np.abs(at[:, None] - np.arange(length))
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def projection(windows: Floats, most: int = 30, kept: float = 0.999) -> Floats:
    """P (d, 49): gradients, then the principal directions of these windows (n, 49) that hold `kept` of their energy."""
    g = gradients()
    covariance = g @ (windows.T.astype(np.float64) @ windows / len(windows)) @ g.T
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1], vectors[:, ::-1]
    # A direction's sign is arbitrary: fixed here, so that the same photos give the same file on every machine.
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))])
    count = min(int(np.searchsorted(np.cumsum(values) / values.sum(), kept)) + 1, most)
    return (vectors[:, :count].T @ g).astype(np.float32)


@dataclass(frozen=True)
class Explained:
    """Answers to n windows."""

    residuals: Floats
    """(n, 144)."""
    number: NDArray[np.int64]
    """(n,) the nearest memory; -1 where the window is flat and none was asked."""
    distance: Floats
    """(n,) squared distance of unit features to it, 0..4; 0 where none was asked."""


class Residuals(Protocol):
    """Answers windows of luma with what bicubic misses in them."""

    def explain(self, windows: Floats) -> Explained:
        """(n, 49) LR pixels of luma -> residuals of the 12 x 12 HR pixels in the middle, and who answered."""
        ...


@dataclass(frozen=True)
class Rows:
    """Some rows of windows, all columns."""

    top: int
    """First row of windows, counted with the ring outside the picture."""
    count: int
    windows: Floats
    """(count * (W + 2), 49)."""


def rows_of(plane: Floats, most: int) -> Iterator[Rows]:
    """All windows of `plane` (H, W), ring included, in batches of whole rows with about `most` windows."""
    extended = np.pad(plane, _MARGIN + _RING, mode="edge")
    view = np.lib.stride_tricks.sliding_window_view(extended, (SEEN, SEEN))
    per = max(most // view.shape[1], 1)
    for top in range(0, view.shape[0], per):
        part = view[top : top + per]
        yield Rows(top, len(part), part.reshape(-1, SEEN * SEEN))


class Sum:
    """Adds up the overlapping residuals of a plane (H, W): each HR pixel is the mean of its nine windows' answers."""

    def __init__(self, height: int, width: int) -> None:
        ring = 2 * _RING
        self._cells = np.zeros((height + 2 * ring, SCALE, width + 2 * ring, SCALE), np.float32)
        self._width = width + ring

    def add(self, rows: Rows, residuals: Floats) -> None:
        """Residuals (count * (W + 2), 144) of the windows in `rows`."""
        split = residuals.reshape(rows.count, self._width, SIDE, SCALE, SIDE, SCALE)
        for a in range(SIDE):
            for b in range(SIDE):
                place = self._cells[rows.top + a : rows.top + a + rows.count, :, b : b + self._width]
                place += split[:, :, a, :, b, :].transpose(0, 2, 1, 3)

    def mean(self) -> Floats:
        """(4 H, 4 W)."""
        inner = self._cells[2 * _RING : -2 * _RING, :, 2 * _RING : -2 * _RING]
        return (inner.reshape(inner.shape[0] * SCALE, -1) / np.float32(SIDE * SIDE)).astype(np.float32, copy=False)
