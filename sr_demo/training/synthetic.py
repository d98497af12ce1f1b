"""Synthetic training images for content that photos rarely have: text in many fonts, line patterns, facades.

Deterministic by seed for one set of installed packages: fonts are Pillow's, OpenCV's stroke fonts and, if installed,
matplotlib's. Everything is drawn at twice the size and averaged, so that edges are as soft as in sharp photos.
Legend: side = width and height of an image in pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from math import cos, pi, sin
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from sr_demo.image import BT601
from sr_demo.training.data import Pairs, TrainingImage, downscale_8bit

SIDE = 480
_SUPERSAMPLING = 2
_STROKE_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
)  # fmt: skip
_ONSETS = ("b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "st", "tr", "ch", "")
_VOWELS = ("a", "e", "i", "o", "u", "ei", "ou")
_ENDS = ("", "n", "r", "s", "t", "l", "m", "nd", "st")

Colour = tuple[int, int, int]
Canvas = NDArray[np.uint8]


def synthetic(count: int, seed: int = 0, side: int = SIDE) -> list[TrainingImage]:
    """Return `count` images (side, side, 3) uint8: text, lines and facades in turn.

    Image i depends on `seed` and i only.
    """
    kinds: tuple[Callable[[np.random.Generator, int], Canvas], ...] = (text, lines, facade)
    return [kinds[i % len(kinds)](np.random.default_rng((seed, i)), side) for i in range(count)]


def with_synthetic(pairs: Pairs, count: int, scale: int, seed: int = 0) -> Pairs:
    """Append synthetic images to `pairs`.

    Args:
        pairs: Photos.
        count: Number of synthetic images.
        scale: Factor by which LR is downscaled, as for photos.
        seed: Seed of the images.
    """
    drawn = [p[: SIDE // scale * scale, : SIDE // scale * scale] for p in synthetic(count, seed)]
    return Pairs(
        (*pairs.names, *(f"drawn[{i}]" for i in range(count))),
        (*pairs.hr, *drawn),
        (*pairs.lr, *(downscale_8bit(p, scale) for p in drawn)),
        pairs.skipped,
        f"{pairs.kind}, {count} drawn pictures",
        pairs.track,
    )


@cache
def font_files() -> tuple[Path, ...]:
    """Return the font files available in addition to Pillow's built-in font: matplotlib's, or none."""
    spec = find_spec("matplotlib")
    places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    found = [file for place in places for file in (place / "mpl-data" / "fonts" / "ttf").glob("DejaVu*.ttf")]
    return tuple(sorted(found, key=lambda file: file.name))


def text(rng: np.random.Generator, side: int) -> Canvas:
    """Draw a page of random words in several fonts and sizes, slightly rotated: (side, side, 3) uint8."""
    full = side * _SUPERSAMPLING
    paper, ink = _contrast(rng)
    page = np.array(_shaded(rng, full, paper))
    y = float(rng.uniform(-20, 10)) * _SUPERSAMPLING
    while y < full:
        size = float(np.exp(rng.uniform(np.log(9), np.log(64)))) * _SUPERSAMPLING
        words = " ".join(_word(rng) for _ in range(int(full / size * 0.5) + 2))
        colour = ink if rng.random() < 0.8 else _contrast(rng)[1]
        x = float(rng.uniform(-30, 20)) * _SUPERSAMPLING
        if rng.random() < 0.35:
            _stroke_text(page, words, x, y, size, colour, rng)
        else:
            page = _font_text(page, words, x, y, size, colour, rng)
        y += size * float(rng.uniform(1.05, 1.6))
    return _downsampled(_rotated(page, float(rng.normal(0, 6)), paper), side)


def lines(rng: np.random.Generator, side: int) -> Canvas:
    """Draw four to nine fields of stripes, rings, checks and fans, with periods from 3 pixels: (side, side, 3) uint8."""
    full = side * _SUPERSAMPLING
    sheet = np.zeros((full, full, 3), np.float32)
    across = int(rng.integers(2, 4))
    edges = np.linspace(0, full, across + 1).astype(int)
    for top, bottom in pairwise(edges):
        for left, right in pairwise(edges):
            wave = _wave(rng, bottom - top, right - left)
            one, other = (np.array(c, np.float32) for c in _contrast(rng))
            sheet[top:bottom, left:right] = one + (other - one) * wave[..., None]
    return _downsampled(np.rint(sheet).astype(np.uint8), side)


def facade(rng: np.random.Generator, side: int) -> Canvas:
    """Draw a wall with rows of windows, bricks or tiles, in perspective: (side, side, 3) uint8."""
    full = side * _SUPERSAMPLING
    wall, dark = _contrast(rng)
    front = np.array(_shaded(rng, full, wall))
    if rng.random() < 0.5:
        _bricks(front, rng, wall)
    step_x, step_y = (int(rng.integers(14, 60)) * _SUPERSAMPLING for _ in range(2))
    width, height = int(step_x * rng.uniform(0.4, 0.85)), int(step_y * rng.uniform(0.4, 0.85))
    frame = _contrast(rng)[1]
    panes, line = int(rng.integers(1, 4)), max(int(rng.integers(1, 4)), 1) * _SUPERSAMPLING
    for top in range(step_y // 4, full, step_y):
        for left in range(step_x // 4, full, step_x):
            light = float(rng.uniform(0.6, 1.5))
            glass = tuple(int(min(v * light, 255)) for v in dark)
            cv2.rectangle(front, (left, top), (left + width, top + height), glass, -1)
            cv2.rectangle(front, (left, top), (left + width, top + height), frame, line)
            for pane in range(1, panes):
                x = left + width * pane // panes
                cv2.line(front, (x, top), (x, top + height), frame, line)
        if rng.random() < 0.4:
            cv2.line(front, (0, top - step_y // 8), (full, top - step_y // 8), frame, line)
    return _downsampled(_in_perspective(front, rng), side)


def _wave(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Return a pattern with hard or soft edges, (height, width) in [0, 1]."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    period = float(np.exp(rng.uniform(np.log(3), np.log(40)))) * _SUPERSAMPLING
    angle = float(rng.uniform(0, pi))
    u, v = cos(angle) * x + sin(angle) * y, cos(angle) * y - sin(angle) * x
    kind = int(rng.integers(4))
    if kind == 0:
        phase = u / period
    elif kind == 1:
        phase = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height)) / period
    elif kind == 2:
        checks = (np.floor(u / period * 2) + np.floor(v / period * 2)) % 2
        return checks.astype(np.float32)
    else:
        # A fan: periods from narrow to wide, like parallel lines in perspective.
        phase = u / (period * (0.5 + 2.0 * v / max(float(np.abs(v).max()), 1.0)).clip(0.35, None))
    soft = np.sin(2 * pi * phase)
    if rng.random() < 0.7:
        duty = float(rng.uniform(-0.6, 0.6))
        return (soft > duty).astype(np.float32)
    return (0.5 + 0.5 * soft).astype(np.float32)


def _bricks(front: Canvas, rng: np.random.Generator, wall: Colour) -> None:
    height, width = int(rng.integers(5, 14)) * _SUPERSAMPLING, int(rng.integers(12, 34)) * _SUPERSAMPLING
    joint = tuple(int(min(v * 1.25 + 15, 255)) for v in wall)
    for row, top in enumerate(range(0, len(front), height)):
        for left in range(-(row % 2) * width // 2, len(front), width):
            brick = tuple(int(v) for v in np.clip(np.array(wall) * rng.uniform(0.8, 1.1), 0, 255))
            cv2.rectangle(front, (left, top), (left + width, top + height), brick, -1)
            cv2.rectangle(front, (left, top), (left + width, top + height), joint, _SUPERSAMPLING)


def _font_text(
    page: Canvas, words: str, x: float, y: float, size: float, ink: Colour, rng: np.random.Generator
) -> Canvas:
    canvas = Pillow.fromarray(page)
    files = font_files()
    own = not files or rng.random() < 0.4
    font = ImageFont.load_default(size) if own else ImageFont.truetype(str(files[rng.integers(len(files))]), size)
    bold = int(rng.integers(0, 3)) if size > 24 else 0
    ImageDraw.Draw(canvas).text((x, y), words, fill=ink, font=font, stroke_width=bold)
    return np.array(canvas)


def _stroke_text(
    page: Canvas, words: str, x: float, y: float, size: float, ink: Colour, rng: np.random.Generator
) -> None:
    font = _STROKE_FONTS[rng.integers(len(_STROKE_FONTS))] | (cv2.FONT_ITALIC if rng.random() < 0.3 else 0)
    thick = max(round(size / float(rng.uniform(8, 20))), 1)
    # A capital letter of OpenCV's stroke fonts is about 22 pixels high at scale 1.
    cv2.putText(page, words, (int(x), int(y + size)), font, size / 30, ink, thick, cv2.LINE_AA)


def _word(rng: np.random.Generator) -> str:
    if rng.random() < 0.12:
        return str(int(rng.integers(0, 10 ** int(rng.integers(1, 6)))))
    syllables = (
        _ONSETS[rng.integers(len(_ONSETS))] + _VOWELS[rng.integers(len(_VOWELS))] + _ENDS[rng.integers(len(_ENDS))]
        for _ in range(int(rng.integers(1, 4)))
    )
    word = "".join(syllables) + (",", ".", "", "", "", "")[rng.integers(6)]
    return (word, word.capitalize(), word.upper())[rng.choice(3, p=(0.7, 0.2, 0.1))]


def _contrast(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """Draw two random colours, grays half of the time, whose luma differs by at least 60."""
    while True:
        pair = rng.integers(0, 256, (2, 3))
        if rng.random() < 0.5:
            pair[:] = pair[:, :1]
        luma = pair @ np.array(BT601)
        if abs(luma[0] - luma[1]) >= 60:
            one, other = ((int(r), int(g), int(b)) for r, g, b in pair)
            return one, other


def _shaded(rng: np.random.Generator, side: int, colour: Colour) -> Canvas:
    """Return a field of one colour with a linear brightness gradient."""
    axis = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    slope = rng.uniform(-0.3, 0.3, 2)
    light = 1 + slope[0] * axis[:, None] + slope[1] * axis[None]
    return np.clip(np.array(colour, np.float32) * light[..., None], 0, 255).astype(np.uint8)


def _rotated(page: Canvas, degrees: float, paper: Colour) -> Canvas:
    side = len(page)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), degrees, 1.0)
    return np.asarray(
        cv2.warpAffine(page, turn, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT), np.uint8
    )


def _in_perspective(front: Canvas, rng: np.random.Generator) -> Canvas:
    side = len(front)
    corners = np.array([(0, 0), (side, 0), (side, side), (0, side)], np.float32)
    # Corners move outward only, so that the wall fills the image.
    outward = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float32)
    moved = (corners + outward * rng.uniform(0, 0.35, (4, 2)) * side).astype(np.float32)
    warp = cv2.getPerspectiveTransform(corners, moved)
    return np.asarray(cv2.warpPerspective(front, warp, (side, side), flags=cv2.INTER_CUBIC), np.uint8)


def _downsampled(full: Canvas, side: int) -> TrainingImage:
    return np.ascontiguousarray(np.asarray(cv2.resize(full, (side, side), interpolation=cv2.INTER_AREA), np.uint8))
