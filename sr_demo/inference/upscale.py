"""From a picture and a loaded approach to the whole result: tiles, alpha, gray, and the guarantees of the contract."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite

import numpy as np

from sr_demo.errors import OutOfMemory
from sr_demo.image import Image, ImageData, readonly
from sr_demo.imaging import tiling
from sr_demo.imaging.resize import resize, resized_bands
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.spec import Approach, BatchUpscaler, Checkpoint, Upscaler
from sr_demo.system import large_array
from sr_demo.system.memory import budget


@dataclass(frozen=True)
class Method:
    """What enlarges: an approach with a checkpoint and options, loaded."""

    approach: Approach
    checkpoint: Checkpoint
    options: Options
    upscaler: Upscaler


def passes(approach: Approach, checkpoint: Checkpoint, *, opacity: bool) -> int:
    """How often a method runs for one picture: twice where it enlarges the opacity too."""
    return 2 if opacity and not approach.invents_with(checkpoint) else 1


def enlarge(method: Method, picture: ImageData, progress: Progress) -> tuple[ImageData, int, int]:
    """The whole picture: colours, and alpha apart. Returns it with the width of tiles and the number of tiles."""
    own_alpha = passes(method.approach, method.checkpoint, opacity=picture.alpha is not None) == 2
    rgb, side, tiles = _guaranteed(
        method, picture.rgb, progress.part(0, 0.5) if own_alpha else progress, _gray if picture.gray else _as_it_is, 3
    )
    alpha = picture.alpha
    if alpha is not None and own_alpha:
        alpha = _opacity(method, alpha, progress.part(0.5, 1))
    elif alpha is not None:
        # An opacity mask must not be invented: generative methods leave it to the plain kernel.
        alpha = resize(alpha, rgb.shape[:2])
    return replace(picture, rgb=rgb, alpha=alpha), side, tiles


def _opacity(method: Method, alpha: Image, progress: Progress) -> Image:
    """`alpha` (H, W) as the method enlarges it, and plain where that is opaque or invisible.

    Networks are off by a few thousandths; what is opaque must stay so, and what is invisible too.
    """
    stacked = readonly(np.broadcast_to(alpha[..., None], (*alpha.shape, 3)))
    drawn = _guaranteed(method, stacked, progress, _one_channel, 1)[0]
    drawn.flags.writeable = True  # made here, and not handed out yet
    for rows, plain in resized_bands(alpha[..., None], drawn.shape[:2]):
        np.copyto(drawn[rows], plain, where=(plain == 0) | (plain == 1))
        large_array.release(drawn[rows])
    return readonly(drawn[..., 0])


Finish = Callable[[Image], Image]
"""From a result, or a part of it, as the method made it to what is kept."""


def _as_it_is(result: Image) -> Image:
    return result


def _gray(result: Image) -> Image:
    """(H, W, 3), each pixel's mean thrice."""
    out = large_array.zeros(*result.shape)
    for rows in large_array.bands(result, out):
        out[rows] = result[rows].mean(axis=2, keepdims=True, dtype=np.float32)
    return readonly(out)


def _one_channel(result: Image) -> Image:
    """(H, W, 1), each pixel's mean, in an array of its own."""
    out = large_array.zeros(*result.shape[:2], 1)
    for rows in large_array.bands(result, out):
        out[rows] = result[rows].mean(axis=2, keepdims=True, dtype=np.float32)
    return readonly(out)


def _guaranteed(
    method: Method, image: Image, progress: Progress, finish: Finish, channels: int
) -> tuple[Image, int, int]:
    """`upscale` as the contract promises it: tiled as declared, exact size, float32 in [0, 1], finite, read-only; then
    `finish`, which leaves `channels`.

    Out of memory: plan again, first with half as many tiles at once, then with tiles of half the side, and start over, down
    to a single one of the smallest.
    """
    rule, upscaler = method.approach.tiling_of(method.checkpoint), method.upscaler

    def check(result: Image, source: tuple[int, ...]) -> Image:
        return finish(_checked(method, result, source))

    def one(part: Image, told: Progress) -> Image:
        with _memory_told():
            return upscaler.upscale(part, method.options, told)

    if rule.mode != "tiles":
        progress(0.0)
        result = check(one(readonly(np.ascontiguousarray(image)), progress), image.shape[:2])
        progress(1.0)
        return result, 0, 1
    several = isinstance(upscaler, BatchUpscaler)
    bytes_per_pixel, free = method.checkpoint.bytes_per_pixel, upscaler.budget() if several else budget()
    side = tiling.side_for(rule, bytes_per_pixel, free, image.shape[:2])
    most = tiling.at_once(rule, bytes_per_pixel, free, side, upscaler.at_once) if several else 1
    while True:
        tiles = tiling.plan(image.shape[0], image.shape[1], rule, side)
        groups = tiling.batches(tiles, most)
        scale, blend = method.approach.scale, rule.blend
        try:
            if several and len(tiles) > 1:
                work = partial(_in_batches, method, upscaler)
                rgb = tiling.run_in_batches(image, groups, scale, blend, work, progress, check, channels)
            else:
                rgb = tiling.run(image, tiles, scale, blend, one, progress, check, channels)
            return rgb, side, len(tiles)
        except OutOfMemory:
            # Fewer than any group has, else the same plan would be tried again; the same for the side and the picture.
            most = max(map(len, groups)) // 2
            if most == 0:
                most, side = 1, min(side, max(image.shape[:2]))
                if side <= tiling.SMALLEST:
                    raise
                side = max(side // 2 // rule.multiple_of * rule.multiple_of, tiling.SMALLEST)


def _in_batches(method: Method, upscaler: BatchUpscaler, pieces: Iterator[tiling.Pieces]) -> Iterator[list[Image]]:
    return upscaler.upscale_many((images for images, _ in pieces), method.options)


def _checked(method: Method, result: Image, source: tuple[int, ...]) -> Image:
    """`result` within [0, 1] and read-only; anything else that is against the contract is a bug of the approach."""
    approach = method.approach
    expected = (*approach.size_with(method.options, *source), 3)
    assert result.shape == expected, f"{approach.id} returned {result.shape}, not {expected}"
    assert result.dtype == np.float32, f"{approach.id} returned {result.dtype}"
    bounds = [(result[rows].min(), result[rows].max()) for rows in large_array.bands(result)]
    low, high = (float(np.min(bounds)), float(np.max(bounds)))  # a value that is not a number comes through
    assert isfinite(low) and isfinite(high), f"{approach.id} returned values that are not numbers"
    with _memory_told():
        return readonly(result if low >= 0 and high <= 1 else _clipped(result))


def _clipped(result: Image) -> Image:
    out = large_array.zeros(*result.shape)
    for rows in large_array.bands(result, out):
        np.clip(result[rows], 0, 1, out=out[rows])
    return out


@contextmanager
def _memory_told() -> Generator[None]:
    """numpy's word for too little memory as ours, where smaller tiles would need less."""
    try:
        yield
    except MemoryError as exc:
        raise OutOfMemory from exc
