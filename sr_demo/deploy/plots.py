"""The plots of the deployability report as SVG, in `currentColor`: latency of every run, memory against size."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10
from typing import Any

Facts = dict[str, Any]
_WIDTH, _LEFT, _RIGHT = 640, 190, 20
_ROW = 26
_LETTERS = 27
"""Letters of a method's name for which there is room."""
_DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4", "10 4", "4 2", "12 3 3 3")
"""Lines differ by their dashes, so that colour is never needed to tell them apart."""
_HEIGHT, _TOP, _BOTTOM = 300, 14, 44


def latency_plot(rows: Sequence[Facts]) -> str:
    """A row per method: a dot for every timed run at the largest size, a bar at the median; seconds, logarithmic."""
    lines = [(row["title"], max(row["measured"]["latency"], key=_pixels)) for row in rows]
    times = [second for _, line in lines for second in line["seconds"]]
    low = floor(log10(min(times)))
    high = max(ceil(log10(max(times))), low + 1)
    height = _ROW * len(lines) + 40

    def x(seconds: float) -> float:
        return _LEFT + (log10(seconds) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    parts = [_begin(height, "seconds of every run, by method")]
    for exponent in range(low, high + 1):
        parts.append(_line(x(10.0**exponent), 8, x(10.0**exponent), height - 32))
        parts.append(_text(x(10.0**exponent), height - 16, f"{10.0**exponent:g} s", "middle"))
    for number, (title, line) in enumerate(lines):
        y = 8 + _ROW * (number + 0.5)
        parts.append(_text(_LEFT - 10, y + 4, _cut(title), "end"))
        parts += [f'<circle cx="{x(s):.1f}" cy="{y:.1f}" r="4" fill-opacity=".35"/>' for s in line["seconds"]]
        middle = x(line["median_seconds"])
        parts.append(f'<path d="M{middle:.1f} {y - 9:.1f}v18" stroke="currentColor" stroke-width="2"/>')
    return "".join((*parts, "</svg>"))


def memory_plot(rows: Sequence[Facts]) -> str:
    """A line per method: side of the input picture to the right, growth of memory while it works upward."""
    lines = [(row["title"], sorted(row["measured"]["latency"], key=_pixels)) for row in rows]
    right = max(_pixels(line[-1]) for _, line in lines) ** 0.5
    high = _round(max(part["peak_growth_mb"] for _, line in lines for part in line))

    def place(part: Facts) -> tuple[float, float]:
        x = 56 + _pixels(part) ** 0.5 / right * (_WIDTH - 56 - _LEFT)
        return x, _HEIGHT - _BOTTOM - part["peak_growth_mb"] / high * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_begin(_HEIGHT, "memory against the size of the picture")]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)
        parts += [_line(56, y, _WIDTH - _LEFT, y), _text(50, y + 4, f"{share * high:g}", "end")]
    for pixels in sorted({_pixels(part) for _, line in lines for part in line}):
        x = 56 + pixels**0.5 / right * (_WIDTH - 56 - _LEFT)
        parts.append(_text(x, _HEIGHT - _BOTTOM + 16, f"{pixels**0.5:.0f}", "middle"))
    parts.append(_text(56, _HEIGHT - 6, "pixels per side to the right, MB of growth upward", "start"))
    bottom = _HEIGHT - _BOTTOM
    heights: list[float] = []
    for number, (title, line) in enumerate(sorted(lines, key=lambda item: -place(item[1][-1])[1])):
        points = [place(part) for part in line]
        dashes = _DASHES[number % len(_DASHES)]
        drawn = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        parts.append(
            f'<polyline points="{drawn}" fill="none" stroke="currentColor" stroke-width="1.5" stroke-dasharray="{dashes}"/>'
        )
        parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3"/>' for px, py in points]
        # Labels from the lowest line up, each at least a line of text above the one before.
        heights.append(min(points[-1][1], (heights[-1] - 15) if heights else bottom))
        parts.append(_text(points[-1][0] + 8, heights[-1] + 4, _cut(title), "start"))
    return "".join((*parts, "</svg>"))


def _pixels(line: Facts) -> int:
    return line["width"] * line["height"]


def _round(value: float) -> float:
    """The next round number from `value`."""
    unit = 10 ** floor(log10(max(value, 1)))
    return next(step * unit for step in (1, 2, 4, 5, 8, 10) if step * unit >= value)


def _cut(title: str) -> str:
    return title if len(title) <= _LETTERS else title[: _LETTERS - 1] + "…"


def _begin(height: int, what: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(what)}" '
        'style="width:100%;min-width:544px;max-width:720px;height:auto;font:12px system-ui,sans-serif" fill="currentColor">'
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="currentColor" stroke-opacity=".15"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
