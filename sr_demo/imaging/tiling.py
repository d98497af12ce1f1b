"""Cutting a picture into tiles and putting the results together.

The plan is a pure value made before the work starts: tile borders on multiples of the network's window, each tile with a
halo of context. Where the halo covers what the network looks at the results are those of the whole picture and are placed
side by side; then columns are as wide as they may be and the last one is what remains, since a width that suits the
convolutions is worth more than an even split. Elsewhere neighbours are blended by a raised cosine, evenly split, so that
none is narrower than its transitions. The blend weights sum to one by construction, so no buffer of weights is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np

from sr_demo.image import Image, readonly
from sr_demo.progress import Progress
from sr_demo.spec import Tiling
from sr_demo.system import large_array

SMALLEST = 32
"""Below this side a tile is mostly halo; running out of memory there is final."""


@dataclass(frozen=True)
class Span:
    """A range of rows or columns. All four in LR pixels of the picture."""

    start: int
    stop: int
    """The part that this tile answers for: [start, stop)."""
    low: int
    high: int
    """What the network sees: [low, high), the part with its halo, clipped to the picture."""


@dataclass(frozen=True)
class Tile:
    """One piece of the plan."""

    rows: Span
    columns: Span

    @property
    def seen(self) -> tuple[int, int]:
        """Height and width of what the network sees, in LR pixels."""
        return self.rows.high - self.rows.low, self.columns.high - self.columns.low


Pieces = tuple[list[Image], Progress]
"""Parts of a picture, all of one shape, and where to report what is done of them."""
Check = Callable[[Image, tuple[int, int]], Image]
"""From what was made of a part of this height and width to what is placed of it; raises where that may not be used."""
_LET_GO = 64 * 2**20
"""Bytes of tiles that are placed before the memory behind them is let go, where the result lies in a file."""


def _unchecked(result: Image, _: tuple[int, int]) -> Image:
    return result


def spans(length: int, largest: int, halo: int, multiple_of: int = 1, *, even: bool = True) -> tuple[Span, ...]:
    """Split [0, length) into the fewest parts of at most `largest`, borders on multiples of `multiple_of`: `even` ones, or
    of `largest` and what remains."""
    step = max(largest // multiple_of, 1) * multiple_of
    if even:
        step = ceil(ceil(length / ceil(length / step)) / multiple_of) * multiple_of
    starts = range(0, length, step)
    return tuple(
        Span(start, min(start + step, length), max(start - halo, 0), min(start + step + halo, length))
        for start in starts
    )


def axes(height: int, width: int, tiling: Tiling, side: int) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Rows and columns of the tiles of `plan`."""
    high = tiling.max_aspect * (side + 2 * tiling.halo) - 2 * tiling.halo
    return (
        spans(height, high, tiling.halo, tiling.multiple_of),
        spans(width, side, tiling.halo, tiling.multiple_of, even=tiling.blend > 0),
    )


def plan(height: int, width: int, tiling: Tiling, side: int) -> tuple[Tile, ...]:
    """Tiles for pieces of `side` LR pixels (halo not counted) across, and `tiling.tall` times as high; row by row."""
    rows, columns = axes(height, width, tiling, side)
    return tuple(Tile(r, c) for r in rows for c in columns)


def side_for(tiling: Tiling, bytes_per_pixel: int, budget: int, size: tuple[int, ...]) -> int:
    """The tile side (LR pixels across, halo not counted) for a picture of `size` (height, width): its longer side where it
    can stay in one piece, else the largest whose working memory stays within `budget` bytes.

    Not below SMALLEST, whatever the budget, and no tile with its halo wider than `tiling.seen`.
    """
    affordable = budget // max(bytes_per_pixel, 1)
    if size[0] * size[1] <= min(affordable, tiling.largest**2):
        return ceil(max(size) / tiling.multiple_of) * tiling.multiple_of
    with_halo = min(int(sqrt(affordable / tiling.max_aspect)), tiling.seen)
    side = min(max(with_halo - 2 * tiling.halo, SMALLEST), tiling.largest)
    return max(side // tiling.multiple_of, 1) * tiling.multiple_of


def at_once(tiling: Tiling, bytes_per_pixel: int, budget: int, side: int, most: int) -> int:
    """How many tiles of `side` (halo not counted) may be worked on together within `budget` bytes: 1 to `most`."""
    each = bytes_per_pixel * tiling.max_aspect * (side + 2 * tiling.halo) ** 2
    return min(max(budget // max(each, 1), 1), most)


def batches(tiles: Sequence[Tile], most: int) -> list[list[Tile]]:
    """`tiles` in groups of at most `most` that see parts of one shape, in the order of the first of each group.

    Tiles at the border of the picture have less halo. With `most` = 1 the order stays as it is.
    """
    found: list[list[Tile]] = []
    open_now: dict[tuple[int, int], list[Tile]] = {}
    for tile in tiles:
        group = open_now.get(tile.seen)
        if group is None or len(group) == most:
            group = open_now[tile.seen] = []
            found.append(group)
        group.append(tile)
    return found


def run(
    image: Image,
    tiles: tuple[Tile, ...],
    scale: int,
    blend: int,
    upscale: Callable[[Image, Progress], Image],
    progress: Progress,
    check: Check = _unchecked,
    channels: int = 3,
) -> Image:
    """`upscale` each tile of `image` (H, W, 3), `check` the result, and assemble (H * scale, W * scale, `channels`),
    read-only. `channels` is how many `check` returns.

    Progress is reported, and Stop obeyed, before each tile. `blend` is the half-width of the transition in LR pixels.
    """
    if len(tiles) == 1:
        progress(0.0)
        result = check(upscale(readonly(np.ascontiguousarray(image)), progress), tiles[0].seen)
        progress(1.0)
        return result

    def one_by_one(pieces: Iterator[Pieces]) -> Iterator[list[Image]]:
        return ([upscale(image, told) for image in images] for images, told in pieces)

    return run_in_batches(image, batches(tiles, 1), scale, blend, one_by_one, progress, check, channels)


def run_in_batches(
    image: Image,
    groups: Sequence[Sequence[Tile]],
    scale: int,
    blend: int,
    upscale: Callable[[Iterator[Pieces]], Iterator[list[Image]]],
    progress: Progress,
    check: Check = _unchecked,
    channels: int = 3,
) -> Image:
    """Give `upscale` the parts of `image` (H, W, 3) that `groups` see, and assemble its results, which come in the same
    order and are checked one by one, to (H * scale, W * scale, `channels`), read-only.

    Progress is reported, and Stop obeyed, whenever `upscale` asks for the next group: it may do so before it has handed
    out the last one's results. `blend` as in `run`.
    """
    height, width = image.shape[:2]
    count = sum(len(group) for group in groups)

    def pieces() -> Iterator[Pieces]:
        done = 0
        for group in groups:
            part = progress.part(done / count, (done + len(group)) / count)
            part(0.0, f"tile {done + 1} of {count}")
            done += len(group)
            yield [_cut(image, tile) for tile in group], part

    out = large_array.zeros(height * scale, width * scale, channels)
    touched = 0

    def place(group: Sequence[Tile], results: Sequence[Image]) -> None:
        nonlocal touched
        for tile, result in zip(group, results, strict=True):
            _place(out, check(result, tile.seen), tile, scale, blend, (height, width))
            touched += result.nbytes
        if touched > _LET_GO:
            large_array.release(out, image)
            touched = 0

    # One thread checks and copies, in order, while the next tiles are computed: alone it leaves the other cores idle.
    with ThreadPoolExecutor(1) as copying:
        placed: Future[None] | None = None
        for group, results in zip(groups, upscale(pieces()), strict=True):
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


def _place(out: Image, piece: Image, tile: Tile, scale: int, blend: int, size: tuple[int, int]) -> None:
    r, c = tile.rows, tile.columns
    top, bottom = _reach(r, blend, size[0])
    left, right = _reach(c, blend, size[1])
    used = piece[
        (top - r.low) * scale : (bottom - r.low) * scale,
        (left - c.low) * scale : (right - c.low) * scale,
    ]
    target = out[top * scale : bottom * scale, left * scale : right * scale]
    if blend == 0:
        target[:] = used
        return
    weights = _ramp(r, blend, size[0], scale)[:, None] * _ramp(c, blend, size[1], scale)[None, :]
    target += used * weights[..., None]


def _reach(span: Span, blend: int, length: int) -> tuple[int, int]:
    """The rows (or columns) that a tile contributes to."""
    return max(span.start - blend, span.low, 0), min(span.stop + blend, span.high, length)


def _ramp(span: Span, blend: int, length: int, scale: int) -> Image:
    """Weights of one tile along one axis: rising over `blend` on both sides of an inner border, 1 elsewhere.

    At a border b shared by two tiles the weights are sin²(t) and cos²(t), t = pi/4 (1 + (x - b) / blend): they sum to 1.
    """
    low, high = _reach(span, blend, length)
    x = (np.arange(low * scale, high * scale, dtype=np.float32) + 0.5) / scale
    weight = np.ones_like(x)
    if span.start > 0:
        t = np.clip((x - span.start) / blend, -1.0, 1.0)
        weight *= np.sin(np.pi / 4 * (1 + t)) ** 2
    if span.stop < length:
        t = np.clip((x - span.stop) / blend, -1.0, 1.0)
        weight *= np.cos(np.pi / 4 * (1 + t)) ** 2
    return weight.astype(np.float32)
