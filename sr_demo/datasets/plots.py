"""The charts of the data set report as SVG: histograms and the spectrum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sr_demo.reports import svg

_FRAME = svg.Frame(width=420, height=200, left=40, right=12, top=14, bottom=34)
_BINS = 24


def histogram(values: Sequence[float], title: str, unit: str, span: tuple[float, float] | None = None) -> str:
    """Return a figure with the distribution of `values`, or "" if there are none.

    Args:
        values: One finite number per image.
        title: Caption of the figure.
        unit: Unit of the values.
        span: Smallest and largest value on the axis; by default those of `values`.
    """
    if not values:
        return ""
    low, high = span or (min(values), max(values))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(np.clip(values, low, high), _BINS, (low, high))
    most = int(counts.max())
    width = (_FRAME.end - _FRAME.left) / _BINS
    parts: list[str] = []
    for i, count in enumerate(counts.tolist()):
        if count:
            range_of_bin = f"{count} from {edges[i]:.3g} to {edges[i + 1]:.3g} {unit}"
            top = _FRAME.y(count / most)
            parts.append(svg.bar(_FRAME.x(i / _BINS) + 0.5, top, width - 1, _FRAME.ground - top, range_of_bin))
    median = float(np.median(values))
    x = _FRAME.x((min(max(median, low), high) - low) / (high - low))
    parts.append(_marker(x))
    parts.append(svg.text(x, _FRAME.top - 3, f"median {median:.3g}", "middle"))
    parts.append(svg.text(4, _FRAME.top + 10, str(most)))
    parts.append(_axis(f"{low:.3g}", f"{high:.3g} {unit}".strip()))
    label = f"{title}: {len(values)} pictures, from {min(values):.3g} to {max(values):.3g}, median {median:.3g} {unit}"
    return svg.figure(_FRAME, label, "".join(parts), title)


def spectrum_chart(spectrum: dict[str, list[float]], limit: float) -> str:
    """Return a figure of power by frequency: the median as a line, 10 to 90 % of the images as a band.

    Args:
        spectrum: "cycles_per_pixel", and power in dB: "p10", "median", "p90", as `report.spectrum` returns it.
        limit: Highest frequency of the LR image, in cycles per pixel; it is marked.
    """
    frequencies = spectrum["cycles_per_pixel"]
    low, high = min(spectrum["p10"]), max(spectrum["p90"])

    def points(name: str) -> list[tuple[float, float]]:
        return [
            (_FRAME.x(frequency / 0.5), _FRAME.y((power - low) / ((high - low) or 1)))
            for frequency, power in zip(frequencies, spectrum[name], strict=True)
        ]

    x = _FRAME.x(limit / 0.5)
    body = (
        svg.area(points("p90") + points("p10")[::-1])
        + svg.polyline(points("median"))
        + _marker(x)
        + svg.text(x + 5, _FRAME.top + 10, "lost in the small version")
        + svg.text(4, _FRAME.top + 10, f"{high:.0f}")
        + svg.text(4, _FRAME.ground, f"{low:.0f} dB")
        + _axis("0", "0.5 cycles per pixel")
    )
    median = spectrum["median"]
    label = f"Median power falls from {median[0]:.0f} dB to {median[-1]:.0f} dB at the finest detail"
    return svg.figure(_FRAME, label, body, "Spectrum: power by frequency (median; shaded: 80 % of the pictures)")


def _marker(x: float) -> str:
    return svg.line(x, _FRAME.top, x, _FRAME.ground, opacity=1, dashes="4 3")


def _axis(left: str, right: str) -> str:
    low, high = svg.text(_FRAME.left, _FRAME.height - 16, left), svg.text(_FRAME.end, _FRAME.height - 16, right, "end")
    return svg.axes(_FRAME, vertical=False) + low + high
