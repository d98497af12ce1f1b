"""A scatter chart of quality against time: numbered dots as SVG, and their legend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, floor, hypot, pi, sin

from sr_demo.reports import formatting, svg
from sr_demo.reports.html import render

_FRAME = svg.Frame(width=440, height=300, left=60, right=20, top=32, bottom=48)
_STYLE = "width:100%;max-width:560px;height:auto;font:13px system-ui,sans-serif"
_RADIUS = 10
"""Radius of a dot, which contains a number of up to two digits."""


@dataclass(frozen=True)
class Point:
    """One method: its name, its seconds (positive; None if they are unknown) and its quality."""

    label: str
    seconds: float | None
    quality: float


@dataclass(frozen=True)
class _Dot:
    """Position of a point in the chart, and of its numbered dot, which is moved if dots would overlap."""

    x: float
    y: float
    shown_x: float
    shown_y: float


def quality_against_time(
    points: Sequence[Point], quality: str, unit: str, *, meaning: str = "", ranks: bool = True
) -> str:
    """Return an SVG chart with seconds (logarithmic) on the x axis and quality on the y axis, and its legend, as HTML.

    A method with unknown seconds is a dashed line at its quality.

    Args:
        points: The methods, at least one; numbered from 1 in this order.
        quality: Name of the quality measure.
        unit: Unit of the measure.
        meaning: What the measure means, in a few words beside its name; "" if that is known.
        ranks: Whether higher values mean better results; if so, a line joins the Pareto front.
    """
    timed = [p.seconds for p in points if p.seconds is not None]
    seconds = svg.SecondsAxis.of(_FRAME, timed or [1.0])
    low, high, step = _nice_range([p.quality for p in points])

    def y(value: float) -> float:
        return _FRAME.y((value - low) / (high - low))

    def x(point: Point) -> float:
        return _FRAME.end if point.seconds is None else seconds.x(point.seconds)

    parts = [seconds.grid()]
    for number in range(round((high - low) / step) + 1):
        tick = low + number * step
        parts.append(svg.line(_FRAME.left, y(tick), _FRAME.end, y(tick)))
        parts.append(svg.text(_FRAME.left - _RADIUS - 4, y(tick) + 4, f"{tick:.6g}", "end"))
    parts.append(svg.text(4, 16, f"{quality} ({unit})" + (f": {meaning}" if meaning else "")))
    parts.append(svg.text(_FRAME.end, _FRAME.height - 6, "time, quicker to the left", "end"))
    best = front(points) if ranks else []
    parts.append(svg.polyline([(x(p), y(p.quality)) for p in best]))
    for p in points:
        if p.seconds is None:
            parts.append(svg.line(_FRAME.left, y(p.quality), _FRAME.end, y(p.quality), opacity=0.7, dashes="6 4"))
    dots = _placed([(x(p), y(p.quality)) for p in points])
    for dot in dots:
        if (dot.x, dot.y) != (dot.shown_x, dot.shown_y):
            parts += [svg.circle(dot.x, dot.y, 2.5), svg.line(dot.x, dot.y, dot.shown_x, dot.shown_y, opacity=0.6)]
    for number, (point, dot) in enumerate(zip(points, dots, strict=True), 1):
        parts.append(svg.numbered_dot(dot.shown_x, dot.shown_y, _RADIUS, number, strong=point in best))
    entries = [(point.label, f"{point.quality:.2f} {unit}, {_duration(point)}", point in best) for point in points]
    chart = svg.document(_FRAME, f"{quality} against seconds, the numbers as in the list", "".join(parts), _STYLE)
    return render("scatter_chart.html", chart=chart, entries=entries, ranks=ranks)


def _duration(point: Point) -> str:
    return "time not known (dashed)" if point.seconds is None else formatting.seconds(point.seconds)


def front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other point beats in both time and quality (the Pareto front), fastest first."""
    found: list[Point] = []
    timed = [(p.seconds, p) for p in points if p.seconds is not None]
    for _, point in sorted(timed, key=lambda pair: (pair[0], -pair[1].quality)):
        if not found or point.quality > found[-1].quality:
            found.append(point)
    return found


def _nice_range(values: Sequence[float]) -> tuple[float, float, float]:
    """Return a range of round numbers around the values, and the step between ticks."""
    spread = max(max(values) - min(values), 0.5)
    step = min((s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if spread / s <= 5), default=100.0)
    return floor(min(values) / step) * step, (floor(max(values) / step) + 1) * step, step


def _placed(places: Sequence[tuple[float, float]]) -> list[_Dot]:
    """Place a dot for each point, in order, at the nearest free position inside the frame."""
    dots: list[_Dot] = []
    for x, y in places:
        free = (at for at in _around(x, y) if _is_free(*at, dots))
        dots.append(_Dot(x, y, *next(free, (x, y))))
    return dots


def _around(x: float, y: float) -> Iterator[tuple[float, float]]:
    """Yield (x, y), then positions around it at increasing distances."""
    yield x, y
    for ring in range(1, 2 * _FRAME.width // _RADIUS):
        for turn in range(16):
            angle = pi * turn / 8
            yield x + ring * _RADIUS * cos(angle), y - ring * _RADIUS * sin(angle)


def _is_free(x: float, y: float, dots: Sequence[_Dot]) -> bool:
    inside = _FRAME.left + _RADIUS <= x <= _FRAME.end - _RADIUS and _FRAME.top <= y <= _FRAME.ground - _RADIUS
    return inside and all(hypot(x - dot.shown_x, y - dot.shown_y) > 2 * _RADIUS + 1 for dot in dots)
