"""Where the detail of an image ends, from its power spectrum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BINS = 32
_REFERENCE = (0.04, 0.13)
"""Frequency band, in cycles per pixel, in which the spectrum is assumed to be that of a sharp photo."""
_DROP = 0.01
"""Power, relative to that of a sharp photo at the same frequency, below which there is no detail."""
_ROUNDING = 0.5
"""Smallest standard deviation of the noise in levels, which accounts for rounding to 8 bit."""
_MOST_SIDE = 512


def detail_end(luma: NDArray[np.float32], noise: float) -> float | None:
    """Return the highest frequency with detail, as a fraction of the Nyquist frequency.

    The power of sharp photos falls with the square of the frequency (Field 1987). After blur or upscaling it falls faster.
    Detail ends where less than a hundredth of the expected power remains, or where noise exceeds the signal.

    Args:
        luma: (H, W) in levels of 0 to 255.
        noise: Standard deviation of the noise in levels.

    Returns:
        A value in (0, 1]; about 0.6 after a Gaussian blur of sigma 1 pixel, 0.4 after upscaling by 4. None for a flat
        image, and for an image with a side shorter than 64 pixels.
    """
    side = min(*luma.shape, _MOST_SIDE) // 2 * 2
    if side < 64:
        return None
    top, left = (luma.shape[0] - side) // 2, (luma.shape[1] - side) // 2
    power = _radial_power(luma[top : top + side, left : left + side])
    floor = max(noise, _ROUNDING) ** 2
    frequency = (np.arange(_BINS) + 0.5) / (2 * _BINS)
    signal = np.maximum(power - floor, 1e-9)
    reference = (frequency > _REFERENCE[0]) & (frequency < _REFERENCE[1])
    if not (power[reference] > 2 * floor).all():
        return None
    level = np.exp(np.mean(np.log(signal[reference]) + 2 * np.log(frequency[reference])))
    detailed = (signal * frequency**2 / level > _DROP) & (power > 1.5 * floor)
    return float(np.flatnonzero(detailed).max() + 1) / _BINS


def _radial_power(square: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean power in each ring of frequencies; white noise of variance v has power v in every ring."""
    side = len(square)
    window = np.outer(np.hanning(side), np.hanning(side))
    power = np.abs(np.fft.rfft2((square - square.mean()) * window)) ** 2 / (window**2).sum()
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    ring = np.minimum((radius * 2 * _BINS).astype(np.intp), _BINS).ravel()  # the corners beyond Nyquist are the last
    return (np.bincount(ring, power.ravel()) / np.bincount(ring))[:_BINS]
