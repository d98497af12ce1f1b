"""SVG elements for the charts of all reports, drawn in `currentColor` so that they fit light and dark pages.

Functions return markup as text. Texts and labels are escaped here; all other arguments are numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import ceil, floor, log10

DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4", "10 4", "4 2", "12 3 3 3")
"""Dash patterns that distinguish lines, so that no chart depends on colours."""
FIGURE_STYLE = "width:100%;height:auto;font:11px system-ui,sans-serif"
"""Style of a chart that fills its column."""
_LABEL_WIDTH = 48
"""Smallest distance between two labels of an axis of seconds."""


@dataclass(frozen=True)
class Frame:
    """Size of a chart and the margins around its plot area, in user units; the origin is the top left corner."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int

    @property
    def ground(self) -> int:
        """Height of the horizontal axis."""
        return self.height - self.bottom

    @property
    def end(self) -> int:
        """Right end of the horizontal axis."""
        return self.width - self.right

    def x(self, share: float) -> float:
        """Return the position of `share` (0 to 1) of the horizontal axis."""
        return self.left + share * (self.end - self.left)

    def y(self, share: float) -> float:
        """Return the position of `share` (0 to 1, upward) of the vertical axis."""
        return self.ground - share * (self.ground - self.top)


@dataclass(frozen=True)
class SecondsAxis:
    """A horizontal axis of seconds with a logarithmic scale, from one tick to another."""

    frame: Frame
    ticks: Sequence[float]
    """1, 2 and 5 times powers of ten, ascending; the first and the last are the ends of the axis."""

    @classmethod
    def of(cls, frame: Frame, seconds: Iterable[float]) -> SecondsAxis:
        """Return the shortest axis that contains all `seconds`, which must be positive."""
        values = list(seconds)
        decades = range(floor(log10(min(values))), ceil(log10(max(values))) + 2)
        ticks = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
        first = max(tick for tick in ticks if tick <= min(values))
        last = min(tick for tick in ticks if tick >= max(values) and tick > first)
        return cls(frame, [tick for tick in ticks if first <= tick <= last])

    def x(self, seconds: float) -> float:
        """Return the position of `seconds`."""
        return self.frame.x(log10(seconds / self.ticks[0]) / log10(self.ticks[-1] / self.ticks[0]))

    def grid(self) -> str:
        """Return a vertical line and a label for each tick; only powers of ten are labelled if there is no room for all."""
        parts: list[str] = []
        places = [self.x(tick) for tick in self.ticks]
        crowded = min(b - a for a, b in pairwise(places)) < _LABEL_WIDTH
        for tick, x in zip(self.ticks, places, strict=True):
            parts.append(line(x, self.frame.top, x, self.frame.ground))
            if not crowded or log10(tick).is_integer():
                parts.append(text(x, self.frame.ground + 18, f"{tick:g} s", "middle"))
        return "".join(parts)


def document(frame: Frame, label: str, body: str, style: str) -> str:
    """Return a whole SVG image.

    Args:
        frame: Size of the image.
        label: Alternative text.
        body: Elements of the image.
        style: CSS declarations.
    """
    return (
        f'<svg viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{escape(label)}" '
        f'style="{style}" fill="currentColor">{body}</svg>'
    )


def figure(frame: Frame, label: str, body: str, caption: str) -> str:
    """Return an SVG image with a caption, as wide as its column. See `document` for the arguments."""
    image = document(frame, label, body, FIGURE_STYLE)
    return f'<figure class="sr-curve">{image}<figcaption>{escape(caption)}</figcaption></figure>'


def line(
    x1: float, y1: float, x2: float, y2: float, *, opacity: float = 0.15, width: float = 1, dashes: str = ""
) -> str:
    """Return a straight line; the defaults draw a grid line."""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="currentColor" '
        f'stroke-opacity="{opacity}" stroke-width="{width}"{_dashed(dashes)}/>'
    )


def text(x: float, y: float, content: str, anchor: str = "start") -> str:
    """Return a line of text whose baseline starts (or has its middle or end) at (x, y)."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'


def circle(x: float, y: float, radius: float = 4, opacity: float = 1) -> str:
    """Return a filled circle."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill-opacity="{opacity}"/>'


def numbered_dot(x: float, y: float, radius: float, number: int, *, strong: bool) -> str:
    """Return a ring with a number in it, filled with the page's colour; a `strong` ring is thicker."""
    stroke, weight = (2.5, "bold") if strong else (1, "normal")
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" stroke="currentColor" stroke-width="{stroke}" '
        'style="fill:var(--body-background-fill,Canvas)"/>'
        f'<text x="{x:.1f}" y="{y:.1f}" dy=".36em" text-anchor="middle" font-size="11" font-weight="{weight}">{number}</text>'
    )


def bar(x: float, y: float, width: float, height: float, title: str) -> str:
    """Return a filled rectangle with a title that browsers show as a tooltip."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill-opacity=".55">'
        f"<title>{escape(title)}</title></rect>"
    )


def polyline(points: Sequence[tuple[float, float]], *, dashes: str = "", opacity: float = 1, title: str = "") -> str:
    """Return an open line through `points` (x, y)."""
    shown = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<polyline fill="none" stroke="currentColor" stroke-width="1.5" stroke-opacity="{opacity}" '
        f'stroke-dasharray="{dashes}" points="{_joined(points)}">{shown}</polyline>'
    )


def area(points: Sequence[tuple[float, float]]) -> str:
    """Return a pale filled polygon with the corners `points` (x, y)."""
    return f'<polygon points="{_joined(points)}" fill-opacity=".2"/>'


def axes(frame: Frame, *, vertical: bool = True) -> str:
    """Return the horizontal axis of `frame`, and the vertical one."""
    across = line(frame.left, frame.ground, frame.end, frame.ground, opacity=0.3)
    return across + (line(frame.left, frame.top, frame.left, frame.ground, opacity=0.3) if vertical else "")


def _joined(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _dashed(dashes: str) -> str:
    return f' stroke-dasharray="{dashes}"' if dashes else ""
