"""Variety of a mosaic: among the nearest candidates of each tile, the choice that avoids repeats in a neighbourhood.

Legend: R x C = grid of tiles; n = tiles of a band of rows; k = candidates of a tile.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic.patches import Floats, Ints, PatchIndex

_REACH = 2
"""Neighbourhood in which repeats are avoided: this many tiles to each side."""


class VarietySelector:
    """Chooses a candidate for each tile, band by band from the top; a band takes the choices above it into account."""

    def __init__(self, patches: PatchIndex, grid: tuple[int, int], stride: int, variety: float, seed: int) -> None:
        """Prepare the selection for one mosaic.

        Args:
            patches: The patches that candidates refer to.
            grid: Rows R and columns C of the mosaic.
            stride: Distance of tiles in LR pixels.
            variety: Weight of the penalty for repeats, in [0, 1].
            seed: Decides between nearly equal candidates.
        """
        self._patches, self._stride, self._variety, self._seed = patches, stride, variety, seed
        # Photo, top and left of the patch chosen for each tile, with a margin of `_REACH`; -1: not chosen yet.
        self._chosen = np.full((3, grid[0] + 2 * _REACH, grid[1] + 2 * _REACH), -1, np.int32)
        self._columns = grid[1]

    def select(self, distances: Floats, numbers: NDArray[np.int64], top: int) -> NDArray[np.int64]:
        """Return the rank of the chosen candidate of each tile of a band, (n,).

        A candidate is penalized for every neighbour that shows nearly the same place of the same photo: at variety 1, one
        repeat costs as much as the spread between the best and the last candidate. Tiles further apart than the
        neighbourhood do not affect each other, so each of nine interleaved classes is decided at once.

        Args:
            distances: (n, k) squared distances of the candidates, nearest first.
            numbers: (n, k) numbers of the candidates in the patch index.
            top: First row of the band.
        """
        n, k = distances.shape
        if k == 1:
            return np.zeros(n, np.int64)
        rng = np.random.default_rng((self._seed, top))
        spread = np.maximum(distances[:, -1:] - distances[:, :1], 1e-6)
        # The seed moves costs by less than a hundredth of the spread: it only decides between nearly equal candidates.
        jitter = rng.random((n, k), np.float32) * 0.01
        cost = distances + spread * jitter * (distances > distances[:, :1])
        places = np.stack([self._patches.photo[numbers], self._patches.y[numbers], self._patches.x[numbers]])
        rank = np.zeros(n, np.int64)
        side = _REACH + 1
        for first in range(side * side):
            r, c = np.meshgrid(
                np.arange(first // side, n // self._columns, side),
                np.arange(first % side, self._columns, side),
                indexing="ij",
            )
            r, c = r.ravel(), c.ravel()
            if not len(r):
                continue
            i = r * self._columns + c
            repeats = self._count_repeats(places[:, i], r + top, c)
            rank[i] = np.argmin(cost[i] + self._variety * spread[i] * repeats, axis=1)
            self._chosen[:, r + top + _REACH, c + _REACH] = places[:, i, rank[i]]
        return rank

    def _count_repeats(self, places: Ints, r: NDArray[np.int64], c: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return how many neighbours already show the same place as each candidate, (n, k).

        A neighbour that shows the photo shifted just as the tiles are shifted continues it: that is no repeat.

        Args:
            places: (3, n, k) photo, top and left of the candidates.
            r: (n,) rows of the tiles.
            c: (n,) columns of the tiles.
        """
        photo, y, x = places
        patch, stride = self._patches.patch, self._stride
        count = np.zeros(photo.shape, np.int32)
        for dr in range(-_REACH, _REACH + 1):
            for dc in range(-_REACH, _REACH + 1):
                if dr == dc == 0:
                    continue
                other, oy, ox = self._chosen[:, r + dr + _REACH, c + dc + _REACH][..., None]
                down, right = oy - y, ox - x
                near = (np.abs(down) < patch / 2) & (np.abs(right) < patch / 2)
                continues = (np.abs(down - dr * stride) <= 1) & (np.abs(right - dc * stride) <= 1)
                count += (other == photo) & near & ~continues
        return count
