"""The plots of the deployability report as SVG: latency of every run, and memory against image size."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10

from sr_demo.reports import svg
from sr_demo.reports.verdicts import Facts

_STYLE = "width:100%;min-width:544px;max-width:720px;height:auto;font:12px system-ui,sans-serif"
_WIDTH, _NAMES = 640, 190
"""Width of a plot, and of the space for the names of methods, in user units."""
_ROW = 26
_LETTERS = 27
"""Largest number of letters of a method's name that fit."""
_LABEL_HEIGHT = 15


def latency_plot(rows: Sequence[Facts]) -> str:
    """Return a plot with a row per method: a dot for every timed run at the largest size, a bar at the median.

    Args:
        rows: Measured rows of the report, at least one.
    """
    lines = [(row["title"], max(row["measured"]["latency"], key=_pixels)) for row in rows]
    frame = svg.Frame(_WIDTH, _ROW * len(lines) + 40, left=_NAMES, right=20, top=8, bottom=32)
    axis = svg.SecondsAxis.of(frame, (second for _, line in lines for second in line["seconds"]))
    parts = [axis.grid()]
    for number, (title, line) in enumerate(lines):
        y = frame.top + _ROW * (number + 0.5)
        parts.append(svg.text(frame.left - 10, y + 4, _shortened(title), "end"))
        parts += [svg.circle(axis.x(second), y, opacity=0.35) for second in line["seconds"]]
        median = axis.x(line["median_seconds"])
        parts.append(svg.line(median, y - 9, median, y + 9, opacity=1, width=2))
    return svg.document(frame, "seconds of every run, by method", "".join(parts), _STYLE)


def memory_plot(rows: Sequence[Facts]) -> str:
    """Return a plot with a line per method: side of the input image on the x axis, growth of memory on the y axis.

    Args:
        rows: Measured rows of the report, at least one.
    """
    frame = svg.Frame(_WIDTH, 300, left=56, right=_NAMES, top=14, bottom=44)
    lines = [(row["title"], sorted(row["measured"]["latency"], key=_pixels)) for row in rows]
    widest = max(_pixels(line[-1]) for _, line in lines) ** 0.5
    high = _round_up(max(entry["peak_growth_mb"] for _, line in lines for entry in line))

    def place(entry: Facts) -> tuple[float, float]:
        return frame.x(_pixels(entry) ** 0.5 / widest), frame.y(entry["peak_growth_mb"] / high)

    parts: list[str] = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = frame.y(share)
        parts += [svg.line(frame.left, y, frame.end, y), svg.text(50, y + 4, f"{share * high:g}", "end")]
    for pixels in sorted({_pixels(entry) for _, line in lines for entry in line}):
        parts.append(svg.text(frame.x(pixels**0.5 / widest), frame.ground + 16, f"{pixels**0.5:.0f}", "middle"))
    parts.append(svg.text(frame.left, frame.height - 6, "pixels per side to the right, MB of growth upward"))
    label_height = frame.ground + _LABEL_HEIGHT
    # Labels are placed from the lowest line up, each at least one line of text above the previous label.
    for number, (title, line) in enumerate(sorted(lines, key=lambda item: -place(item[1][-1])[1])):
        points = [place(entry) for entry in line]
        parts.append(svg.polyline(points, dashes=svg.DASHES[number % len(svg.DASHES)]))
        parts += [svg.circle(x, y, 3) for x, y in points]
        label_height = min(points[-1][1], label_height - _LABEL_HEIGHT)
        parts.append(svg.text(points[-1][0] + 8, label_height + 4, _shortened(title)))
    return svg.document(frame, "memory against the size of the image", "".join(parts), _STYLE)


def _pixels(entry: Facts) -> int:
    return entry["width"] * entry["height"]


def _round_up(value: float) -> float:
    """Return the smallest round number that is at least `value`."""
    unit = 10 ** floor(log10(max(value, 1)))
    return next(step * unit for step in (1, 2, 4, 5, 8, 10) if step * unit >= value)


def _shortened(title: str) -> str:
    return title if len(title) <= _LETTERS else title[: _LETTERS - 1] + "…"
