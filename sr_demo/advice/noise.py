"""The standard deviation of the noise in an image, from its flat areas."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE = 5
_MOST_STEP, _PIXELS_A_STEP = 3, 128
"""Largest stride of the patches in pixels, and pixels of the shorter side per pixel of stride."""
_FLATTEST = 0.3
"""Share of the patches that is used: those whose halves differ least in brightness."""
_CLIPPED = 1 / 255
_LEAST_PATCHES = 20 * _SIDE**2
_WINDOW = np.ones((_SIDE, _SIDE), np.uint8)
_MEANLESS = np.eye(_SIDE**2) - 1 / _SIDE**2
"""Projection that subtracts the mean of a patch."""
_ONES, _HALVES = np.ones(_SIDE), np.array([1, 1, 0, -1, -1]) / (2 * _SIDE)
"""Kernels of a separable filter that computes the difference in mean brightness between the halves of a patch."""
_MOST_RATIO = 3.6
"""Largest eigenvalue, relative to the noise variance, of noise on slopes; grass, bricks and gravel have 4 to 25."""


class Noise(NamedTuple):
    """The noise of an image, or of one of its channels."""

    sigma: float
    """Standard deviation in levels of 0 to 255."""
    may_be_texture: bool
    """Whether even the flattest areas vary more in one direction than noise does; `sigma` is an upper bound then."""


def noise_of(rgb: NDArray[np.float32]) -> Noise | None:
    """Estimate the noise of an image as the root mean square over its channels.

    Follows Chen, Zhu and Heng 2015 ("An Efficient Statistical Method for Image Noise Level Estimation", ICCV): among the
    eigenvalues of the covariance of small patches, those of pure noise are equal, so that their mean equals their median.
    Only the flattest patches are used here, since they contain the least texture.

    Args:
        rgb: (H, W, 3) in [0, 1].

    Returns:
        The noise; None if nearly all of the image is clipped or perfectly flat.
    """
    found = [noise for channel in range(3) if (noise := _noise_of_channel(rgb[..., channel])) is not None]
    if not found:
        return None
    sigma = float(np.sqrt(np.mean([noise.sigma**2 for noise in found])))
    return Noise(sigma, 2 * sum(noise.may_be_texture for noise in found) > len(found))


def _noise_of_channel(channel: NDArray[np.float32]) -> Noise | None:
    if min(channel.shape) < 2 * _SIDE:
        return None
    step = min(max(min(channel.shape) // _PIXELS_A_STEP, 1), _MOST_STEP)
    # The selection criteria are computed on whole planes; only the selected patches are gathered.
    low, high = (_at_patches(of(channel, _WINDOW), step) for of in (cv2.erode, cv2.dilate))
    usable = (low > _CLIPPED) & (high < 1 - _CLIPPED) & (high > low)
    if usable.sum() < _LEAST_PATCHES:
        return None
    across, down = (
        _at_patches(cv2.sepFilter2D(channel, -1, *kernels), step) for kernels in ((_HALVES, _ONES), (_ONES, _HALVES))
    )
    slope = across**2 + down**2
    flattest = usable & (slope <= np.quantile(slope[usable], _FLATTEST))
    patches = np.lib.stride_tricks.sliding_window_view(channel, (_SIDE, _SIDE))[::step, ::step]
    flat = patches[flattest].reshape(-1, _SIDE**2) * np.float32(255)
    covariance = np.cov(flat.T)
    eigenvalues = np.linalg.eigvalsh(covariance)  # ascending
    variance = max(
        next(
            mean
            for count in range(len(eigenvalues), 0, -1)
            if (mean := float(eigenvalues[:count].mean())) <= np.median(eigenvalues[:count])
        ),
        0.0,
    )
    # With its mean removed, a patch of pure noise varies equally in all directions.
    shape = np.linalg.eigvalsh(_MEANLESS @ covariance @ _MEANLESS)
    return Noise(float(np.sqrt(variance)), bool(shape[-1] > _MOST_RATIO * variance))


def _at_patches(plane: NDArray[Any], step: int) -> NDArray[Any]:
    """Return the values of `plane` at the centres of the patches, which have a stride of `step` pixels."""
    middle = _SIDE // 2
    return plane[middle : plane.shape[0] - middle : step, middle : plane.shape[1] - middle : step]
