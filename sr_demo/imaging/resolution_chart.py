"""A resolution chart with an exact reference at every size: one drawing, averaged over the area of each pixel.

Lengths are in thousandths of the side. Frequencies are in line widths per picture height (LW/PH, ISO 12233): black and
white lines both count, so that an image of n rows resolves at most n.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import ceil, radians, tan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from sr_demo.errors import BadInput
from sr_demo.image import Image, readonly

FREQUENCIES = (64, 96, 128, 192, 256, 384, 512, 768)
"""Frequencies of the line blocks in LW/PH."""
EDGE_DEGREES = 5.0
EDGE_BOX = (778.0, 140.0, 960.0, 322.0)
EDGE_LEVELS = (51, 204)
"""Levels left and right of the slanted edge."""
LINES = 10
"""Lines per block, five dark and five light, a dark one first."""
STAR_CYCLES = 72
STAR_CENTRE, STAR_RADIUS = (500.0, 372.0), 232.0
GRAYS = tuple(round(255 * i / 10) for i in range(11))
"""Levels of the flat steps, black to white."""
COLOURS = (
    (115, 82, 68), (194, 150, 130), (98, 122, 157), (87, 108, 67), (133, 128, 177), (103, 189, 170),
    (214, 126, 44), (80, 91, 166), (193, 90, 99), (94, 60, 108), (157, 188, 64), (224, 163, 46),
    (56, 61, 150), (70, 148, 73), (175, 54, 60), (231, 199, 31), (187, 86, 149), (8, 133, 161),
)  # fmt: skip
"""sRGB values of the chromatic patches of the ColorChecker Classic."""

_PAPER, _INK, _BLACK, _WHITE = 244, 32, 0, 255
_FINE = 4096
"""Smallest side of the drawing in pixels before averaging."""
_LARGEST = 8192
_LETTERS = (32.0, 24.0, 17.0, 12.0, 8.5, 6.0, 4.2)
"""Font sizes of the sample text."""
_SENTENCES = ("The quick brown fox jumps over", "the lazy dog. Pack my box with", "five dozen liquor jugs.")

Coordinates = NDArray[np.floating[Any]]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def resolution_chart(size: int) -> Image:
    """Draw the chart: gray, with one strip of colours. Deterministic.

    Args:
        size: Side in pixels, 1 to 8192.

    Returns:
        (size, size, 3) in [0, 1].

    Raises:
        BadInput: The size is out of range.
    """
    if not 1 <= size <= _LARGEST:
        raise BadInput(f"The chart can be drawn with 1 to {_LARGEST} pixels per side, not {size}.")
    factor = max(2 if size > _FINE // 2 else 4, ceil(_FINE / size))
    sheet = _Sheet(size * factor)
    for part in (_title, _star, _horizontal_lines, _vertical_lines, _edge, _text, _grays, _colours):
        part(sheet)
    small = sheet.canvas.reduce(factor)
    return readonly(np.divide(np.asarray(small), np.float32(255), dtype=np.float32))


@cache
def _advance(letter: str) -> float:
    """Return the advance width of a letter, in units of the font size."""
    return ImageFont.load_default(1000).getlength(letter) / 1000


class _Sheet:
    """The large drawing, with coordinates in thousandths of its side."""

    def __init__(self, side: int) -> None:
        self.unit = side / 1000
        self.canvas = Pillow.new("RGB", (side, side), (_PAPER, _PAPER, _PAPER))
        self.draw = ImageDraw.Draw(self.canvas)

    def at(self, value: float) -> int:
        return round(value * self.unit)

    def box(self, box: Box, colour: tuple[int, int, int] | int) -> None:
        left, top, right, bottom = (self.at(v) for v in box)
        if right > left and bottom > top:
            fill = (colour, colour, colour) if isinstance(colour, int) else colour
            self.draw.rectangle((left, top, right - 1, bottom - 1), fill=fill)

    def write(self, x: float, y: float, text: str, size: float, anchor: str = "la") -> None:
        """Write text at (`x`, `y`); `anchor` as in Pillow: left, middle or right, then ascender or middle."""
        # Drawn letter by letter, since fonts round advances to pixels and the width of lines would depend on the size.
        widths = [size * _advance(letter) for letter in text]
        x -= {"l": 0, "m": 0.5, "r": 1}[anchor[0]] * sum(widths)
        font = ImageFont.load_default(size * self.unit)
        for letter, width in zip(text, widths, strict=True):
            place = (self.at(x), self.at(y))
            self.draw.text(place, letter, fill=(_INK, _INK, _INK), font=font, anchor="l" + anchor[1])
            x += width

    def paint(self, box: Box, gray: Callable[[Coordinates, Coordinates], NDArray[np.uint8]]) -> None:
        """Fill `box` with `gray(x, y)`, called with coordinates of pixel centres, a band of rows at a time."""
        left, top, right, bottom = (self.at(v) for v in box)
        x = (np.arange(left, right)[None] + 0.5) / self.unit
        for first in range(top, bottom, 256):
            y = (np.arange(first, min(first + 256, bottom))[:, None] + 0.5) / self.unit
            self.canvas.paste(Pillow.fromarray(gray(x, y)).convert("RGB"), (left, first))


def _title(sheet: _Sheet) -> None:
    sheet.write(40, 36, "Resolution chart", 36)
    sheet.write(40, 84, "Numbers are lines per picture height", 15)
    sheet.write(960, 84, f"Star: {STAR_CYCLES} cycles. Edge: {EDGE_DEGREES:g} degrees.", 15, "ra")
    sheet.box((40, 112, 960, 114), _INK)


def _star(sheet: _Sheet) -> None:
    (cx, cy), radius = STAR_CENTRE, STAR_RADIUS

    def gray(x: Coordinates, y: Coordinates) -> NDArray[np.uint8]:
        dark = np.sin(STAR_CYCLES * np.arctan2(y - cy, x - cx)) > 0
        disc = np.where(dark, _BLACK, _WHITE)
        return np.where(np.hypot(x - cx, y - cy) <= radius, disc, _PAPER).astype(np.uint8)

    sheet.paint((cx - radius, cy - radius, cx + radius, cy + radius), gray)


def horizontal_blocks() -> dict[int, Box]:
    """Return the boxes of the horizontal lines by frequency, with their last (light) line."""
    boxes: dict[int, Box] = {}
    top = 140.0
    for frequency in FREQUENCIES:
        height = LINES * 1000 / frequency
        boxes[frequency] = (40.0, top, 180.0, top + height)
        top += height + 16.5
    return boxes


def vertical_blocks() -> dict[int, Box]:
    """Return the boxes of the vertical lines by frequency, with their last (light) line."""
    boxes: dict[int, Box] = {}
    left = 270.0
    for frequency in FREQUENCIES:
        width = LINES * 1000 / frequency
        boxes[frequency] = (left, 664.0, left + width, 744.0)
        left += width + 28.5
    return boxes


def _horizontal_lines(sheet: _Sheet) -> None:
    for frequency, (left, top, right, _) in horizontal_blocks().items():
        line = 1000 / frequency
        for i in range(0, LINES, 2):
            sheet.box((left, top + i * line, right, top + (i + 1) * line), _BLACK)
        sheet.write(190, top + (LINES - 1) * line / 2, str(frequency), 14, "lm")


def _vertical_lines(sheet: _Sheet) -> None:
    for frequency, (left, top, _, bottom) in vertical_blocks().items():
        line = 1000 / frequency
        for i in range(0, LINES, 2):
            sheet.box((left + i * line, top, left + (i + 1) * line, bottom), _BLACK)
        sheet.write(left + (LINES - 1) * line / 2, 752, str(frequency), 14, "ma")


def _edge(sheet: _Sheet) -> None:
    left, top, right, bottom = EDGE_BOX
    slope = tan(radians(EDGE_DEGREES))

    def gray(x: Coordinates, y: Coordinates) -> NDArray[np.uint8]:
        dark = x - (left + right) / 2 < slope * (y - (top + bottom) / 2)
        return np.where(dark, *EDGE_LEVELS).astype(np.uint8)

    sheet.paint((left, top, right, bottom), gray)


def _text(sheet: _Sheet) -> None:
    y = 346.0
    for size in _LETTERS:
        sheet.write(778, y, "Sphinx 0123", size)
        y += size * 1.3 + 3
    for size in (12.0, 8.0):
        y += 12
        for line in _SENTENCES:
            sheet.write(778, y, line, size)
            y += size * 1.5


def _grays(sheet: _Sheet) -> None:
    width = 920 / len(GRAYS)
    for i, level in enumerate(GRAYS):
        sheet.box((40 + i * width, 800, 40 + (i + 1) * width, 865), level)


def _colours(sheet: _Sheet) -> None:
    width = 920 / len(COLOURS)
    for i, colour in enumerate(COLOURS):
        sheet.box((40 + i * width, 880, 40 + (i + 1) * width, 960), colour)
