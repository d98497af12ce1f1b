"""Tile plans: how an image is cut into tiles, and how the upscaled tiles are assembled.

A plan is a pure value, computed before the work starts from the tiling rule of a checkpoint, a memory budget and the size of
the image. Tile borders are multiples of the network's window, and each tile has a halo of context:

       low  start             stop  high
        |-----|=================|-----|
         halo   placed in result  halo       (clipped at the borders of the image)

If the halo covers the receptive field (`blend` = 0), tiles equal the result of the whole image and are placed side by side.
Columns are then as wide as allowed and the last one takes the rest, since a width that suits the convolutions saves more than
an even split. Otherwise neighbours are blended by a raised cosine and the split is even, so that no tile is narrower than its
transitions. The blend weights sum to one by construction, so that no buffer of weights is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np

from sr_demo.checkpoint import Tiling
from sr_demo.image import Image, Pixels, Size, quantize, readonly, unit
from sr_demo.progress import Progress
from sr_demo.system import large_array

MIN_SIDE = 32
"""Smallest side of a tile, since smaller tiles are mostly halo. Tiles of this side that run out of memory are not halved."""
_RELEASE_BYTES = 64 * 2**20
"""Bytes of placed tiles after which their memory pages are released, if the result is memory-mapped."""


@dataclass(frozen=True)
class Span:
    """A range of rows or columns, in LR pixels of the image."""

    start: int
    stop: int
    """[start, stop): the part of the result that the tile is placed in."""
    low: int
    high: int
    """[low, high): the input of the network, which is this range with its halo, clipped to the image."""


@dataclass(frozen=True)
class Tile:
    """One tile of a plan."""

    rows: Span
    columns: Span

    @property
    def input_size(self) -> Size:
        """Size of the network's input: the tile with its halo."""
        return Size(self.rows.high - self.rows.low, self.columns.high - self.columns.low)


@dataclass(frozen=True)
class TilePlan:
    """The tiles of one image."""

    size: tuple[int, int]
    """Height and width of the image in LR pixels."""
    rule: Tiling
    side: int
    """Largest width of a tile in LR pixels without its halo; its height is up to `rule.max_aspect` times the width."""
    max_batch: int = 1
    """Largest number of tiles that are computed together."""

    @cached_property
    def rows(self) -> tuple[Span, ...]:
        """The tiles' ranges of rows, from the top."""
        halo, aspect = self.rule.halo, self.rule.max_aspect
        high = aspect * (self.side + 2 * halo) - 2 * halo
        return spans(self.size[0], high, halo, self.rule.multiple_of)

    @cached_property
    def columns(self) -> tuple[Span, ...]:
        """The tiles' ranges of columns, from the left."""
        return spans(self.size[1], self.side, self.rule.halo, self.rule.multiple_of, even=self.rule.blend > 0)

    @cached_property
    def tiles(self) -> tuple[Tile, ...]:
        """All tiles, row by row."""
        return tuple(Tile(rows, columns) for rows in self.rows for columns in self.columns)

    @cached_property
    def batches(self) -> tuple[tuple[Tile, ...], ...]:
        """The tiles in groups of equal input size, at most `max_batch` in each, ordered by the first tile of each group.

        Tiles at the border of the image have less halo. With `max_batch` = 1 the order is that of `tiles`.
        """
        found: list[list[Tile]] = []
        unfilled: dict[Size, list[Tile]] = {}
        for tile in self.tiles:
            batch = unfilled.get(tile.input_size)
            if batch is None or len(batch) == self.max_batch:
                batch = unfilled[tile.input_size] = []
                found.append(batch)
            batch.append(tile)
        return tuple(map(tuple, found))

    def smaller(self) -> TilePlan | None:
        """Return the plan to try after this one ran out of memory; None if there is none.

        First the batches are halved, then the side of the tiles, down to `MIN_SIDE`.
        """
        # The actual batch size and the side within the image are halved; otherwise the plan might not change.
        if batch := max(map(len, self.batches)) // 2:
            return replace(self, max_batch=batch)
        side, multiple_of = min(self.side, max(self.size)), self.rule.multiple_of
        if side <= MIN_SIDE:
            return None
        return replace(self, max_batch=1, side=max(side // 2 // multiple_of * multiple_of, MIN_SIDE))


def plan_tiles(rule: Tiling, bytes_per_pixel: int, budget: int, size: tuple[int, ...], max_batch: int = 1) -> TilePlan:
    """Return the tile plan for one image. Only this function decides on tile sizes.

    Args:
        rule: The tiling rule of the checkpoint.
        bytes_per_pixel: Peak working memory of the checkpoint in bytes per LR pixel.
        budget: Bytes that the computation of one batch may take on its device, CPU or GPU.
        size: Height and width of the image in LR pixels.
        max_batch: Largest number of tiles that the upscaler computes together.

    Returns:
        A plan with the largest tiles within the budget, and the largest batches that the rest of the budget allows.
    """
    side = tile_side(rule, bytes_per_pixel, budget, size)
    return TilePlan((size[0], size[1]), rule, side, batch_size(rule, bytes_per_pixel, budget, side, max_batch))


def spans(length: int, largest: int, halo: int, multiple_of: int = 1, *, even: bool = True) -> tuple[Span, ...]:
    """Split [0, `length`) into the fewest parts.

    Args:
        length: Rows or columns of the image.
        largest: Largest number of rows or columns of a part.
        halo: Context on both sides, clipped to the image.
        multiple_of: Inner borders are multiples of this.
        even: Parts of about equal length; otherwise parts of `largest`, and the rest.

    Returns:
        The parts in order.
    """
    step = max(largest // multiple_of, 1) * multiple_of
    if even:
        step = ceil(ceil(length / ceil(length / step)) / multiple_of) * multiple_of
    return tuple(
        Span(start, min(start + step, length), max(start - halo, 0), min(start + step + halo, length))
        for start in range(0, length, step)
    )


def tile_side(rule: Tiling, bytes_per_pixel: int, budget: int, size: tuple[int, ...]) -> int:
    """Return the width of a tile in LR pixels, halo not counted.

    This is the longer side of an image of `size` (height, width) that need not be cut, otherwise the largest width whose
    working memory fits into `budget` bytes. It is at least `MIN_SIDE`, and at most `rule.max_input_width` with the halo.
    """
    affordable = budget // max(bytes_per_pixel, 1)
    if size[0] * size[1] <= min(affordable, rule.largest**2):
        return ceil(max(size) / rule.multiple_of) * rule.multiple_of
    with_halo = min(int(sqrt(affordable / rule.max_aspect)), rule.max_input_width)
    side = min(max(with_halo - 2 * rule.halo, MIN_SIDE), rule.largest)
    return max(side // rule.multiple_of, 1) * rule.multiple_of


def batch_size(rule: Tiling, bytes_per_pixel: int, budget: int, side: int, max_batch: int) -> int:
    """Return the number of tiles of width `side` (without halo) that fit into `budget` bytes together: 1 to `max_batch`."""
    each = bytes_per_pixel * rule.max_aspect * (side + 2 * rule.halo) ** 2
    return min(max(budget // max(each, 1), 1), max_batch)


class Batch(NamedTuple):
    """Tiles to upscale together."""

    images: list[Image]
    """Each (h, w, 3), all of one shape."""
    progress: Progress
    """Receives the progress of this batch, 0..1."""


Check = Callable[[Image, tuple[int, int]], Image]
"""Function from an upscaled tile and its input size (height, width) to the tile to place; raises if it must not be used."""


def _unchecked(result: Image, _: tuple[int, int]) -> Image:
    return result


def run(
    image: Image,
    plan: TilePlan,
    scale: int,
    upscale: Callable[[Image, Progress], Image],
    progress: Progress,
    check: Check = _unchecked,
    channels: int = 3,
) -> Image:
    """Upscale an image tile by tile.

    Args:
        image: (H, W, 3) float32, the image of `plan`.
        plan: The tile plan.
        scale: Scale factor of the result.
        upscale: Function from one tile (h, w, 3) to (h * scale, w * scale, 3).
        progress: Receives the progress, and is checked for Stop, before each tile.
        check: Applied to each upscaled tile.
        channels: Number of channels that `check` returns.

    Returns:
        (H * scale, W * scale, channels) float32, read-only.
    """
    if len(plan.tiles) == 1:
        progress(0.0)
        result = check(upscale(readonly(np.ascontiguousarray(image)), progress), plan.tiles[0].input_size)
        progress(1.0)
        return result

    single, many = replace(plan, max_batch=1), partial(one_by_one, upscale)
    return unit(run_in_batches(image, single, scale, many, progress, check, channels))


def one_by_one(upscale: Callable[[Image, Progress], Image], batches: Iterator[Batch]) -> Iterator[list[Image]]:
    """Yield the results of batches by an `upscale` that takes one tile at a time, as `run` does."""
    return ([upscale(tile, batch.progress) for tile in batch.images] for batch in batches)


def run_in_batches(
    image: Image,
    plan: TilePlan,
    scale: int,
    upscale: Callable[[Iterator[Batch]], Iterator[list[Image]]],
    progress: Progress,
    check: Check = _unchecked,
    channels: int = 3,
    *,
    levels: bool = False,
) -> Pixels:
    """Upscale an image in the batches of its plan. See `run` for the other arguments and the result.

    `upscale` maps the batches to their results in the same order. It may take the next batch before it yields the results
    of the previous one; progress is reported and Stop is checked whenever it takes a batch. With `levels`, tiles without
    blending are rounded, and the result is in levels of 0..255.
    """
    height, width = image.shape[:2]
    count = len(plan.tiles)

    def batches() -> Iterator[Batch]:
        done = 0
        for group in plan.batches:
            part = progress.part(done / count, (done + len(group)) / count)
            part(0.0, f"tile {done + 1} of {count}")
            done += len(group)
            yield Batch([_cut(image, tile) for tile in group], part)

    made = large_array.levels if levels and plan.rule.blend == 0 else large_array.zeros
    out = made(height * scale, width * scale, channels)
    unreleased = 0

    def place(group: Sequence[Tile], results: Sequence[Image]) -> None:
        nonlocal unreleased
        for tile, result in zip(group, results, strict=True):
            _place(out, check(result, tile.input_size), tile, scale, plan.rule.blend, (height, width))
            unreleased += result.nbytes
        if unreleased > _RELEASE_BYTES:
            large_array.release(out, image)
            unreleased = 0

    # A separate thread checks and copies results in order while the next tiles are computed, which uses idle cores.
    with large_array.written_in_tiles(out), ThreadPoolExecutor(1) as copying:
        placed: Future[None] | None = None
        for group, results in zip(plan.batches, upscale(batches()), strict=True):
            if placed:
                placed.result()
            placed = copying.submit(place, group, results)
        if placed:
            placed.result()
    large_array.release(out, image)
    progress(1.0)
    return readonly(out)


def _cut(image: Image, tile: Tile) -> Image:
    r, c = tile.rows, tile.columns
    return readonly(np.ascontiguousarray(image[r.low : r.high, c.low : c.high]))


def _place(out: Pixels, result: Image, tile: Tile, scale: int, blend: int, size: tuple[int, int]) -> None:
    r, c = tile.rows, tile.columns
    top, bottom = _extent(r, blend, size[0])
    left, right = _extent(c, blend, size[1])
    used = result[
        (top - r.low) * scale : (bottom - r.low) * scale,
        (left - c.low) * scale : (right - c.low) * scale,
    ]
    target = out[top * scale : bottom * scale, left * scale : right * scale]
    if blend == 0:
        target[:] = quantize(used) if target.dtype == np.uint8 else used
        return
    weights = _ramp(r, blend, size[0], scale)[:, None] * _ramp(c, blend, size[1], scale)[None, :]
    target += used * weights[..., None]
    np.minimum(target, 1, out=target)  # the weights sum to one up to rounding


def _extent(span: Span, blend: int, length: int) -> tuple[int, int]:
    """Return the range of rows (or columns) that a tile contributes to, including its transitions."""
    return max(span.start - blend, span.low, 0), min(span.stop + blend, span.high, length)


def _ramp(span: Span, blend: int, length: int, scale: int) -> Image:
    """Return the weights of one tile along one axis: rising over `blend` at both sides of an inner border, 1 elsewhere.

    At a border b shared by two tiles the weights are sin²(t) and cos²(t), t = pi/4 (1 + (x - b) / blend): they sum to 1.
    """
    low, high = _extent(span, blend, length)
    x = (np.arange(low * scale, high * scale, dtype=np.float32) + 0.5) / scale
    weight = np.ones_like(x)
    if span.start > 0:
        t = np.clip((x - span.start) / blend, -1.0, 1.0)
        weight *= np.sin(np.pi / 4 * (1 + t)) ** 2
    if span.stop < length:
        t = np.clip((x - span.stop) / blend, -1.0, 1.0)
        weight *= np.cos(np.pi / 4 * (1 + t)) ** 2
    return weight.astype(np.float32)
