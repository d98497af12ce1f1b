"""Estimation of an image's JPEG quality, from the quantization table of its file or from the pixels alone.

JPEG rounds the DCT coefficients of blocks of 8 x 8 pixels to multiples of a step. The multiples stay visible after decoding.
The most likely step is found for each low frequency, as in Fan and de Queiroz 2003 ("Identification of Bitmap Compression
History", IEEE Transactions on Image Processing 12(2)); the estimate is the quality whose table is nearest to these steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_LUMA_TABLE = np.array([
    [16, 11, 10, 16], [12, 12, 14, 19], [14, 13, 16, 24], [14, 17, 22, 29],
])  # fmt: skip
"""Low frequencies of the table for quality 50 (ITU-T T.81, table K.1): rows are vertical frequencies."""
_FREQUENCIES = tuple((u, v) for u in range(4) for v in range(4) if 1 <= u + v <= 3)
_ERROR = 0.6
"""Standard deviation, in levels, of decoded coefficients around multiples of their step, since pixels are rounded."""
_OUTLIERS = 0.05
_LARGEST_STEP = 121
_LEAST_GAIN = 15.0
"""Log-likelihood ratio of quantized to unquantized coefficients above which the step of a frequency counts as found."""
_LEAST_STEPS = 3
_ENOUGH = 60
"""Number of coefficients of a frequency that suffices for a step to show."""
_MOST_BLOCKS = 1200
"""Largest number of analysed blocks; more would not find the steps better."""
_MOST_GRADIENT = 20.0
"""Clipping level of pixel differences in the search for the block grid; edges of the scene would dominate otherwise."""
_ANGLES = (2 * np.arange(8)[None] + 1) * np.arange(8)[:, None] * np.pi / 16
_DCT = np.sqrt(np.where(np.arange(8) == 0, 1, 2)[:, None] / 8) * np.cos(_ANGLES)
"""Orthonormal DCT, so that coefficients are in the units of the tables."""


class _Found(NamedTuple):
    """The steps found for one position of the block grid."""

    gain: float
    steps: dict[tuple[int, int], float]
    looked_at: int
    """Number of frequencies with enough coefficients for a step to show."""


class Traces(NamedTuple):
    """Traces of JPEG compression in the pixels of an image."""

    quality: int | None
    """1 to about 95; None if no steps are found: never compressed as JPEG, resized afterwards, or too little texture."""
    conclusive: bool
    """Whether the image has enough texture for steps to show if there are any."""


def quality_of_table(table: NDArray[np.float64]) -> int:
    """Return the quality, 1 to 100, whose low frequencies are nearest to those of an (8, 8) table of luma steps."""
    return _nearest({at: float(table[at]) for at in _FREQUENCIES})


def traces_in(luma: NDArray[np.float32]) -> Traces:
    """Return the traces of JPEG compression in an image.

    Args:
        luma: (H, W) in levels of 0 to 255.
    """
    if min(luma.shape) < 16:
        return Traces(None, conclusive=False)
    centred = luma - 128
    found = max((_steps(centred, *offset) for offset in _offsets(centred)), key=lambda one: one.gain)
    quality = _nearest(found.steps) if len(found.steps) >= _LEAST_STEPS else None
    return Traces(quality, conclusive=quality is not None or found.looked_at >= len(_FREQUENCIES) - 1)


def _offsets(luma: NDArray[np.float32]) -> set[tuple[int, int]]:
    """Return the candidate positions (row, column) of the block grid: the corner, and where the grid is most visible."""
    profiles = [np.minimum(np.abs(np.diff(luma, axis=axis)), _MOST_GRADIENT).mean(axis=1 - axis) for axis in (0, 1)]
    row, column = (int(np.argmax([profile[i::8].mean() for i in range(8)]) + 1) % 8 for profile in profiles)
    return {(0, 0), (row, column)}


def _steps(luma: NDArray[np.float32], row: int, column: int) -> _Found:
    """Find the most likely step of each low frequency, for blocks that begin at (row, column)."""
    part = luma[row:, column:]
    rows, columns = part.shape[0] // 8, part.shape[1] // 8
    blocks = part[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3).reshape(-1, 8, 8)
    blocks = blocks[:: -(-len(blocks) // _MOST_BLOCKS) or 1]
    coefficients = np.abs(_DCT[:4] @ blocks @ _DCT[:4].T).astype(np.float32)
    steps: dict[tuple[int, int], float] = {}
    total, looked_at = 0.0, 0
    for u, v in _FREQUENCIES:
        values = coefficients[:, u, v]
        values = values[values > 1]
        if len(values) < 10:
            continue
        looked_at += len(values) >= _ENOUGH
        largest = max(int(min(2 * np.quantile(values, 0.98), _LARGEST_STEP)), 3)
        candidates = np.arange(2, largest, dtype=np.float32)[:, None]
        residual = values - candidates * np.rint(values / candidates)
        density = np.exp(residual**2 / (-2 * _ERROR**2)) / (_ERROR * np.sqrt(2 * np.pi))
        # Likelihood ratio to a uniform distribution between two multiples. Values that round to 0 are no evidence.
        ratio = np.log((1 - _OUTLIERS) * candidates * density + _OUTLIERS) * (values > candidates / 2)
        gains = ratio.sum(axis=1)
        best = int(gains.argmax()) if len(gains) else 0
        if len(gains) and gains[best] > _LEAST_GAIN:
            steps[u, v] = float(candidates[best, 0])
            total += float(gains[best])
    return _Found(total, steps, looked_at)


def _nearest(steps: dict[tuple[int, int], float]) -> int:
    """Return the quality whose table is nearest to the steps; the mean of all qualities that are equally near."""
    qualities = np.arange(1, 101)
    scale = np.where(qualities < 50, 5000 / qualities, 200 - 2 * qualities)
    distances = np.zeros(len(qualities))
    for at, step in steps.items():
        tables = np.clip(np.floor((_LUMA_TABLE[at] * scale + 50) / 100), 1, 255)  # as libjpeg scales them
        distances += np.abs(np.log(step / tables))
    return round(float(qualities[distances <= distances.min() + 1e-9].mean()))
