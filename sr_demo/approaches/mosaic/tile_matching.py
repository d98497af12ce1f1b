"""Tile matching: for every tile of an image, the database patch that a mosaic pastes there.

Legend: p = side of a tile in LR pixels; s = stride of tiles; R x C = grid of tiles; n = tiles; k = candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic import faiss_index
from sr_demo.approaches.mosaic.patch_database import SCALE, Pixels
from sr_demo.approaches.mosaic.patches import (
    Floats,
    Ints,
    PatchIndex,
    PatchStatistics,
    extract_features,
    grid_positions,
)
from sr_demo.approaches.mosaic.variety import VarietySelector
from sr_demo.errors import BadInput
from sr_demo.image import Image, readonly
from sr_demo.progress import Progress
from sr_demo.system import large_array

_CANDIDATES = 32
_BATCH = 2048
_BAND = 16_384
_MOST_TILES = 4_000_000
"""Tiles of one mosaic; about 200 bytes are held for each."""


@dataclass(frozen=True)
class TileMatches:
    """The matched patch of every tile. Arrays are (R, C) unless stated otherwise."""

    patch: int
    """Side of a tile in LR pixels, p."""
    stride: int
    """Tile (r, c) lies at (r s, c s) of the image."""
    photo: Ints
    """Number of the matched photo, an index into `sources` and `hr`."""
    y: Ints
    """Top of the matched patch, in LR pixels of the photo."""
    x: Ints
    """Left of the matched patch, in LR pixels of the photo."""
    distance: Floats
    """Squared distance of the features; 0 is a perfect match."""
    rank: Ints
    """0 where the nearest patch was chosen, more where variety passed over nearer ones."""
    mean: Floats
    """(R, C, 3) mean colour of the matched patch."""
    deviation: Floats
    """Standard deviation of the matched patch's luma."""
    sources: tuple[str, ...]
    """File names of the photos."""
    hr: tuple[Pixels, ...]
    """HR sides of the photos, (4h, 4w, 3) uint8 each."""
    left_out: tuple[str, ...] = ()
    """File names of photos that were excluded because they are the input itself."""

    def pixels(self, r: int, c: int) -> Pixels:
        """Return the matched patch of tile (r, c) before colour transfer, (4p, 4p, 3) uint8."""
        top, left, side = self.y[r, c] * SCALE, self.x[r, c] * SCALE, self.patch * SCALE
        return self.hr[self.photo[r, c]][top : top + side, left : left + side]

    def tile_at(self, y: int, x: int) -> tuple[int, int]:
        """Return the tile (r, c) whose centre is nearest to the LR pixel (y, x) of the image."""
        rows, columns = self.photo.shape
        r, c = (round((place - (self.patch - 1) / 2) / self.stride) for place in (y, x))
        return min(max(r, 0), rows - 1), min(max(c, 0), columns - 1)

    def unknown(self) -> Floats:
        """Return the dissimilarity of tiles and their matches, (R, C) in [0, 1]: 0 identical, 1 nothing in common.

        It is half the squared distance: orthogonal unit features have a squared distance of 2.
        """
        return np.clip(self.distance * np.float32(0.5), np.float32(0), np.float32(1))

    @property
    def distinct(self) -> int:
        """Number of different patches in the mosaic."""
        places = np.stack([self.photo.ravel(), self.y.ravel(), self.x.ravel()])
        return np.unique(places, axis=1).shape[1]


def stride_of(patch: int, overlap: int) -> int:
    """Return the stride of tiles with side `patch` for an overlap in percent, at least one pixel."""
    return max(round(patch * (100 - overlap) / 100), 1)


def padded(image: Image, patch: int, stride: int) -> Image:
    """Return an image padded at its bottom and right, by replicating the edge, until tiles fit exactly.

    Args:
        image: (H, W, 3) float32 in [0, 1].
        patch: Side of a tile in LR pixels.
        stride: Stride of tiles in LR pixels.
    """
    extra = [_padding(length, patch, stride) for length in image.shape[:2]]
    if extra == [0, 0]:
        return image
    height, width = image.shape[:2]
    out = large_array.zeros(height + extra[0], width + extra[1], 3)
    for rows in large_array.bands(image):
        out[rows, :width], out[rows, width:] = image[rows], image[rows, -1:]
        large_array.release(out[rows])
    out[height:] = out[height - 1]
    return readonly(out)


def _padding(length: int, patch: int, stride: int) -> int:
    return patch - length if length <= patch else -(length - patch) % stride


def match_tiles(
    image: Image,
    patches: PatchIndex,
    stride: int,
    variety: float,
    seed: int,
    progress: Progress,
    excluded: Sequence[int] = (),
    band: int = _BAND,
) -> tuple[TileMatches, PatchStatistics]:
    """Match every tile of an image with a patch.

    Rows are matched in bands, so that working memory does not grow with the image; a band takes the choices above it
    into account.

    Args:
        image: (H, W, 3) float32 in [0, 1], padded (see `padded`).
        patches: The patches that may be pasted.
        stride: Stride of tiles in LR pixels.
        variety: How strongly repeats are avoided, in [0, 1].
        seed: Decides between nearly equal candidates.
        progress: Receives what is done so far.
        excluded: Numbers (within the database) of photos whose patches are not used.
        band: About how many tiles are matched at once.

    Returns:
        The matches, and colour and contrast of the image's own tiles, (R C) each, row by row.

    Raises:
        BadInput: The mosaic would have too many tiles.
        Cancelled: Stop was pressed.
    """
    patch = patches.patch
    rows, columns = (image.shape[0] - patch) // stride + 1, (image.shape[1] - patch) // stride + 1
    if rows * columns > _MOST_TILES:
        raise BadInput(
            f"The mosaic would have {rows * columns / 1e6:.1f} million tiles; {_MOST_TILES / 1e6:.0f} million is the most. "
            "Choose less overlap, larger patches, or a smaller part of the picture."
        )
    allowed = _allowed_patches(patches, excluded)
    selector = VarietySelector(patches, (rows, columns), stride, variety, seed)
    chosen, rank = np.empty((rows, columns), np.int64), np.empty((rows, columns), np.int32)
    distance = np.empty((rows, columns), np.float32)
    own = PatchStatistics(np.empty((rows * columns, 3), np.float32), np.empty(rows * columns, np.float32))
    rows_per_band = max(band // columns, 1)
    for top in range(0, rows, rows_per_band):
        here = slice(top, min(top + rows_per_band, rows))
        grid = (here.stop - top, columns)
        y, x = grid_positions(image.shape[0], image.shape[1], patch, stride, here)
        tiles = extract_features(image[y[0] : y[-1] + patch], y - y[0], x, patch)
        k = min(_CANDIDATES if variety > 0 else 1, len(patches.photo))
        report = progress.part(top / rows, here.stop / rows)
        distances, numbers = _search_candidates(patches, tiles.features, k, allowed, report)
        best = selector.select(distances, numbers, top)
        row = np.arange(len(best))
        chosen[here], rank[here] = numbers[row, best].reshape(grid), best.reshape(grid)
        distance[here] = np.maximum(distances[row, best], 0).reshape(grid)
        part = slice(top * columns, here.stop * columns)
        own.mean[part], own.deviation[part] = tiles.mean, tiles.deviation
    matches = TileMatches(
        patch, stride, patches.photo[chosen], patches.y[chosen], patches.x[chosen], distance, rank, patches.mean[chosen],
        patches.deviation[chosen], patches.sources, patches.hr,
    )  # fmt: skip
    return matches, own


def _allowed_patches(patches: PatchIndex, excluded: Sequence[int]) -> NDArray[np.bool_] | None:
    """Return which patches may be found, (N,); None for all, also if `excluded` contains all photos."""
    if not excluded:
        return None
    positions = [position for position, number in enumerate(patches.numbers) if number in excluded]
    allowed = ~np.isin(patches.photo, positions)
    return allowed if allowed.any() else None


def _search_candidates(
    patches: PatchIndex, features: Floats, k: int, allowed: NDArray[np.bool_] | None, progress: Progress
) -> tuple[Floats, NDArray[np.int64]]:
    """Return squared distances and numbers of the k nearest patches, (n, k) each."""
    distances, numbers = np.empty((len(features), k), np.float32), np.empty((len(features), k), np.int64)
    for start in range(0, len(features), _BATCH):
        progress(start / len(features), "searching the memory")
        part = slice(start, start + _BATCH)
        distances[part], numbers[part] = faiss_index.search(patches.index, features[part], k, allowed)
    return distances, numbers
