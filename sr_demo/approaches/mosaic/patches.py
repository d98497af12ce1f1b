"""Pieces: p x p patches of LR pixels, what they are compared by, and the index of a memory's pieces.

Feature of a piece (d = 68, for every p): its luma averaged onto an 8 x 8 grid, mean removed and divided by its
deviation (Freeman et al. 2002, "Example-based super-resolution": contrast normalisation), then mean colour and
deviation with a weight, so that among equal shapes the one that needs the least recolouring wins.
Legend: p = side of a piece in LR pixels; n = pieces; g = grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic import faiss_index as indexes
from sr_demo.approaches.mosaic.patch_database import SCALE, PatchDatabase, Pixels, as_floats, downscaled
from sr_demo.errors import BadInput
from sr_demo.image import BT601, Image
from sr_demo.progress import Progress

GRID = 8
LUMA = np.array(BT601, np.float32)
_COLOUR_WEIGHT, _CONTRAST_WEIGHT = 2.0, 4.0
_QUIET = 0.02
"""Deviation below which a piece counts as flat: noise is not blown up into a shape."""
_MOST = 60_000
"""Pieces of one index: all positions of the default memory at p = 64, every third at p = 4."""
_FLAT_BELOW = 10_000
"""Above, inverted lists: ten times less work for 1 % of the answers, so that the slider answers at once."""
_BATCH = 4096
Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Look:
    """How n pieces look on average."""

    mean: Floats
    """(n, 3) mean colour."""
    deviation: Floats
    """(n,) deviation of the luma."""


@dataclass(frozen=True)
class Described(Look):
    """What is known of n pieces."""

    features: Floats
    """(n, 68)."""


@dataclass(frozen=True)
class Pieces:
    """All pieces of one size of one memory, and their index."""

    patch: int
    hr: tuple[Pixels, ...]
    """The photos as they are pasted, (4h, 4w, 3) uint8."""
    sources: tuple[str, ...]
    """Their names."""
    numbers: tuple[int, ...]
    """Their numbers in the memory: photos too small for a piece are not here."""
    photo: Ints
    y: Ints
    x: Ints
    """(n,) each: photo and top left corner in its LR pixels."""
    mean: Floats
    deviation: Floats
    index: Any


def describe(lr: Image, y: NDArray[np.integer[Any]], x: NDArray[np.integer[Any]], patch: int) -> Described:
    """The pieces of `lr` (H, W, 3) whose top left corners are (y, x), each (n,)."""
    luma = np.ascontiguousarray(lr @ LUMA)
    windows = np.lib.stride_tricks.sliding_window_view(luma, (patch, patch))
    pool = _pooling(patch)
    features = np.empty((len(y), GRID * GRID + 4), np.float32)
    mean, deviation = np.empty((len(y), 3), np.float32), np.empty(len(y), np.float32)
    colour = _box_means(lr, patch)
    for start in range(0, len(y), _BATCH):
        part = slice(start, start + _BATCH)
        w = windows[y[part], x[part]]
        w = w - w.mean(axis=(1, 2), keepdims=True)
        deviation[part] = np.sqrt(np.square(w).mean(axis=(1, 2)))
        grid = (pool @ w @ pool.T).reshape(len(w), -1)
        features[part, : GRID * GRID] = grid / (GRID * (deviation[part, None] + _QUIET))
        mean[part] = colour[y[part], x[part]]
    features[:, -4:-1] = mean * _COLOUR_WEIGHT
    features[:, -1] = deviation * _CONTRAST_WEIGHT
    return Described(mean, deviation, features)


def cut(memory: PatchDatabase, patch: int, shrink: int, progress: Progress) -> Pieces:
    """The pieces of `memory` with side `patch`, its photos shrunk by `downscale` first (less where a photo would become
    smaller than a piece). Raises BadInput when no photo is as large as a piece."""
    found = [_view(memory, i, patch, shrink) for i in range(len(memory.photos))]
    views = [view for view in found if view is not None]
    if not views:
        raise BadInput(
            f"No photo of this memory is large enough for pieces of {patch} pixels: it would need "
            f"{patch * SCALE} pixels on its shorter side. Choose a smaller patch size."
        )
    step = step_for([lr.shape for _, _, lr in views], patch)
    described: list[Described] = []
    places: list[tuple[Ints, Ints, Ints]] = []
    for number, (_, _, lr) in enumerate(views):
        progress(0.9 * number / len(views), f"cutting the memory into pieces of {patch} pixels")
        y, x = positions(lr.shape[0], lr.shape[1], patch, step)
        described.append(describe(as_floats(lr), y, x, patch))
        places.append((np.full(len(y), number, np.int32), y, x))
    vectors = np.concatenate([d.features for d in described])
    plan = indexes.choose(len(vectors), vectors.shape[1], 4 * vectors.nbytes, flat_below=_FLAT_BELOW)
    photo, y, x = (np.concatenate([place[axis] for place in places]) for axis in range(3))
    return Pieces(
        patch,
        tuple(hr for _, hr, _ in views),
        tuple(name for name, _, _ in views),
        tuple(i for i, view in enumerate(found) if view is not None),
        photo, y, x,
        np.concatenate([d.mean for d in described]),
        np.concatenate([d.deviation for d in described]),
        indexes.build(vectors, plan),
    )  # fmt: skip


def positions(height: int, width: int, patch: int, step: int, rows: slice = slice(None)) -> tuple[Ints, Ints]:
    """Top left corners, row by row, of all pieces on a grid of `step` that lie inside; only `rows` of that grid."""
    y, x = np.meshgrid(
        np.arange(0, height - patch + 1, step, dtype=np.int32)[rows],
        np.arange(0, width - patch + 1, step, dtype=np.int32),
        indexing="ij",
    )
    return y.ravel(), x.ravel()


def _view(memory: PatchDatabase, photo: int, patch: int, shrink: int) -> tuple[str, Pixels, Pixels] | None:
    """Name, HR and LR side of a photo at the wanted size; None when even the whole photo is smaller than a piece."""
    p = memory.photos[photo]
    short = min(p.height, p.width)
    factor = max(1 / shrink, patch * SCALE / short)
    if factor > 1:
        return None
    if factor == 1:
        return p.name, memory.hr(photo), memory.lr(photo)
    height, width = (max(round(side * factor / SCALE), patch) for side in (p.height, p.width))
    hr = downscaled(memory.hr(photo), height * SCALE, width * SCALE)
    return p.name, hr, downscaled(hr, height, width)


def step_for(shapes: list[tuple[int, ...]], patch: int, most: int = _MOST) -> int:
    """Distance of pieces in the memory: an eighth of a piece, more where there would be too many."""
    step = max(patch // 8, 1)
    while sum(len(range(0, h - patch + 1, step)) * len(range(0, w - patch + 1, step)) for h, w, _ in shapes) > most:
        step += 1
    return step


def _pooling(patch: int) -> Floats:
    """(g, p): row i averages the part [i p / g, (i + 1) p / g) of a side, shared pixels by their share."""
    edges = np.arange(GRID + 1) * patch / GRID
    pixel = np.arange(patch)
    share = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return (np.clip(share, 0, 1) * GRID / patch).astype(np.float32)


def _box_means(image: Image, patch: int) -> Floats:
    """Mean of every p x p window that lies inside, (H - p + 1, W - p + 1, 3), by a table of sums (Crow 1984)."""
    sums = np.zeros((image.shape[0] + 1, image.shape[1] + 1, 3))
    np.cumsum(image, axis=0, dtype=np.float64, out=sums[1:, 1:])
    np.cumsum(sums[1:, 1:], axis=1, out=sums[1:, 1:])
    total = sums[patch:, patch:] - sums[:-patch, patch:] - sums[patch:, :-patch] + sums[:-patch, :-patch]
    return (total / patch**2).astype(np.float32)
