"""A look inside: which memories answered a spot, as HTML; and where the memory knew nothing, as a picture."""

from __future__ import annotations

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
from sr_demo.image import Image, quantize, readonly
from sr_demo.ui.html import inline_picture

_SHOWN = 5


def distance_map(unknown: Floats, shape: tuple[int, ...]) -> Image:
    """`unknown` (R, C) in [0, 1], bright on dark in cividis (readable without seeing colour), size of the result."""
    level = np.rint(unknown * 255).astype(np.uint8)
    large = cv2.resize(level, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)
    coloured = cv2.cvtColor(cv2.applyColorMap(large, cv2.COLORMAP_CIVIDIS), cv2.COLOR_BGR2RGB)
    return readonly(np.divide(coloured, 255, dtype=np.float32))


def piece(answers: TileMatches, r: int, c: int) -> str:
    """The remembered piece, the photo it comes from with the place outlined, distance and rank."""
    photo = int(answers.photo[r, c])
    source = escape(answers.sources[photo])
    top, left, side = int(answers.y[r, c]) * SCALE, int(answers.x[r, c]) * SCALE, answers.patch * SCALE
    whole = _outlined(answers.hr[photo], top, left, side)
    rank = int(answers.rank[r, c])
    chosen = "the nearest memory" if rank == 0 else f"number {rank + 1} by nearness, chosen for variety"
    return (
        '<div class="sr-inside"><figure>'
        f"{inline_picture(np.ascontiguousarray(answers.pixels(r, c)), 160, 'The memory that was pasted')}"
        "<figcaption>the memory</figcaption></figure><figure>"
        f"{inline_picture(whole, 260, f'Where it lies in {source}')}<figcaption>{source}</figcaption></figure>"
        f"<p>Piece {r + 1}, {c + 1}: distance {float(answers.distance[r, c]):.3f} (0 is the very piece, 2 has nothing in "
        f"common), {chosen}.</p></div>"
    )


def spot(
    image: Image, retrieval: LearnedRetrieval | RefinedRetrieval, nearest: NearestNeighbours | None, y: int, x: int
) -> str:
    """Which memories answered the window around the LR pixel (y, x): pictures, distance, rank, source."""
    extended = np.pad(luma(image), INPUT_SIDE // 2, mode="edge")
    window = extended[y : y + INPUT_SIDE, x : x + INPUT_SIDE].reshape(INPUT_SIDE**2)
    if isinstance(retrieval, LearnedRetrieval):
        figures, words = _anchors(retrieval.model, window)
    else:
        assert nearest is not None
        figures, words = _photos(retrieval, nearest, window)
    if not figures:
        return '<p class="sr-fine">This spot is flat: nothing was asked, and bicubic stands.</p>'
    asked = _figure(_gray(window.reshape(INPUT_SIDE, INPUT_SIDE)), "your picture here", 96)
    return f'<div class="sr-inside">{asked}{"".join(figures)}<p>{words}</p></div>'


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
    words = (
        f"The {len(numbers)} nearest memories were averaged; distance 0 is the very window, 2 has nothing in common."
    )
    return figures, words


def _anchors(memory: AnchoredRegression, window: Floats) -> tuple[list[str], str]:
    canonical, transforms = to_canonical(window[None])
    feature = canonical @ memory.project.T
    length = float(np.linalg.norm(feature))
    if not memory.predict(window[None]).match[0] >= 0:
        return [], ""
    likeness = (feature @ memory.anchors.T)[0] / length
    figures: list[str] = []
    for rank, anchor in enumerate(np.argsort(-likeness)[:_SHOWN], 1):
        detail = transforms.undo(np.float32(length) * memory.anchors[anchor][None] @ memory.regressors[anchor])
        picture = _gray(detail.reshape(OUTPUT_SIDE * SCALE, OUTPUT_SIDE * SCALE))
        figures.append(_figure(picture, f"{rank}. entry {anchor}, distance {2 - 2 * likeness[anchor]:.3f}", 96))
    words = (
        f"The detail that the nearest of {len(memory.anchors)} learned entries stand for, light and dark around gray. The "
        "first one answered. Each was learned from many windows of many photos: it has no single source."
    )
    return figures, words


def _figure(picture: NDArray[np.uint8], caption: str, side: int) -> str:
    large = np.repeat(np.repeat(picture, 4, axis=0), 4, axis=1)
    return f"<figure>{inline_picture(large, side, caption)}<figcaption>{escape(caption)}</figcaption></figure>"


def _gray(plane: Floats) -> NDArray[np.uint8]:
    """A plane stretched to gray levels, its mean in the middle."""
    centred = plane - plane.mean()
    level = 0.5 + 0.5 * centred / max(float(np.abs(centred).max()), 1e-6)
    return np.repeat(quantize(level.astype(np.float32))[..., None], 3, axis=2)


def _outlined(photo: NDArray[Any], top: int, left: int, side: int) -> NDArray[np.uint8]:
    whole = np.array(photo)
    line = max(2, max(whole.shape[:2]) // 150)
    cv2.rectangle(whole, (left, top), (left + side - 1, top + side - 1), (255, 255, 255), line * 2)
    cv2.rectangle(whole, (left, top), (left + side - 1, top + side - 1), (0, 0, 0), line)
    return whole
