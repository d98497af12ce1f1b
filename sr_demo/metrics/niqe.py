"""NIQE (own fit): the distance of an image's local statistics from those of clean photos, without a reference.

Implemented from Mittal, Soundararajan and Bovik, "Making a completely blind image quality analyzer", IEEE SPL 20(3), 2013.
The model of clean photos is our own fit (`weights/measures/niqe-own-fit.json`), so that values differ from those of the
published model. Lower values mean more natural statistics, but do not prove a natural image.
Legend: B = blocks; p = side of a block; H, W = height and width in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import lgamma
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import WeightsUnavailable
from sr_demo.image import Pixels, Size, bt601_luma, quantize, readonly
from sr_demo.imaging.resize import resize
from sr_demo.system import large_array

BLOCK = 96
"""Side of a block in pixels, as in the paper; half of it at the second scale."""
FEATURES = 36
"""Features per block: 18 at each of two scales."""
FIT = Path(__file__).resolve().parents[2] / "weights" / "measures" / "niqe-own-fit.npz"

_WINDOW, _SIGMA = 7, 7 / 6
"""Gaussian window of the local mean and deviation (paper, section II.A: 7 x 7, three deviations to each side)."""
_MARGIN = 16
"""Rows read beyond a band: at least 3 for the window, and 2 * 3 + 4 for the downscaled image; even for the factor 2."""
_BAND = 8
"""Rows of blocks that are processed at once, to keep copies small."""
_MOST = 400
"""Largest number of measured blocks (3.7 megapixels); in larger images, evenly spread rows of blocks are measured."""
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Offsets (down, right) of the horizontal, vertical and both diagonal neighbours."""

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class NssModel:
    """The model of clean photos: a multivariate normal distribution of block features."""

    mean: Doubles
    """Mean, (36,)."""
    covariance: Doubles
    """Covariance, (36, 36)."""


@dataclass(frozen=True)
class Blocks:
    """Measurements of the blocks of one image."""

    features: Doubles
    """(B, 36); rows of flat blocks hold values that are not finite."""
    sharpness: Doubles
    """(B,): mean local deviation, in levels of 0 to 255."""


@dataclass(frozen=True)
class Niqe:
    """The score of one image, or the reason why it has none."""

    value: float | None
    reason: str = ""
    """One sentence if `value` is None."""


def niqe(image: Pixels, natural: NssModel | None = None) -> Niqe:
    """Score an image on its 8-bit luma.

    Args:
        image: (H, W, 3) in [0, 1].
        natural: The model of clean photos; None for the embedded one.

    Returns:
        The distance from clean photos: about 3 to 20; 0 for the mean of clean photos.

    Raises:
        WeightsUnavailable: The embedded model is missing.
    """
    height, width = Size.of(image)
    if min(height, width) < BLOCK:
        return Niqe(None, f"NIQE needs {BLOCK} x {BLOCK} pixels at least; this picture has {width} x {height}.")
    found = blocks(image).features
    found = found[np.isfinite(found).all(axis=1)]
    if not len(found):
        return Niqe(None, "NIQE compares texture, and this picture has none: it is flat everywhere.")
    return Niqe(distance(found, natural or own_fit()))


def distance(features: Doubles, natural: NssModel) -> float:
    """Return sqrt(d' ((S1 + S2) / 2)^+ d) between features (B, 36) of an image and `natural` (paper, equation 10).

    The covariance of a single block is defined as zero.
    """
    away = features.mean(axis=0) - natural.mean
    own = np.cov(features, rowvar=False) if len(features) > 1 else np.zeros_like(natural.covariance)
    return float(np.sqrt(away @ np.linalg.pinv((own + natural.covariance) / 2) @ away))


def blocks(image: Pixels) -> Blocks:
    """Measure the blocks of `image` (H, W, 3), at least 96 x 96, from the top left corner.

    In an image of more than 400 blocks, evenly spread rows are measured, the same for all images of this size.
    """
    down, across = image.shape[0] // BLOCK, image.shape[1] // BLOCK
    wanted = min(down, max(_MOST // across, 1))
    picked = [round(i * (down - 1) / max(wanted - 1, 1)) for i in range(wanted)]
    features: list[Doubles] = []
    sharpness: list[Doubles] = []
    for first, last in _runs(picked):
        for left in range(0, across, _MOST):
            right = min(left + _MOST, across)
            found = _part(image[: down * BLOCK, : across * BLOCK], (first, last), (left, right))
            features.append(found.features)
            sharpness.append(found.sharpness)
    return Blocks(np.concatenate(features), np.concatenate(sharpness))


def _part(image: Pixels, rows: tuple[int, int], columns: tuple[int, int]) -> Blocks:
    """Measure the blocks in the rows and columns [first, last) of blocks of `image`, whose sides are multiples of a block."""
    (top, down), (left, right) = (
        (max(first * BLOCK - _MARGIN, 0), slice(first * BLOCK, last * BLOCK)) for first, last in (rows, columns)
    )
    padded = image[top : down.stop + _MARGIN, left : right.stop + _MARGIN]
    luma = np.concatenate([_luma(padded[band]) for band in large_array.bands(padded)])
    inner = np.s_[down.start - top : down.stop - top, right.start - left : right.stop - left]
    normal, deviation = _normalised(luma)
    cut = _cut(normal[inner], BLOCK)
    half = resize(readonly(np.divide(luma, 255, dtype=np.float32)), Size(luma.shape[0] // 2, luma.shape[1] // 2))
    normal_half, _ = _normalised(half * np.float32(255))
    inner_half = np.s_[inner[0].start // 2 : inner[0].stop // 2, inner[1].start // 2 : inner[1].stop // 2]
    cut_half = _cut(normal_half[inner_half], BLOCK // 2)
    features = np.concatenate((_features(cut), _features(cut_half)), axis=1)
    return Blocks(features, _cut(deviation[inner], BLOCK).mean(axis=(1, 2), dtype=np.float64))


def _runs(rows: list[int]) -> Iterator[tuple[int, int]]:
    """Yield (first, last + 1) of groups of adjacent rows of blocks, at most `_BAND` rows each."""
    start = 0
    for i in range(1, len(rows) + 1):
        if i == len(rows) or rows[i] != rows[i - 1] + 1 or i - start == _BAND:
            yield rows[start], rows[i - 1] + 1
            start = i


def _luma(image: Pixels) -> Floats:
    return np.rint(bt601_luma(quantize(image).astype(np.float32)))


def _normalised(luma: Floats) -> tuple[Floats, Floats]:
    """Return (I - m) / (s + 1) and s, with local mean m and deviation s under the Gaussian window (paper, eq. 1 to 3)."""

    def mean(values: Floats) -> Floats:
        blurred = cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _SIGMA, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(blurred, np.float32)

    local = mean(luma)
    deviation = np.sqrt(np.abs(mean(luma * luma) - local * local), dtype=np.float32)
    return np.divide(luma - local, deviation + 1, dtype=np.float32), deviation


def _cut(plane: Floats, side: int) -> Floats:
    """Cut a plane into blocks row by row: (a * p, b * p) -> (a * b, p, p)."""
    down, across = plane.shape[0] // side, plane.shape[1] // side
    return plane.reshape(down, side, across, side).swapaxes(1, 2).reshape(-1, side, side)


def _features(cut: Floats) -> Doubles:
    """Return the features (B, 18) of normalised luma (B, p, p): shape, width; shape, mean and both widths of 4 products."""
    shape, left, right = fit_asymmetric(cut)
    columns = [shape, (left + right) / 2]
    for down, across in _NEIGHBOURS:
        one, other = (cut[:, down:, :], cut[:, : cut.shape[1] - down, :])
        if across > 0:
            one, other = one[:, :, across:], other[:, :, : cut.shape[2] - across]
        elif across < 0:
            one, other = one[:, :, :across], other[:, :, -across:]
        shape, left, right = fit_asymmetric(one * other)
        with np.errstate(invalid="ignore"):
            mean = (right - left) * np.exp(_log_gamma(2 / shape) - _log_gamma(1 / shape))
        columns += [shape, mean, left, right]
    return np.stack(columns, axis=1)


def fit_asymmetric(values: Floats) -> tuple[Doubles, Doubles, Doubles]:
    """Fit an asymmetric generalised Gaussian to each row of values by its moments.

    f(x) ~ exp(-(-x / left)^a) for x < 0 and exp(-(x / right)^a) otherwise (Lasmar, Stitou and Berthoumieu, ICIP 2009).

    Args:
        values: (B, ...).

    Returns:
        Shape a, left width and right width, each (B,); NaN where one side has no values.
    """
    flat = values.reshape(len(values), -1)
    count = flat.shape[1]
    low = np.minimum(flat, 0)
    left_count = np.count_nonzero(flat < 0, axis=1)
    right_count = np.count_nonzero(flat > 0, axis=1)
    left_sum = _dot(low, low)
    total = _dot(flat, flat)
    size = flat.sum(axis=1, dtype=np.float64) - 2 * low.sum(axis=1, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.sqrt(left_sum / left_count)
        right = np.sqrt(np.maximum(total - left_sum, 0) / right_count)
        skew = left / right
        ratio = (size / count) ** 2 / (total / count)
        wanted = ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
        shapes, ratios = _table()
        shape = np.where(np.isfinite(wanted), np.interp(wanted, ratios, shapes), np.nan)
        width = np.exp((_log_gamma(1 / shape) - _log_gamma(3 / shape)) / 2)
    return shape, left * width, right * width


def _dot(a: Floats, b: Floats) -> Doubles:
    return np.asarray(np.einsum("bi,bi->b", a, b), np.float64)


@cache
def _table() -> tuple[Doubles, Doubles]:
    """Return shapes a in 0.2..10, and (E|x|)^2 / E x^2 = G(2/a)^2 / (G(1/a) G(3/a)), which increases with a."""
    shapes = np.arange(0.2, 10.0005, 0.001)
    return shapes, np.exp(2 * _log_gamma(2 / shapes) - _log_gamma(1 / shapes) - _log_gamma(3 / shapes))


def _log_gamma(values: Any) -> Doubles:
    return np.array([lgamma(v) if v == v else np.nan for v in np.asarray(values, np.float64)])


@cache
def own_fit() -> NssModel:
    """Read the embedded model of clean photos. Raises WeightsUnavailable when its file is missing or damaged."""
    try:
        with np.load(FIT, allow_pickle=False) as stored:
            natural = NssModel(stored["mean"].astype(np.float64), stored["covariance"].astype(np.float64))
    except (OSError, ValueError, KeyError) as exc:
        raise WeightsUnavailable(
            f"The file {FIT} that comes with this app is missing or damaged. Install the app again."
        ) from exc
    assert natural.mean.shape == (FEATURES,) and natural.covariance.shape == (FEATURES, FEATURES)
    return natural


def fit(measured: list[Blocks], threshold: float = 0.75) -> NssModel:
    """Fit the model of clean photos to their sharp blocks (paper, section II.C).

    Args:
        measured: The blocks of each photo.
        threshold: Smallest sharpness of a block, as a share of the sharpest block of its photo.

    Raises:
        ValueError: There are fewer than 37 such blocks.
    """
    sharp = [m.features[m.sharpness > threshold * m.sharpness.max()] for m in measured]
    features = np.concatenate(sharp)
    features = features[np.isfinite(features).all(axis=1)]
    if len(features) <= FEATURES:
        raise ValueError(f"{len(features)} sharp blocks are too few: a covariance of {FEATURES} features needs more.")
    return NssModel(features.mean(axis=0), np.cov(features, rowvar=False))
