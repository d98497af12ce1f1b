"""The requested size of a result: a scale factor, a width or a height in pixels, or a size in print.

A request is a plain value. It always scales both sides of an image by the same factor, from 1 to 8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import isfinite

from sr_demo.errors import BadInput, quoted
from sr_demo.image import Size

LEAST, MOST = 1, 8
"""Smallest and largest scale factor of a result."""
FORMS = "a factor such as 2 or 2.5x, 1920 wide, 1080 high, or 30x20cm@300 for print"
"""Phrase that lists the forms that `parse` accepts."""
_CM_PER_INCH = 2.54
_CM = {"cm": 1.0, "mm": 0.1, "in": _CM_PER_INCH}
_MOST_PIXELS = 1_000_000
_MOST_CM, _MOST_DPI = 10_000, 10_000
_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_WHOLE = r"(\d{1,4000})"  # Python converts texts of up to 4300 digits
_FACTOR = re.compile(rf"[x×]?\s*{_NUMBER}\s*[x×]?")
_WIDE = re.compile(rf"{_WHOLE}\s*(?:px|pixels)?\s*(?:w|wide)")
_HIGH = re.compile(rf"{_WHOLE}\s*(?:px|pixels)?\s*(?:h|high)")
_PRINT = re.compile(rf"{_NUMBER}\s*[x×]\s*{_NUMBER}\s*(cm|mm|in)\s*(?:@|at)\s*{_NUMBER}\s*(?:dpi|ppi)?")


@dataclass(frozen=True)
class OutputSize:
    """A requested size; created by `by_factor`, `by_width`, `by_height`, `for_print` or `parse`, which check the values."""

    factor: float | None = None
    """Scale factor; None if it follows from the size of the image and the fields below."""
    width: int | None = None
    """Width of the result in pixels; for a print, the largest width."""
    height: int | None = None
    """Height of the result in pixels; for a print, the largest height."""
    dpi: float | None = None
    """Resolution of the print in pixels per inch, for the file of the result; None for sizes on screen."""
    text: str = ""
    """The request in the notation that `parse` reads."""

    def __str__(self) -> str:
        return self.text

    def factor_for(self, image: Size) -> float:
        """Return the scale factor for an image of this size. Raises BadInput if it is below 1 or above 8."""
        if self.factor is not None:
            return self.factor
        width, height = self.width, self.height
        if self.dpi is not None and width and height and (width > height) != (image.width > image.height):
            width, height = height, width  # the paper is turned to the orientation of the image
        wanted = ((width, image.width), (height, image.height))
        factor = min(target / there for target, there in wanted if target is not None)
        if LEAST <= factor <= MOST:
            return factor
        limit = "fewer than the picture has" if factor < LEAST else f"more than {MOST} times as many as the picture has"
        raise BadInput(
            f"{self.text} is {limit} ({image.width} x {image.height} pixels). Results are {LEAST} to {MOST} times as large: "
            f"choose from {image.width} x {image.height} to {MOST * image.width} x {MOST * image.height} pixels."
        )

    def resolve(self, image: Size) -> Size:
        """Return the size of the result for an image of this size. Raises BadInput like `factor_for`."""
        factor = self.factor_for(image)
        return Size(max(round(factor * image.height), 1), max(round(factor * image.width), 1))

    def for_part(self, whole: Size) -> OutputSize:
        """Return the request that scales parts of an image by the same factor as the whole image. Raises BadInput."""
        return replace(self, factor=self.factor_for(whole), width=None, height=None)

    def whole_factor(self) -> int:
        """Return the integer factor by which an HR reference is downscaled for a test. Raises BadInput for other requests."""
        if self.factor is None or self.factor != int(self.factor) or self.factor < 2:
            raise BadInput(
                f"Results can be scored against the original at whole factors only, such as 2x or 4x, not at {self.text}. "
                "Choose one, or enlarge without a test."
            )
        return int(self.factor)


def by_factor(factor: float) -> OutputSize:
    """Return the request for a scale factor. Raises BadInput outside 1 to 8."""
    if not LEAST <= factor <= MOST:  # also true for NaN
        raise BadInput(f"The scale must be from {LEAST} to {MOST}, not {factor:g}. For pixels, ask for 1920 wide.")
    return OutputSize(factor=float(factor), text=f"{factor:g}x")


def by_width(pixels: int) -> OutputSize:
    """Return the request for a width in pixels. Raises BadInput."""
    return OutputSize(width=_pixels(pixels, "width"), text=f"{pixels} wide")


def by_height(pixels: int) -> OutputSize:
    """Return the request for a height in pixels. Raises BadInput."""
    return OutputSize(height=_pixels(pixels, "height"), text=f"{pixels} high")


def for_print(width: float, height: float, dpi: float, unit: str = "cm") -> OutputSize:
    """Return the request for the largest print that fits on the paper, turned to the orientation of the image.

    Args:
        width: Width of the paper.
        height: Height of the paper.
        dpi: Resolution in pixels per inch, which is written to the file of the result.
        unit: Unit of width and height: "cm", "mm" or "in".

    Raises:
        BadInput: A value is not positive, or far too large.
    """
    text = f"{width:g}x{height:g}{unit}@{dpi:g}"
    across, down = width * _CM[unit], height * _CM[unit]
    if not (isfinite(across + down + dpi) and 0 < min(across, down) <= max(across, down) <= _MOST_CM):
        raise BadInput(f"A print has two sides of up to {_MOST_CM // 100} m, such as 30x20cm@300, not {text}.")
    if not 1 < dpi <= _MOST_DPI:
        raise BadInput(f"A print has from 2 to {_MOST_DPI} dpi, such as 30x20cm@300, not {text}.")
    columns, rows = (max(round(side / _CM_PER_INCH * dpi), 1) for side in (across, down))
    return OutputSize(width=columns, height=rows, dpi=float(dpi), text=text)


def parse(text: str) -> OutputSize:
    """Parse a request in one of the `FORMS`. Raises BadInput."""
    words = _words(text)
    if found := _FACTOR.fullmatch(words):
        return by_factor(float(found[1]))
    if found := _WIDE.fullmatch(words):
        return by_width(int(found[1]))
    if found := _HIGH.fullmatch(words):
        return by_height(int(found[1]))
    if _PRINT.fullmatch(words):
        return parse_print(words)
    raise BadInput(f"{quoted(text)} is no size. Write {FORMS}.")


def parse_print(text: str) -> OutputSize:
    """Parse a request for a print such as 30x20cm@300. Raises BadInput."""
    found = _PRINT.fullmatch(_words(text))
    if found is None:
        raise BadInput(f"{quoted(text)} is no size of a print. Write it as 30x20cm@300: width, height, dots per inch.")
    return for_print(float(found[1]), float(found[2]), float(found[4]), found[3])


def _words(text: str) -> str:
    """Return a request in lower case with single spaces and decimal points; `1,920` is left as it is, for it may be 1920."""
    return re.sub(r"(?<=\d),(?=\d{1,2}(?!\d))", ".", " ".join(text.lower().split()))


def _pixels(count: int, what: str) -> int:
    if not 1 <= count <= _MOST_PIXELS:
        raise BadInput(f"The {what} must be from 1 to {_MOST_PIXELS:,} pixels, not {quoted(count)}.")
    return count
