"""SVG elements for the charts of all reports, drawn in `currentColor` so that they fit light and dark pages.

Functions return markup as text. Texts and labels are escaped here; everything else is numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4", "10 4", "4 2", "12 3 3 3")
"""Lines are distinguished by their dashes, so that no chart depends on colours."""
FIGURE_STYLE = "width:100%;height:auto;font:11px system-ui,sans-serif"
"""Style of a chart that fills its column."""


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
    """A horizontal axis of seconds with a logarithmic scale, over whole decades."""

    frame: Frame
    low: int
    high: int
    """Exponents of ten at both ends."""

    @classmethod
    def of(cls, frame: Frame, seconds: Iterable[float]) -> SecondsAxis:
        """Return the shortest axis that holds all `seconds`, which must be positive; at least one decade."""
        values = list(seconds)
        low = floor(log10(min(values)))
        return cls(frame, low, max(ceil(log10(max(values))), low + 1))

    def x(self, seconds: float) -> float:
        """Return the position of `seconds`."""
        return self.frame.x((log10(seconds) - self.low) / (self.high - self.low))

    def grid(self) -> str:
        """Return a vertical line and a label for each decade."""
        parts: list[str] = []
        for exponent in range(self.low, self.high + 1):
            x = self.x(10.0**exponent)
            parts.append(line(x, self.frame.top, x, self.frame.ground))
            parts.append(text(x, self.frame.ground + 16, f"{10.0**exponent:g} s", "middle"))
        return "".join(parts)


def document(frame: Frame, label: str, body: str, style: str) -> str:
    """Return a whole SVG image.

    Args:
        frame: its size.
        label: its text for people who do not see it.
        body: its elements.
        style: CSS declarations.
    """
    return (
        f'<svg viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{escape(label)}" '
        f'style="{style}" fill="currentColor">{body}</svg>'
    )


def figure(frame: Frame, label: str, body: str, caption: str) -> str:
    """Return an SVG image with a caption, as wide as its column; arguments as for `document`."""
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


def bar(x: float, y: float, width: float, height: float, title: str) -> str:
    """Return a filled rectangle with a title that browsers show under the pointer."""
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
