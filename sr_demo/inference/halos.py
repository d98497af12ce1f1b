"""The measurement of the context that a tile needs: a corner upscaled with more and more of it, against the whole image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from sr_demo.image import Image, readonly

_SIDE = 112
"""Side of the image in LR pixels; the compared corner begins in its middle and extends to the border on two sides."""


def tile_errors(
    upscale: Callable[[Image], Image], scale: int, halos: Iterable[int], *, side: int = _SIDE, seed: int = 0
) -> Iterator[tuple[int, float]]:
    """Compare a corner that is cut out and upscaled with the same corner of the result of the whole image.

    The image is one to which networks react most: every pixel is black or white at random.

    Args:
        upscale: the network in fp32, (H, W, 3) to (H * scale, W * scale, 3).
        scale: its scale factor.
        halos: context around the corner in LR pixels, at most half of `side`.
        side: of the image in LR pixels.
        seed: of the image.

    Yields:
        A halo, and the largest difference of values in [0, 1] with it.
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
    """An image whose every pixel is black or white at random.

    Args:
        height: In pixels.
        width: In pixels.
        seed: The same seed gives the same image.

    Returns:
        (H, W, 3) float32, 0 or 1.
    """
    values = np.random.default_rng(seed).integers(0, 2, (height, width, 1)).astype(np.float32)
    return readonly(np.repeat(values, 3, axis=2))
