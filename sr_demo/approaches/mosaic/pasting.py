"""Pasting of matched patches: colour transfer, feathered overlap, normalization.

Legend: p = side of a tile in LR pixels; s = stride of tiles; R x C = grid of tiles.
"""

from __future__ import annotations

import numpy as np

from sr_demo.approaches.mosaic.patch_database import SCALE
from sr_demo.approaches.mosaic.patches import Floats, PatchStatistics
from sr_demo.approaches.mosaic.tile_matching import TileMatches
from sr_demo.image import Image, readonly
from sr_demo.progress import Progress
from sr_demo.system import large_array

_MOST_GAIN = 3.0
_NOISE = 1 / 255
"""Added to both deviations of a gain, so that noise is not amplified."""


def paste(matches: TileMatches, own: PatchStatistics, colour: float, progress: Progress) -> Image:
    """Paste the matched patches; the weights of overlapping patches sum to one.

    Args:
        matches: The patch of every tile.
        own: Colour and contrast of the image's own tiles, (R C) each.
        colour: Strength of the colour transfer, in [0, 1].
        progress: Receives what is done so far.

    Returns:
        (4 (R s + p - s), 4 (C s + p - s), 3) float32 in [0, 1].
    """
    rows, columns = matches.photo.shape
    side, stride = matches.patch * SCALE, matches.stride * SCALE
    weight = feather(matches.patch, matches.stride)
    gain, shift = _colour_transfer(matches, own, colour)
    every = -(-side // stride)
    out = large_array.zeros((rows - 1) * stride + side, (columns - 1) * stride + side, 3)
    band = np.zeros((side, (columns + 2 * every) * stride, 3), np.float32)
    for r in range(rows):
        progress(r / rows, "pasting")
        band[:] = 0
        for phase in range(min(every, columns)):
            # Patches `every` columns apart do not overlap: they are added at once.
            apart = np.stack([matches.pixels(r, c) for c in range(phase, columns, every)]).astype(np.float32)
            apart *= gain[r, phase::every, None, None, None] / 255
            apart += shift[r, phase::every, None, None, :]
            apart *= (weight[:, None] * weight[None, :])[..., None]
            span = every * stride
            place = band[:, phase * stride : phase * stride + len(apart) * span]
            place = place.reshape(side, len(apart), span, 3)
            place[:, :, :side] += apart.transpose(1, 0, 2, 3)
        out[r * stride : r * stride + side] += band[:, : out.shape[1]]
        large_array.release(out[: r * stride])
    _normalize(out, weight, (rows, columns), stride)
    return readonly(out)


def feather(patch: int, stride: int) -> Floats:
    """Return the weights along one side of a pasted patch, (4p,): sin² ramps over the overlap (half a Hann window each).

    Args:
        patch: Side of a tile in LR pixels.
        stride: Stride of tiles in LR pixels.
    """
    side, ramp = patch * SCALE, (patch - stride) * SCALE
    if ramp == 0:
        return np.ones(side, np.float32)
    t = (np.arange(side) + 0.5) / ramp
    rise = np.sin(np.pi / 2 * np.clip(t, 0, 1)) ** 2
    return (rise * rise[::-1]).astype(np.float32)


def _colour_transfer(matches: TileMatches, own: PatchStatistics, colour: float) -> tuple[Floats, Floats]:
    """Return the gain (R, C) and shift (R, C, 3) that give a patch mean colour and deviation of its tile.

    Mean and deviation transfer (Reinhard et al. 2001, "Color transfer between images"), with one gain for all colours, so
    that hues within a patch stay; `colour` interpolates between no transfer (0) and the full transfer (1).
    """
    grid = matches.photo.shape
    deviation, mean = own.deviation.reshape(grid), own.mean.reshape(*grid, 3)
    full = np.minimum((deviation + _NOISE) / (matches.deviation + _NOISE), _MOST_GAIN)
    gain = 1 + colour * (full - 1)
    target = matches.mean + colour * (mean - matches.mean)
    return gain.astype(np.float32), (target - gain[..., None] * matches.mean).astype(np.float32)


def _normalize(out: Image, weight: Floats, grid: tuple[int, int], stride: int) -> None:
    """Divide by the sum of weights, which is separable, and clip to [0, 1], in place."""
    sums: list[Floats] = []
    for count, length in zip(grid, out.shape[:2], strict=True):
        total = np.zeros(length, np.float32)
        for i in range(count):
            total[i * stride : i * stride + len(weight)] += weight
        sums.append(np.reciprocal(total))
    for band in large_array.bands(out):
        out[band] *= sums[1][None, :, None]
        out[band] *= sums[0][band, None, None]
        np.clip(out[band], 0, 1, out=out[band])
