"""Patches of a database: p x p LR pixels each, their features, and the index that finds them.

The feature of a patch (d = 68, for every p) is its luma averaged onto an 8 x 8 grid, mean removed and divided by its
standard deviation (contrast normalization, Freeman et al. 2002, "Example-based super-resolution"), followed by weighted
mean colour and deviation: among equal shapes the one that needs the least colour transfer is nearest.

Legend: p = side of a patch in LR pixels; n = patches; g = side of the grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic import faiss_index
from sr_demo.approaches.mosaic.patch_database import SCALE, PatchDatabase, Pixels, as_floats, downscaled
from sr_demo.approaches.mosaic.windows import luma
from sr_demo.errors import BadInput
from sr_demo.image import Image
from sr_demo.progress import Progress

GRID = 8
_COLOUR_WEIGHT, _CONTRAST_WEIGHT = 2.0, 4.0
_NOISE = 0.02
"""Added to the deviation before dividing by it, so that the noise of a flat patch is not amplified into a shape."""
_MOST_PATCHES = 60_000
"""Patches of one index: all positions of the default database at p = 64, every third at p = 4."""
_FLAT_BELOW = 10_000
"""Number of patches from which inverted lists are used; they need a tenth of the work and lose 1 % of the matches."""
_BATCH = 4096
Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class PatchStatistics:
    """Colour and contrast of n patches."""

    mean: Floats
    """(n, 3) mean colour in [0, 1]."""
    deviation: Floats
    """(n,) standard deviation of the luma."""


@dataclass(frozen=True)
class PatchFeatures(PatchStatistics):
    """Colour, contrast and features of n patches."""

    features: Floats
    """(n, 68)."""


@dataclass(frozen=True)
class PatchIndex:
    """All patches of one size of a database, and the FAISS index of their features."""

    patch: int
    """Side of a patch in LR pixels, p."""
    hr: tuple[Pixels, ...]
    """The HR sides of the photos, (4h, 4w, 3) uint8 each."""
    sources: tuple[str, ...]
    """File names of the photos."""
    numbers: tuple[int, ...]
    """Numbers of the photos in the database: photos smaller than a patch are not in the index."""
    photo: Ints
    """(n,) position of a patch's photo in `hr`, `sources` and `numbers`."""
    y: Ints
    """(n,) top of a patch in its photo, in LR pixels."""
    x: Ints
    """(n,) left of a patch in its photo, in LR pixels."""
    mean: Floats
    """(n, 3), as in `PatchStatistics`."""
    deviation: Floats
    """(n,), as in `PatchStatistics`."""
    index: Any
    """FAISS index of the features."""


class _ScaledPhoto(NamedTuple):
    """A photo of the database at the requested size."""

    number: int
    name: str
    hr: Pixels
    lr: Pixels


def extract_features(
    lr: Image, y: NDArray[np.integer[Any]], x: NDArray[np.integer[Any]], patch: int
) -> PatchFeatures:  # fmt: skip
    """Compute colour, contrast and features of patches of an image.

    Args:
        lr: (H, W, 3) float32 in [0, 1].
        y: (n,) tops of the patches.
        x: (n,) lefts of the patches.
        patch: Side of a patch in pixels.
    """
    windows = np.lib.stride_tricks.sliding_window_view(luma(lr), (patch, patch))
    pool = _pooling_matrix(patch)
    features = np.empty((len(y), GRID * GRID + 4), np.float32)
    mean, deviation = np.empty((len(y), 3), np.float32), np.empty(len(y), np.float32)
    colour = _box_means(lr, patch)
    for start in range(0, len(y), _BATCH):
        part = slice(start, start + _BATCH)
        w = windows[y[part], x[part]]
        w = w - w.mean(axis=(1, 2), keepdims=True)
        deviation[part] = np.sqrt(np.square(w).mean(axis=(1, 2)))
        grid = (pool @ w @ pool.T).reshape(len(w), -1)
        features[part, : GRID * GRID] = grid / (GRID * (deviation[part, None] + _NOISE))
        mean[part] = colour[y[part], x[part]]
    features[:, -4:-1] = mean * _COLOUR_WEIGHT
    features[:, -1] = deviation * _CONTRAST_WEIGHT
    return PatchFeatures(mean, deviation, features)


def index_patches(database: PatchDatabase, patch: int, downscale: int, progress: Progress) -> PatchIndex:
    """Cut the photos of a database into patches and index them.

    Args:
        database: The photos.
        patch: Side of a patch in LR pixels.
        downscale: Factor by which the photos are downscaled first; less where a photo would become smaller than a patch.
        progress: Receives what is done so far.

    Raises:
        BadInput: No photo is as large as a patch.
        Cancelled: Stop was pressed.
    """
    scaled = [_scaled_photo(database, i, patch, downscale) for i in range(len(database.photos))]
    photos = [photo for photo in scaled if photo is not None]
    if not photos:
        raise BadInput(
            f"No photo of this memory is large enough for patches of {patch} pixels: it would need "
            f"{patch * SCALE} pixels on its shorter side. Choose a smaller patch size."
        )
    stride = stride_for([photo.lr.shape for photo in photos], patch)
    parts: list[PatchFeatures] = []
    places: list[tuple[Ints, Ints, Ints]] = []
    for number, photo in enumerate(photos):
        progress(0.9 * number / len(photos), f"cutting the photos into patches of {patch} pixels")
        y, x = grid_positions(photo.lr.shape[0], photo.lr.shape[1], patch, stride)
        parts.append(extract_features(as_floats(photo.lr), y, x, patch))
        places.append((np.full(len(y), number, np.int32), y, x))
    vectors = np.concatenate([part.features for part in parts])
    plan = faiss_index.choose_index(len(vectors), vectors.shape[1], 4 * vectors.nbytes, flat_below=_FLAT_BELOW)
    photo_of, y, x = (np.concatenate([place[axis] for place in places]) for axis in range(3))
    return PatchIndex(
        patch,
        tuple(photo.hr for photo in photos),
        tuple(photo.name for photo in photos),
        tuple(photo.number for photo in photos),
        photo_of, y, x,
        np.concatenate([part.mean for part in parts]),
        np.concatenate([part.deviation for part in parts]),
        faiss_index.build_index(vectors, plan),
    )  # fmt: skip


def grid_positions(height: int, width: int, patch: int, stride: int, rows: slice = slice(None)) -> tuple[Ints, Ints]:
    """Return the top left corners of all patches on a grid that lie inside an image.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        patch: Side of a patch in pixels.
        stride: Distance of the grid in pixels.
        rows: Rows of the grid to return.

    Returns:
        Tops (n,) and lefts (n,), row by row.
    """
    y, x = np.meshgrid(
        np.arange(0, height - patch + 1, stride, dtype=np.int32)[rows],
        np.arange(0, width - patch + 1, stride, dtype=np.int32),
        indexing="ij",
    )
    return y.ravel(), x.ravel()


def _scaled_photo(database: PatchDatabase, number: int, patch: int, downscale: int) -> _ScaledPhoto | None:
    """Return a photo at the requested size; None when even the whole photo is smaller than a patch."""
    photo = database.photos[number]
    factor = max(1 / downscale, patch * SCALE / min(photo.height, photo.width))
    if factor > 1:
        return None
    if factor == 1:
        return _ScaledPhoto(number, photo.name, database.hr(number), database.lr(number))
    height, width = (max(round(side * factor / SCALE), patch) for side in (photo.height, photo.width))
    hr = downscaled(database.hr(number), height * SCALE, width * SCALE)
    return _ScaledPhoto(number, photo.name, hr, downscaled(hr, height, width))


def stride_for(shapes: list[tuple[int, ...]], patch: int, most: int = _MOST_PATCHES) -> int:
    """Return the distance of a database's patches: an eighth of a patch, more where there would be too many.

    More photos than `most` have one patch each.

    Args:
        shapes: (height, width, 3) of the photos' LR sides.
        patch: Side of a patch in LR pixels.
        most: Largest number of patches of all photos together.
    """
    stride = max(patch // 8, 1)
    room = np.array([shape[:2] for shape in shapes]) - patch
    while stride <= room.max() and np.maximum(room // stride + 1, 0).prod(axis=1).sum() > most:
        stride += 1
    return stride


def _pooling_matrix(patch: int) -> Floats:
    """Return (g, p): row i averages the part [i p / g, (i + 1) p / g) of a side, boundary pixels by their share."""
    edges = np.arange(GRID + 1) * patch / GRID
    pixel = np.arange(patch)
    share = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return (np.clip(share, 0, 1) * GRID / patch).astype(np.float32)


def _box_means(image: Image, patch: int) -> Floats:
    """Return the mean of every p x p window inside an image, (H - p + 1, W - p + 1, 3), by summed areas (Crow 1984)."""
    sums = np.zeros((image.shape[0] + 1, image.shape[1] + 1, 3))
    np.cumsum(image, axis=0, dtype=np.float64, out=sums[1:, 1:])
    np.cumsum(sums[1:, 1:], axis=1, out=sums[1:, 1:])
    total = sums[patch:, patch:] - sums[:-patch, patch:] - sums[patch:, :-patch] + sums[:-patch, :-patch]
    return (total / patch**2).astype(np.float32)
