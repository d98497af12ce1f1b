"""HTML and images of the Mosaic tab: summaries, the matches of a clicked spot, and the distance map."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic.anchors import AnchoredRegression
from sr_demo.approaches.mosaic.dihedral import to_canonical
from sr_demo.approaches.mosaic.patch_database import SCALE
from sr_demo.approaches.mosaic.retrieval import PHOTO_SCALES, NearestNeighbours
from sr_demo.approaches.mosaic.tile_matching import TileMatches
from sr_demo.approaches.mosaic.upscalers import LearnedRetrieval, RefinedRetrieval
from sr_demo.approaches.mosaic.windows import INPUT_SIDE, OUTPUT_SIDE, Floats, luma
from sr_demo.errors import first_few
from sr_demo.image import Image, quantize, readonly
from sr_demo.reports import formatting
from sr_demo.ui.html import inline_image
from sr_demo.ui.languages import word

_SHOWN = 5
"""Number of matches that are shown for a clicked spot."""
_CLICK = "Click a spot to see what matched there."


def note(text: str) -> str:
    """Return a paragraph in small print, escaped."""
    return f'<p class="sr-fine">{word(text)}</p>'


def tiles_summary(matches: TileMatches, patch: int, seconds: float) -> str:
    """Return a paragraph with the numbers of tiles, patches and photos of a mosaic, and its duration.

    Args:
        matches: The match of each patch position.
        patch: Side of a patch in LR pixels.
        seconds: Duration of matching and pasting.
    """
    return note(
        f"{matches.photo.size} tiles of {patch} px, filled with {matches.distinct} different patches of "
        f"{len(matches.sources)} photos, in {formatting.seconds(seconds)}.{_left_out(matches.left_out)} {_CLICK}"
    )


def refined_summary(numbers: NDArray[np.int64], database: str, seconds: float, left_out: Sequence[str]) -> str:
    """Return a paragraph with the numbers of spots that were looked up, and of different entries that matched.

    Args:
        numbers: Index of the entry that matched at each spot, any shape, int64; negative where the image is flat.
        database: Description of the database's size and origin.
        seconds: Duration of the refinement.
        left_out: Photos that were excluded because they are the image itself.
    """
    matched = numbers[numbers >= 0]
    return note(
        f"Bicubic plus remembered detail: {matched.size} of {numbers.size} spots looked up, matched by "
        f"{len(np.unique(matched))} different entries ({database}), in {formatting.seconds(seconds)}."
        f"{_left_out(left_out)} {_CLICK}"
    )


def database_ready(photos: int, skipped: Sequence[str]) -> str:
    """Return a paragraph on a new database of `photos` photos, and a list of `skipped`, sentences on unusable files."""
    notes = "".join(f"<li>{escape(sentence)}</li>" for sentence in first_few(skipped))
    return f'{note(f"The memory is ready: {photos} photos.")}<ul class="sr-fine sr-words">{notes}</ul>'


def distance_map(unknown: Floats, shape: tuple[int, ...]) -> Image:
    """Draw the distance of the matches in cividis colours, which colour-blind people can read.

    Args:
        unknown: (R, C) float32 in [0, 1], bright where nothing similar was found.
        shape: Shape of the result; height and width come first.

    Returns:
        (H, W, 3) float32 in [0, 1].
    """
    level = np.rint(unknown * 255).astype(np.uint8)
    large = cv2.resize(level, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)
    coloured = cv2.cvtColor(cv2.applyColorMap(large, cv2.COLORMAP_CIVIDIS), cv2.COLOR_BGR2RGB)
    return readonly(np.divide(coloured, 255, dtype=np.float32))


def tile_match(matches: TileMatches, r: int, c: int) -> str:
    """Return HTML with the patch pasted at a tile, its position in the source photo, its distance and its rank.

    Args:
        matches: The match of each patch position.
        r: Row of the tile.
        c: Column of the tile.
    """
    photo = int(matches.photo[r, c])
    source = escape(matches.sources[photo])
    top, left, side = int(matches.y[r, c]) * SCALE, int(matches.x[r, c]) * SCALE, matches.patch * SCALE
    whole = _outlined(matches.hr[photo], top, left, side)
    rank = int(matches.rank[r, c])
    chosen = "the nearest patch" if rank == 0 else f"number {rank + 1} by distance, chosen for variety"
    return (
        '<div class="sr-inside sr-words"><figure>'
        f"{inline_image(np.ascontiguousarray(matches.pixels(r, c)), 160, 'The patch that was pasted')}"
        "<figcaption>the patch</figcaption></figure><figure>"
        f"{inline_image(whole, 260, f'Where it lies in {source}')}<figcaption>{source}</figcaption></figure>"
        f"<p>Tile {r + 1}, {c + 1}: distance {float(matches.distance[r, c]):.3f} (0: identical, 2: nothing in "
        f"common), {chosen}.</p></div>"
    )


def window_matches(
    image: Image, retrieval: LearnedRetrieval | RefinedRetrieval, nearest: NearestNeighbours | None, y: int, x: int
) -> str:
    """Return HTML with the database entries that matched the window around an LR pixel: image, distance, rank, source.

    Args:
        image: (H, W, 3) float32 in [0, 1], LR.
        retrieval: The upscaler that was used.
        nearest: Its nearest-neighbour search; None for learned retrieval.
        y: Row of the pixel.
        x: Column of the pixel.
    """
    extended = np.pad(luma(image), INPUT_SIDE // 2, mode="edge")
    window = extended[y : y + INPUT_SIDE, x : x + INPUT_SIDE].reshape(INPUT_SIDE**2)
    if isinstance(retrieval, LearnedRetrieval):
        figures, words = _anchors(retrieval.model, window)
    else:
        assert nearest is not None
        figures, words = _photos(retrieval, nearest, window)
    if not figures:
        return '<p class="sr-fine sr-words">This spot is flat: nothing was looked up, and bicubic is used.</p>'
    asked = _figure(_gray(window.reshape(INPUT_SIDE, INPUT_SIDE)), "your picture here", 96)
    return f'<div class="sr-inside sr-words">{asked}{"".join(figures)}<p>{words}</p></div>'


def _photos(retrieval: RefinedRetrieval, nearest: NearestNeighbours, window: Floats) -> tuple[list[str], str]:
    numbers, distances = nearest.database.ranked(window, nearest.k, nearest.excluded)
    figures: list[str] = []
    for rank, (number, distance) in enumerate(zip(numbers[:_SHOWN], distances[:_SHOWN], strict=True), 1):
        photo, size, y, x = (int(value) for value in nearest.database.places[number])
        hr = retrieval.database.hr(photo)
        at = PHOTO_SCALES[size]
        top, left, side = (round(value * SCALE / at) for value in (y, x, INPUT_SIDE))
        cut = np.ascontiguousarray(hr[top : top + side, left : left + side])
        source = retrieval.database.photos[photo].name
        figures.append(_figure(cut, f"{rank}. {source}, distance {distance:.3f}", 96))
    words = f"The {len(numbers)} nearest patches were averaged; distance 0: identical, 2: nothing in common."
    return figures, words


def _anchors(model: AnchoredRegression, window: Floats) -> tuple[list[str], str]:
    canonical, transforms = to_canonical(window[None])
    feature = canonical @ model.project.T
    length = float(np.linalg.norm(feature))
    if not model.predict(window[None]).match[0] >= 0:
        return [], ""
    likeness = (feature @ model.anchors.T)[0] / length
    figures: list[str] = []
    for rank, anchor in enumerate(np.argsort(-likeness)[:_SHOWN], 1):
        detail = transforms.undo(np.float32(length) * model.anchors[anchor][None] @ model.regressors[anchor])
        image = _gray(detail.reshape(OUTPUT_SIDE * SCALE, OUTPUT_SIDE * SCALE))
        figures.append(_figure(image, f"{rank}. entry {anchor}, distance {2 - 2 * likeness[anchor]:.3f}", 96))
    words = (
        f"The detail that the nearest of {len(model.anchors)} learned entries stand for, light and dark around gray. The "
        "first one was used. Each was learned from many windows of many photos: it has no single source."
    )
    return figures, words


def _figure(image: NDArray[np.uint8], caption: str, side: int) -> str:
    large = np.repeat(np.repeat(image, 4, axis=0), 4, axis=1)
    return f"<figure>{inline_image(large, side, caption)}<figcaption>{escape(caption)}</figcaption></figure>"


def _gray(plane: Floats) -> NDArray[np.uint8]:
    """Map (H, W) to gray levels (H, W, 3) uint8 with the mean at mid-gray and the contrast stretched."""
    centred = plane - plane.mean()
    level = 0.5 + 0.5 * centred / max(float(np.abs(centred).max()), 1e-6)
    return np.repeat(quantize(level.astype(np.float32))[..., None], 3, axis=2)


def _outlined(photo: NDArray[Any], top: int, left: int, side: int) -> NDArray[np.uint8]:
    whole = np.array(photo)
    line = max(2, max(whole.shape[:2]) // 150)
    cv2.rectangle(whole, (left, top), (left + side - 1, top + side - 1), (255, 255, 255), line * 2)
    cv2.rectangle(whole, (left, top), (left + side - 1, top + side - 1), (0, 0, 0), line)
    return whole


def _left_out(names: Sequence[str]) -> str:
    """Return a sentence on the photos that were excluded because they are the image itself; "" if there are none."""
    if not names:
        return ""
    return f" Not used, because it is the same photo: {', '.join(names)}."
