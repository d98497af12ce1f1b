"""A small scatter chart as SVG: quality against time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from math import ceil, floor, log10

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 130, 16, 44
_LABEL_HEIGHT = 15
_LETTER = 6.6
"""Width of a letter of 12 px, on average."""
_GAP = 8
"""From a point to its label."""


@dataclass(frozen=True)
class Point:
    """One method."""

    label: str
    seconds: float
    quality: float


def quality_against_time(points: Sequence[Point], quality: str) -> str:
    """SVG with seconds (logarithmic) to the right and `quality` upward, each point labelled by name.

    Drawn in `currentColor`, so that it fits light and dark pages. Needs at least one point.
    """
    low_x = floor(log10(min(p.seconds for p in points)))
    high_x = max(ceil(log10(max(p.seconds for p in points))), low_x + 1)
    low_y, high_y, step = _nice_range([p.quality for p in points])

    def x(seconds: float) -> float:
        return _LEFT + (log10(seconds) - low_x) / (high_x - low_x) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - low_y) / (high_y - low_y) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(quality)} against seconds" '
        'style="width:100%;max-width:720px;height:auto;font:12px system-ui,sans-serif" fill="currentColor">'
    ]
    for exponent in range(low_x, high_x + 1):
        parts.append(_line(x(10.0**exponent), _TOP, x(10.0**exponent), _HEIGHT - _BOTTOM))
        parts.append(_text(x(10.0**exponent), _HEIGHT - _BOTTOM + 16, f"{10.0**exponent:g} s", "middle"))
    tick = low_y
    while tick <= high_y + step / 2:
        parts.append(_line(_LEFT, y(tick), _WIDTH - _RIGHT, y(tick)))
        parts.append(_text(_LEFT - 6, y(tick) + 4, f"{tick:g}", "end"))
        tick += step
    parts.append(_text(_LEFT, _HEIGHT - 8, f"seconds to the right, {quality} upward", "start"))
    for point in points:
        parts.append(f'<circle cx="{x(point.seconds):.1f}" cy="{y(point.quality):.1f}" r="4"/>')
    wanted = [_label(p.label, x(p.seconds), y(p.quality)) for p in points]
    for label, label_y in zip(wanted, _spread(wanted), strict=True):
        parts.append(_text(label.left, label_y + 4, label.text, "start"))
    return "".join((*parts, "</svg>"))


def _nice_range(values: Sequence[float]) -> tuple[float, float, float]:
    """A range of round numbers around the values, and the step between ticks."""
    spread = max(max(values) - min(values), 0.5)
    step = min((s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if spread / s <= 5), default=100.0)
    return floor(min(values) / step) * step, (floor(max(values) / step) + 1) * step, step


@dataclass(frozen=True)
class _Label:
    """A text and the place it would like: its left and right edge and the height of its middle."""

    text: str
    left: float
    right: float
    height: float


def _label(text: str, px: float, py: float) -> _Label:
    """To the right of the point where there is room, else to its left, cut where even that is too narrow."""
    width = len(text) * _LETTER
    if px + _GAP + width <= _WIDTH:
        return _Label(text, px + _GAP, px + _GAP + width, py)
    room = max(px - _GAP, _WIDTH - px - _GAP)
    if width > room:
        text = text[: int(room / _LETTER) - 1] + "…"
        width = len(text) * _LETTER
    left = px + _GAP if px + _GAP + width <= _WIDTH else px - _GAP - width
    return _Label(text, left, left + width, py)


def _spread(labels: Sequence[_Label]) -> list[float]:
    """Heights for the labels: each as near as there is room to where it would like to be, above the axis."""
    taken: list[_Label] = []
    heights = [0.0] * len(labels)
    steps = [0.0, *(side * 3.0 * n for n in range(1, 2 * _HEIGHT // 3) for side in (1, -1))]
    for index in sorted(range(len(labels)), key=lambda i: labels[i].height):
        wanted = labels[index]
        free = (wanted.height + step for step in steps if _is_free(wanted, wanted.height + step, taken))
        heights[index] = next(free, wanted.height)
        taken.append(replace(wanted, height=heights[index]))
    return heights


def _is_free(label: _Label, height: float, taken: Sequence[_Label]) -> bool:
    if not _LABEL_HEIGHT / 2 <= height <= _HEIGHT - _BOTTOM - _LABEL_HEIGHT / 4:
        return False
    return not any(
        label.left < other.right and other.left < label.right and abs(height - other.height) < _LABEL_HEIGHT
        for other in taken
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        'stroke="currentColor" stroke-opacity=".15" stroke-width="1"/>'
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
