"""HTML and images of the Mosaic tab: summaries, the matches of a clicked spot, and the distance map."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic.anchors import Anchors, pose
from sr_demo.approaches.mosaic.patch_database import SCALE
from sr_demo.approaches.mosaic.retrieval import SIZES, Nearest
from sr_demo.approaches.mosaic.tile_matching import Answers
from sr_demo.approaches.mosaic.upscalers import LearnedRetrieval, RefinedRetrieval
from sr_demo.approaches.mosaic.windows import SEEN, SIDE, Floats, luma
from sr_demo.errors import first_few
from sr_demo.image import Image, quantize, readonly
from sr_demo.reports import formatting
from sr_demo.ui.html import inline_picture

_SHOWN = 5
"""Matches that are shown for a clicked spot."""
_CLICK = "Click a spot to see what matched there."


def note(text: str) -> str:
    """A quiet line of plain text."""
    return f'<p class="sr-fine">{escape(text)}</p>'


def tiles_summary(answers: Answers, patch: int, seconds: float) -> str:
    """How many patches of how many photos a mosaic is made of, and how long it took.

    Args:
        answers: The match of each patch position.
        patch: Patch side, LR pixels.
        seconds: Duration of matching and pasting.
    """
    return note(
        f"{answers.photo.size} patches of {patch} px, filled with {answers.distinct} different memories of "
        f"{len(answers.sources)} photos, in {formatting.seconds(seconds)}.{_left_out(answers.left_out)} {_CLICK}"
    )


def refined_summary(numbers: NDArray[np.int64], database: str, seconds: float, left_out: Sequence[str]) -> str:
    """How many spots were looked up, and how many entries matched.

    Args:
        numbers: Entry that matched at each spot, any shape, int64; negative where the image is flat.
        database: Size and origin of the database, in words.
        seconds: Duration of the refinement.
        left_out: Photos that were excluded because they are the image itself.
    """
    matched = numbers[numbers >= 0]
    return note(
        f"Bicubic plus remembered detail: {matched.size} of {numbers.size} spots looked up, matched by "
        f"{len(np.unique(matched))} different memories ({database}), in {formatting.seconds(seconds)}."
        f"{_left_out(left_out)} {_CLICK}"
    )


def database_ready(photos: int, skipped: Sequence[str]) -> str:
    """The database is built of `photos` photos; `skipped`: a sentence for each file that could not be used."""
    notes = "".join(f"<li>{escape(sentence)}</li>" for sentence in first_few(skipped))
    return f'{note(f"The memory is ready: {photos} photos.")}<ul class="sr-fine">{notes}</ul>'


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


def tile_match(answers: Answers, r: int, c: int) -> str:
    """The pasted patch, its place in the source photo, its distance and its rank.

    Args:
        answers: The match of each patch position.
        r: Row of the patch.
        c: Column of the patch.
    """
    photo = int(answers.photo[r, c])
    source = escape(answers.sources[photo])
    top, left, side = int(answers.y[r, c]) * SCALE, int(answers.x[r, c]) * SCALE, answers.patch * SCALE
    whole = _outlined(answers.hr[photo], top, left, side)
    rank = int(answers.rank[r, c])
    chosen = "the nearest memory" if rank == 0 else f"number {rank + 1} by distance, chosen for variety"
    return (
        '<div class="sr-inside"><figure>'
        f"{inline_picture(np.ascontiguousarray(answers.piece(r, c)), 160, 'The memory that was pasted')}"
        "<figcaption>the memory</figcaption></figure><figure>"
        f"{inline_picture(whole, 260, f'Where it lies in {source}')}<figcaption>{source}</figcaption></figure>"
        f"<p>Patch {r + 1}, {c + 1}: distance {float(answers.distance[r, c]):.3f} (0: identical, 2: nothing in "
        f"common), {chosen}.</p></div>"
    )


def window_matches(
    image: Image, retrieval: LearnedRetrieval | RefinedRetrieval, nearest: Nearest | None, y: int, x: int
) -> str:
    """The database entries that matched the window around an LR pixel: image, distance, rank, source.

    Args:
        image: (H, W, 3) float32 in [0, 1], LR.
        retrieval: The upscaler that was used.
        nearest: Its nearest-neighbour search; None for learned retrieval.
        y: Row of the pixel.
        x: Column of the pixel.
    """
    extended = np.pad(luma(image), SEEN // 2, mode="edge")
    window = extended[y : y + SEEN, x : x + SEEN].reshape(SEEN**2)
    if isinstance(retrieval, LearnedRetrieval):
        figures, words = _anchors(retrieval.memory, window)
    else:
        assert nearest is not None
        figures, words = _photos(retrieval, nearest, window)
    if not figures:
        return '<p class="sr-fine">This spot is flat: nothing was looked up, and bicubic is used.</p>'
    asked = _figure(_gray(window.reshape(SEEN, SEEN)), "your picture here", 96)
    return f'<div class="sr-inside">{asked}{"".join(figures)}<p>{words}</p></div>'


def _photos(retrieval: RefinedRetrieval, nearest: Nearest, window: Floats) -> tuple[list[str], str]:
    numbers, distances = nearest.examples.ranked(window, nearest.k, nearest.without)
    figures: list[str] = []
    for rank, (number, distance) in enumerate(zip(numbers[:_SHOWN], distances[:_SHOWN], strict=True), 1):
        photo, size, y, x = (int(value) for value in nearest.examples.places[number])
        hr = retrieval.memory.hr(photo)
        at = SIZES[size]
        top, left, side = (round(value * SCALE / at) for value in (y, x, SEEN))
        cut = np.ascontiguousarray(hr[top : top + side, left : left + side])
        source = retrieval.memory.photos[photo].name
        figures.append(_figure(cut, f"{rank}. {source}, distance {distance:.3f}", 96))
    words = f"The {len(numbers)} nearest memories were averaged; distance 0: identical, 2: nothing in common."
    return figures, words


def _anchors(memory: Anchors, window: Floats) -> tuple[list[str], str]:
    posed, poses = pose(window[None])
    feature = posed @ memory.project.T
    length = float(np.linalg.norm(feature))
    if not memory.explain(window[None]).number[0] >= 0:
        return [], ""
    likeness = (feature @ memory.anchors.T)[0] / length
    figures: list[str] = []
    for rank, anchor in enumerate(np.argsort(-likeness)[:_SHOWN], 1):
        detail = poses.undo(np.float32(length) * memory.anchors[anchor][None] @ memory.regressors[anchor])
        picture = _gray(detail.reshape(SIDE * SCALE, SIDE * SCALE))
        figures.append(_figure(picture, f"{rank}. entry {anchor}, distance {2 - 2 * likeness[anchor]:.3f}", 96))
    words = (
        f"The detail that the nearest of {len(memory.anchors)} learned entries stand for, light and dark around gray. The "
        "first one was used. Each was learned from many windows of many photos: it has no single source."
    )
    return figures, words


def _figure(picture: NDArray[np.uint8], caption: str, side: int) -> str:
    large = np.repeat(np.repeat(picture, 4, axis=0), 4, axis=1)
    return f"<figure>{inline_picture(large, side, caption)}<figcaption>{escape(caption)}</figcaption></figure>"


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
    """A sentence on the photos that were excluded because they are the image itself."""
    if not names:
        return ""
    return f" {', '.join(names)} is your own picture, so it was left out: its memory would already hold the result."
