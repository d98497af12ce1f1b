"""From a picture and a loaded approach to the whole result: tiles, alpha, gray, and the guarantees of the contract."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from sr_demo import memory, tiling
from sr_demo.errors import OutOfMemory
from sr_demo.image import Image, Picture, readonly
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.resize import resize
from sr_demo.spec import Approach, Checkpoint, Tiling, Upscaler

_MEMORY_SHARE, _MEMORY_CAP = 0.4, 2 * 2**30
"""Working memory of one tile: at most this share of what is free, and at most this many bytes."""


@dataclass(frozen=True)
class Method:
    """What enlarges: an approach with a checkpoint and options, loaded."""

    approach: Approach
    checkpoint: Checkpoint
    options: Options
    upscaler: Upscaler


def enlarge(method: Method, picture: Picture, progress: Progress) -> tuple[Picture, int, int]:
    """The whole picture: colours, and alpha apart. Returns it with the tile side and the number of tiles."""
    own_alpha = picture.alpha is not None and not method.approach.invents_with(method.checkpoint)
    rgb, side, tiles = _guaranteed(method, picture.rgb, progress.part(0, 0.5) if own_alpha else progress)
    if picture.gray:
        rgb = readonly(np.repeat(rgb.mean(axis=2, keepdims=True, dtype=np.float32), 3, axis=2))
    alpha = picture.alpha
    if alpha is not None and own_alpha:
        stacked = readonly(np.repeat(alpha[..., None], 3, axis=2))
        drawn = _guaranteed(method, stacked, progress.part(0.5, 1))[0].mean(axis=2, dtype=np.float32)
        # Networks are off by a few thousandths; what is opaque must stay so, and what is invisible too.
        plain = resize(alpha, rgb.shape[:2])
        alpha = readonly(np.where((plain == 0) | (plain == 1), plain, drawn))
    elif alpha is not None:
        # An opacity mask must not be invented: generative methods leave it to the plain kernel.
        alpha = resize(alpha, rgb.shape[:2])
    return replace(picture, rgb=rgb, alpha=alpha), side, tiles


def _guaranteed(method: Method, image: Image, progress: Progress) -> tuple[Image, int, int]:
    """`upscale` as the contract promises it: tiled as declared, exact size, float32 in [0, 1], finite, read-only.

    Out of memory: plan again with tiles of half the side and start over, down to the smallest.
    """
    rule = method.approach.tiling_of(method.checkpoint)

    def upscale(part: Image, part_progress: Progress) -> Image:
        try:
            return _checked(method.upscaler.upscale(part, method.options, part_progress), part, method)
        except MemoryError as exc:
            raise OutOfMemory from exc

    if rule.mode != "tiles":
        progress(0.0)
        result = upscale(image, progress)
        progress(1.0)
        return result, 0, 1
    side = tiling.side_for(rule, method.checkpoint.bytes_per_pixel, budget())
    while True:
        tiles = _plan(image, rule, side)
        try:
            return tiling.run(image, tiles, method.approach.scale, rule.blend, upscale, progress), side, len(tiles)
        except OutOfMemory:
            # Halving a side that is longer than the picture would try the same plan again.
            side = min(side, max(image.shape[:2]))
            if side <= tiling.SMALLEST:
                raise
            side = max(side // 2 // rule.multiple_of * rule.multiple_of, tiling.SMALLEST)


def _plan(image: Image, rule: Tiling, side: int) -> tuple[tiling.Tile, ...]:
    return tiling.plan(image.shape[0], image.shape[1], rule, side)


def budget() -> int:
    """Bytes that the work on one tile may take now."""
    return min(int(memory.available_bytes() * _MEMORY_SHARE), _MEMORY_CAP)


def _checked(result: Image, source: Image, method: Method) -> Image:
    """`result` within [0, 1] and read-only; anything else that is against the contract is a bug of the approach."""
    approach = method.approach
    expected = (*approach.size_with(method.options, *source.shape[:2]), 3)
    assert result.shape == expected, f"{approach.id} returned {result.shape}, not {expected}"
    assert result.dtype == np.float32, f"{approach.id} returned {result.dtype}"
    low, high = float(result.min()), float(result.max())
    assert isfinite(low) and isfinite(high), f"{approach.id} returned values that are not numbers"
    return readonly(result if low >= 0 and high <= 1 else np.clip(result, 0, 1))
