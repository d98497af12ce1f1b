"""Measurement of the context that a tile needs: a corner is upscaled with increasing context and compared with the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from sr_demo.image import Image, readonly

_SIDE = 112
"""Side of the image in LR pixels; the compared corner extends from its centre to the border on two sides."""


def tile_errors(
    upscale: Callable[[Image], Image], scale: int, halos: Iterable[int], *, side: int = _SIDE, seed: int = 0
) -> Iterator[tuple[int, float]]:
    """Compare a corner that is cut out and upscaled with the same corner of the upscaled whole image.

    Every pixel of the image is black or white at random, to which networks react most.

    Args:
        upscale: The network in fp32, (H, W, 3) to (H * scale, W * scale, 3).
        scale: Scale factor of the network.
        halos: Context around the corner in LR pixels, at most half of `side`.
        side: Side of the image in LR pixels.
        seed: Seed of the image.

    Yields:
        Each halo, and the largest difference with it, for values in [0, 1].
    """
    corner = side // 2
    image = black_or_white(side, side, seed)
    whole = upscale(image)[corner * scale :, corner * scale :]
    for halo in halos:
        first = corner - halo
        part = readonly(np.ascontiguousarray(image[first:, first:]))
        cut = upscale(part)[halo * scale :, halo * scale :]
        yield halo, float(np.abs(cut - whole).max())


def black_or_white(height: int, width: int, seed: int = 0) -> Image:
    """Return an image whose pixels are black or white at random.

    Args:
        height: Height in pixels.
        width: Width in pixels.
        seed: The same seed gives the same image.

    Returns:
        (H, W, 3) float32, 0 or 1.
    """
    values = np.random.default_rng(seed).integers(0, 2, (height, width, 1)).astype(np.float32)
    return readonly(np.repeat(values, 3, axis=2))
