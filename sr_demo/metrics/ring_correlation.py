"""Fourier ring correlation: up to which frequency a result has the detail of the original.

Results are measured with the original only: two images that one network made from one input agree on what it invents, so a
correlation between results of networks, or of halves of one result, would call invented detail resolved. `signal_end`
correlates an image with itself, and is for inputs alone: of a result it would say how smooth that is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sr_demo.image import Image, Pixels, bt601_luma
from sr_demo.metrics.full_reference import comparable

_THRESHOLD = 1 / 7
"""The fixed threshold (Rosenthal and Henderson 2003; for images: Nieuwenhuizen et al. 2013, Nature Methods 10)."""
_RINGS = 32
_SIDE = 512
_MOST_TILES = 3
"""Tiles along each side: of larger images, as many evenly spread ones."""
_LEAST_SIDE = 64


def ring_correlation(a: Pixels, b: Pixels, border: int = 4) -> NDArray[np.float64] | None:
    """Return the correlation of two images in 32 rings of frequency, from 0 to Nyquist.

    Luma under a Hann window, in squares of up to 512 pixels whose spectra are added up.

    Args:
        a: (H, W, 3) in [0, 1].
        b: an image of the same size.
        border: pixels cut at each side.

    Returns:
        (32,) values of -1 to 1; None where a side has fewer than 64 pixels, and for two images without any structure.

    Raises:
        BadInput: when the sizes differ.
    """
    a, b = comparable(a, b, border)
    side = min(*a.shape[:2], _SIDE)
    if side < _LEAST_SIDE:
        return None
    window = np.outer(np.hanning(side), np.hanning(side))
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    ring = np.minimum((radius * 2 * _RINGS).astype(np.intp), _RINGS).ravel()  # the corners beyond Nyquist are the last
    sums = np.zeros((3, _RINGS))
    for top in _places(a.shape[0], side):
        for left in _places(a.shape[1], side):
            part = np.s_[top : top + side, left : left + side]
            x, y = (_spectrum(image[part], window) for image in (a, b))
            terms = (np.real(x * np.conj(y)), np.abs(x) ** 2, np.abs(y) ** 2)
            sums += [np.bincount(ring, term.ravel(), _RINGS + 1)[:_RINGS] for term in terms]
    if sums[1:].max() < 1e-20:
        return None
    return sums[0] / np.sqrt(np.maximum(sums[1] * sums[2], 1e-20))


def frc_cutoff(a: Pixels, b: Pixels, border: int = 4) -> float | None:
    """Return the frequency from which two images correlate by less than 1/7, in percent of Nyquist.

    100 for equal images; arguments, None and errors as of `ring_correlation`.
    """
    correlation = ring_correlation(a, b, border)
    return None if correlation is None else _crossing(correlation)


def _crossing(correlation: NDArray[np.float64]) -> float:
    """Return where a correlation falls below 1/7, in percent of Nyquist."""
    below = np.flatnonzero(correlation < _THRESHOLD)
    if not len(below):
        return 100.0
    first = int(below[0])
    if first == 0:
        return 0.0
    before, after = correlation[first - 1], correlation[first]
    crossing = first - 0.5 + (before - _THRESHOLD) / (before - after)  # between the middles of two rings
    return float(100 * crossing / _RINGS)


def signal_end(image: Image) -> float | None:
    """Return the frequency up to which the signal of an input stands out of its noise, in percent of Nyquist.

    Koho et al. 2019 ("Fourier ring correlation simplifies image restoration in fluorescence microscopy", Nature
    Communications 10:3103): every other pixel of every other row makes four images whose noise is independent; the mean of
    the correlations of the two diagonal pairs, and the frequency where it falls below 1/7, corrected as in their program for
    the coarser grid. It holds for oversampled images, whose detail ends by half of Nyquist, as those of microscopes mostly
    are, with noise that is independent in neighbouring pixels: not for sharp photos, nor after JPEG, denoising or
    enlargement, and not for results of networks.

    Args:
        image: (H, W, 3) in [0, 1].

    Returns:
        None where a side has fewer than 128 pixels.
    """
    height, width = (side // 2 * 2 for side in image.shape[:2])
    quarter = [image[row:height:2, column:width:2] for row in (0, 1) for column in (0, 1)]
    pairs = [ring_correlation(quarter[first], quarter[second], 0) for first, second in ((0, 3), (1, 2))]
    if pairs[0] is None or pairs[1] is None:
        return None
    found = _crossing((pairs[0] + pairs[1]) / 2) / 100
    return float(min(100 * found * _corrected(found), 100.0))


def _corrected(frequency: float) -> float:
    """Return what the frequency found on the coarser grid is multiplied by (Koho et al. 2019, fitted to pairs of images)."""
    scale, end, steep, least = 0.95988146, 0.97979108, 13.90441896, 0.55146136
    return scale * float(np.exp(steep * (frequency - end))) + least


def _places(length: int, side: int) -> list[int]:
    """Return where tiles begin along one side."""
    count = min(-(-length // side), _MOST_TILES)
    return [round(i * (length - side) / max(count - 1, 1)) for i in range(count)]


def _spectrum(image: Pixels, window: NDArray[np.float64]) -> NDArray[np.complex128]:
    plane = bt601_luma(image).astype(np.float64)
    return np.fft.rfft2((plane - plane.mean()) * window)
