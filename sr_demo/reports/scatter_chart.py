"""A scatter chart of quality against time, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor

from sr_demo.reports import svg

_FRAME = svg.Frame(width=640, height=300, left=56, right=130, top=16, bottom=44)
_STYLE = "width:100%;max-width:720px;height:auto;font:12px system-ui,sans-serif"
_LABEL_HEIGHT = 15
_LETTER = 6.6
"""Average width of a letter of 12 px."""
_GAP = 8
"""Distance from a point to its label."""


@dataclass(frozen=True)
class Point:
    """One method: its name, the seconds it took (positive; None where they are not known) and its quality."""

    label: str
    seconds: float | None
    quality: float


def quality_against_time(points: Sequence[Point], quality: str) -> str:
    """Return an SVG chart with seconds (logarithmic) to the right and quality upward, each point labelled.

    A method whose seconds are not known is a dashed line at its quality.

    Args:
        points: the methods, at least one.
        quality: what is measured, with its unit.
    """
    timed = [p.seconds for p in points if p.seconds is not None]
    seconds = svg.SecondsAxis.of(_FRAME, timed or [1.0])
    low, high, step = _nice_range([p.quality for p in points])

    def y(value: float) -> float:
        return _FRAME.y((value - low) / (high - low))

    parts = [seconds.grid()]
    tick = low
    while tick <= high + step / 2:
        parts.append(svg.line(_FRAME.left, y(tick), _FRAME.end, y(tick)))
        parts.append(svg.text(_FRAME.left - 6, y(tick) + 4, f"{tick:g}", "end"))
        tick += step
    parts.append(svg.text(_FRAME.left, _FRAME.height - 8, f"seconds to the right, {quality} upward"))
    wanted: list[_Label] = []
    for p in points:
        x = _FRAME.end if p.seconds is None else seconds.x(p.seconds)
        if p.seconds is None:
            parts.append(svg.line(_FRAME.left, y(p.quality), x, y(p.quality), opacity=0.7, dashes="6 4"))
        else:
            parts.append(svg.circle(x, y(p.quality)))
        wanted.append(_label(p.label, x, y(p.quality)))
    for label, height in zip(wanted, _spread(wanted), strict=True):
        parts.append(svg.text(label.left, height + 4, label.text))
    return svg.document(_FRAME, f"{quality} against seconds", "".join(parts), _STYLE)


def _nice_range(values: Sequence[float]) -> tuple[float, float, float]:
    """Return a range of round numbers around the values, and the step between ticks."""
    spread = max(max(values) - min(values), 0.5)
    step = min((s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if spread / s <= 5), default=100.0)
    return floor(min(values) / step) * step, (floor(max(values) / step) + 1) * step, step


@dataclass(frozen=True)
class _Label:
    """A text and its preferred place: left and right edge, and the height of its middle."""

    text: str
    left: float
    right: float
    height: float


def _label(text: str, px: float, py: float) -> _Label:
    """Place a label right of its point where it fits, else left of it, shortened where even that is too narrow."""
    width = len(text) * _LETTER
    if px + _GAP + width <= _FRAME.width:
        return _Label(text, px + _GAP, px + _GAP + width, py)
    room = max(px - _GAP, _FRAME.width - px - _GAP)
    if width > room:
        text = text[: int(room / _LETTER) - 1] + "…"
        width = len(text) * _LETTER
    left = px + _GAP if px + _GAP + width <= _FRAME.width else px - _GAP - width
    return _Label(text, left, left + width, py)


def _spread(labels: Sequence[_Label]) -> list[float]:
    """Return a height for each label: the free one nearest to its preferred height, above the axis."""
    placed: list[_Label] = []
    heights = [0.0] * len(labels)
    steps = [0.0, *(side * 3.0 * n for n in range(1, 2 * _FRAME.height // 3) for side in (1, -1))]
    for index in sorted(range(len(labels)), key=lambda i: labels[i].height):
        wanted = labels[index]
        free = (wanted.height + step for step in steps if _is_free(wanted, wanted.height + step, placed))
        heights[index] = next(free, wanted.height)
        placed.append(replace(wanted, height=heights[index]))
    return heights


def _is_free(label: _Label, height: float, placed: Sequence[_Label]) -> bool:
    if not _LABEL_HEIGHT / 2 <= height <= _FRAME.ground - _LABEL_HEIGHT / 4:
        return False
    return not any(
        label.left < other.right and other.left < label.right and abs(height - other.height) < _LABEL_HEIGHT
        for other in placed
    )
