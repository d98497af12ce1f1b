"""Windows of LR luma for refined retrieval: their features, predicted residuals, and the mean of overlapping predictions.

The feature of Zeyde et al. 2010 ("On single image scale-up using sparse-representations"), also used by A+ (Timofte et
al. 2014): first and second gradients, in both directions, of the bicubic enlargement over 3 x 3 LR pixels (4 x 144
numbers), reduced by PCA. Upsampling and gradients are linear in the 7 x 7 LR pixels under the bicubic kernel of the
window: one small matrix P takes those 49 pixels straight to the feature.

Legend: n = windows; d = length of a feature; H, W = height and width of the LR image.
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
INPUT_SIDE = 7
"""Side of the window that is read, in LR pixels."""
OUTPUT_SIDE = 3
"""Side of the central part of a window whose residual is predicted, in LR pixels."""
RESIDUAL_SIZE = (OUTPUT_SIDE * SCALE) ** 2
"""HR pixels of one predicted residual."""
_MARGIN = INPUT_SIDE // 2
_RING = OUTPUT_SIDE // 2
"""Windows are also centred this far outside the image, so that nine windows predict every pixel."""


def luma(image: Floats) -> Floats:
    """Return the BT.601 luma of an image, full range: (H, W, 3) in [0, 1] -> (H, W) in [0, 1]."""
    return np.ascontiguousarray(bt601_luma(image))


def upsample(plane: Floats, height: int, width: int) -> Floats:
    """Upsample a signed plane with bicubic.

    Args:
        plane: (h, w) float32 in [-1, 1].
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        (height, width) float32.
    """
    # `resize` takes [0, 1]. Bicubic weights sum to 1, so that shifting and scaling is exact.
    half = np.float32(0.5)
    return (resize(plane * half + half, (height, width)) - half) * np.float32(2)


def gradient_matrix() -> NDArray[np.float64]:
    """Return the matrix (576, 49) that takes the 7 x 7 LR pixels of a window to the gradients of its enlargement."""
    up = _bicubic_matrix(INPUT_SIDE)
    low = (INPUT_SIDE - OUTPUT_SIDE) // 2 * SCALE
    high = low + OUTPUT_SIDE * SCALE
    same = up[low:high]
    first = up[low + 1 : high + 1] - up[low - 1 : high - 1]
    second = (up[low + 2 : high + 2] - 2 * same + up[low - 2 : high - 2]) / 2
    pairs = ((same, first), (first, same), (same, second), (second, same))
    return np.concatenate([np.kron(rows, columns) for rows, columns in pairs]).astype(np.float64)


def _bicubic_matrix(length: int) -> NDArray[np.float64]:
    """Return the (4 length, length) matrix of x4 bicubic (Keys 1981, a = -0.5) on a line; pixels outside count as 0."""
    at = (np.arange(length * SCALE) + 0.5) / SCALE - 0.5
    t = np.abs(at[:, None] - np.arange(length))
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def fit_projection(windows: Floats, most: int = 30, kept: float = 0.999) -> Floats:
    """Return the feature projection P (d, 49): the gradients followed by their PCA.

    Args:
        windows: (n, 49) windows of luma from which the principal directions are computed.
        most: Largest length d of a feature.
        kept: Share of the windows' gradient energy that the directions hold, in (0, 1].

    Returns:
        (d, 49) float32, the same for the same windows on every machine.
    """
    g = gradient_matrix()
    covariance = g @ (windows.T.astype(np.float64) @ windows / len(windows)) @ g.T
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1], vectors[:, ::-1]
    # The sign of a direction is arbitrary: fixed, so that the same photos give the same file on every machine.
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))])
    count = min(int(np.searchsorted(np.cumsum(values) / values.sum(), kept)) + 1, most)
    return (vectors[:, :count].T @ g).astype(np.float32)


@dataclass(frozen=True)
class Predictions:
    """Predicted residuals of n windows, and the nearest database entry of each."""

    residuals: Floats
    """(n, 144)."""
    match: NDArray[np.int64]
    """(n,) number of the nearest entry; -1 where the window is flat and was not queried."""
    distance: Floats
    """(n,) squared distance between the unit features of window and entry, in [0, 4]; 0 where not queried."""


class ResidualPredictor(Protocol):
    """Predicts what bicubic misses in windows of luma."""

    def predict(self, windows: Floats) -> Predictions:
        """Predict the residuals of the central 12 x 12 HR pixels of `windows`, (n, 49) LR luma in [0, 1]."""
        ...


@dataclass(frozen=True)
class WindowRows:
    """Some rows of windows, all columns."""

    top: int
    """First row of windows, counted from the ring outside the image."""
    count: int
    """Number of rows."""
    windows: Floats
    """(count * (W + 2), 49)."""


def window_rows(plane: Floats, most: int) -> Iterator[WindowRows]:
    """Yield all windows of a plane, ring included, in batches of whole rows.

    Args:
        plane: (H, W) luma in [0, 1].
        most: About how many windows a batch holds; at least one row.
    """
    extended = np.pad(plane, _MARGIN + _RING, mode="edge")
    view = np.lib.stride_tricks.sliding_window_view(extended, (INPUT_SIDE, INPUT_SIDE))
    per_batch = max(most // view.shape[1], 1)
    for top in range(0, view.shape[0], per_batch):
        part = view[top : top + per_batch]
        yield WindowRows(top, len(part), part.reshape(-1, INPUT_SIDE * INPUT_SIDE))


class OverlapMean:
    """Accumulates the overlapping residuals of a plane (H, W): each HR pixel is the mean of nine windows' predictions."""

    def __init__(self, height: int, width: int) -> None:
        ring = 2 * _RING
        self._cells = np.zeros((height + 2 * ring, SCALE, width + 2 * ring, SCALE), np.float32)
        self._width = width + ring

    def add(self, rows: WindowRows, residuals: Floats) -> None:
        """Add the residuals (count * (W + 2), 144) of the windows in `rows`."""
        split = residuals.reshape(rows.count, self._width, OUTPUT_SIDE, SCALE, OUTPUT_SIDE, SCALE)
        for a in range(OUTPUT_SIDE):
            for b in range(OUTPUT_SIDE):
                place = self._cells[rows.top + a : rows.top + a + rows.count, :, b : b + self._width]
                place += split[:, :, a, :, b, :].transpose(0, 2, 1, 3)

    def mean(self) -> Floats:
        """Return the mean of the residuals added so far, (4 H, 4 W)."""
        inner = self._cells[2 * _RING : -2 * _RING, :, 2 * _RING : -2 * _RING]
        flat = inner.reshape(inner.shape[0] * SCALE, -1)
        return (flat / np.float32(OUTPUT_SIDE * OUTPUT_SIDE)).astype(np.float32, copy=False)
