"""Fourier ring correlation: the frequency up to which a result has the detail of the reference.

Results are only compared with the reference. Two results of the same network agree on invented detail, so that a correlation
between results, or between halves of one result, would count invented detail as resolved. `signal_end` correlates an image
with itself and is for inputs only; for a result it would measure its smoothness.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sr_demo.image import Image, Pixels, bt601_luma, quantize
from sr_demo.metrics.full_reference import crop_borders

_THRESHOLD = 1 / 7
"""The fixed threshold of Rosenthal and Henderson 2003 (for images: Nieuwenhuizen et al. 2013, Nature Methods 10)."""
_RINGS = 32
_SIDE = 512
_MOST_TILES = 3
"""Largest number of tiles along each side; in larger images they are evenly spread."""
_LEAST_SIDE = 64


def ring_correlation(a: Pixels, b: Pixels, border: int = 4, *, rounded: bool = True) -> NDArray[np.float64] | None:
    """Return the correlation of two images in 32 rings of frequency, from 0 to Nyquist.

    It is computed on luma under a Hann window, in squares of up to 512 pixels whose spectra are summed.

    Args:
        a: (H, W, 3) in [0, 1].
        b: An image of the same size.
        border: Pixels to cut at each side.
        rounded: Round both images to 8 bit first, as for all scores.

    Returns:
        (32,) values in [-1, 1]; None if a side has fewer than 64 pixels after the border is cut, and for two images
        without structure.

    Raises:
        BadInput: The sizes differ.
    """
    a, b = crop_borders(a, b, border)
    side = min(*a.shape[:2], _SIDE)
    if side < _LEAST_SIDE:
        return None
    window = np.outer(np.hanning(side), np.hanning(side))
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    ring = np.minimum(
        (radius * 2 * _RINGS).astype(np.intp), _RINGS
    ).ravel()  # the last ring has the corners beyond Nyquist
    sums = np.zeros((3, _RINGS))
    for top in _places(a.shape[0], side):
        for left in _places(a.shape[1], side):
            part = np.s_[top : top + side, left : left + side]
            x, y = (_spectrum(quantize(image[part]) if rounded else image[part], window) for image in (a, b))
            terms = (np.real(x * np.conj(y)), np.abs(x) ** 2, np.abs(y) ** 2)
            sums += [np.bincount(ring, term.ravel(), _RINGS + 1)[:_RINGS] for term in terms]
    if sums[1:].max() < 1e-20:
        return None
    return sums[0] / np.sqrt(np.maximum(sums[1] * sums[2], 1e-20))


def frc_cutoff(a: Pixels, b: Pixels, border: int = 4) -> float | None:
    """Return the frequency above which the correlation of two images is less than 1/7, in percent of Nyquist.

    It is 100 for equal images. See `ring_correlation` for arguments, None and errors.
    """
    correlation = ring_correlation(a, b, border)
    return None if correlation is None else _crossing(correlation)


def _crossing(correlation: NDArray[np.float64]) -> float:
    """Return the frequency at which a correlation falls below 1/7, in percent of Nyquist."""
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
    """Return the frequency up to which the signal of an input exceeds its noise, in percent of Nyquist.

    Follows Koho et al. 2019 ("Fourier ring correlation simplifies image restoration in fluorescence microscopy", Nature
    Communications 10:3103). Taking every other pixel of every other row gives four images with independent noise. The result
    is the frequency at which the mean correlation of the two diagonal pairs falls below 1/7, corrected for the coarser grid
    as in their program. It is valid for oversampled images, whose detail ends by half of Nyquist (as in most microscopy),
    with noise that is independent in neighbouring pixels. It is not valid for sharp photos, after JPEG, denoising or
    upscaling, and for results of networks.

    Args:
        image: (H, W, 3) in [0, 1].

    Returns:
        The frequency; None if a side has fewer than 128 pixels.
    """
    height, width = (side // 2 * 2 for side in image.shape[:2])
    quarter = [image[row:height:2, column:width:2] for row in (0, 1) for column in (0, 1)]
    pairs = [ring_correlation(quarter[first], quarter[second], 0, rounded=False) for first, second in ((0, 3), (1, 2))]
    if pairs[0] is None or pairs[1] is None:
        return None
    found = _crossing((pairs[0] + pairs[1]) / 2) / 100
    return float(min(100 * found * _corrected(found), 100.0))


def _corrected(frequency: float) -> float:
    """Return the correction factor for a frequency on the coarser grid (Koho et al. 2019, fitted to pairs of images)."""
    scale, end, steep, least = 0.95988146, 0.97979108, 13.90441896, 0.55146136
    return scale * float(np.exp(steep * (frequency - end))) + least


def _places(length: int, side: int) -> list[int]:
    """Return the start positions of the tiles along one side."""
    count = min(-(-length // side), _MOST_TILES)
    return [round(i * (length - side) / max(count - 1, 1)) for i in range(count)]


def _spectrum(image: Pixels, window: NDArray[np.float64]) -> NDArray[np.complex128]:
    plane = bt601_luma(image).astype(np.float64)
    return np.fft.rfft2((plane - plane.mean()) * window)
