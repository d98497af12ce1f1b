"""Histograms and spectra as SVG in `currentColor`, so that they follow light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

_WIDTH, _HEIGHT = 420, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 12, 14, 34
_BINS = 24


def histogram(values: Sequence[float], title: str, unit: str, span: tuple[float, float] | None = None) -> str:
    """A figure with the distribution of `values`, or "" without any. `span`: ends of the axis, else those of the values."""
    if not values:
        return ""
    low, high = span or (min(values), max(values))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(np.clip(values, low, high), _BINS, (low, high))
    most = int(counts.max())
    width = (_WIDTH - _LEFT - _RIGHT) / _BINS
    ground = _HEIGHT - _BOTTOM
    bars = "".join(
        f'<rect x="{_LEFT + i * width + 0.5:.1f}" y="{ground - count / most * (ground - _TOP):.1f}" '
        f'width="{width - 1:.1f}" height="{count / most * (ground - _TOP):.1f}" fill-opacity=".55">'
        f"<title>{count} from {edges[i]:.3g} to {edges[i + 1]:.3g} {escape(unit)}</title></rect>"
        for i, count in enumerate(counts.tolist())
        if count
    )
    middle = float(np.median(values))
    spot = _LEFT + (min(max(middle, low), high) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)
    mark = (
        f'<path d="M{spot:.1f} {_TOP}V{ground}" stroke="currentColor" stroke-dasharray="4 3"/>'
        f'<text x="{spot:.1f}" y="{_TOP - 3}" text-anchor="middle">median {middle:.3g}</text>'
    )
    ends = _axis(f"{low:.3g}", f"{high:.3g} {unit}".strip())
    words = f"{title}: {len(values)} pictures, from {min(values):.3g} to {max(values):.3g}, median {middle:.3g} {unit}"
    return _figure(f'{bars}{mark}<text x="4" y="{_TOP + 10}">{most}</text>{ends}', words, title)


def spectrum_chart(found: dict[str, list[float]], limit: float) -> str:
    """Power by frequency: the middle half as a line, 10 to 90 % as a band; right of `limit` cycles per pixel is lost."""
    x = found["cycles_per_pixel"]
    low, high = min(found["p10"]), max(found["p90"])
    ground = _HEIGHT - _BOTTOM

    def across(frequency: float) -> float:
        return _LEFT + frequency / 0.5 * (_WIDTH - _LEFT - _RIGHT)

    def place(frequency: float, value: float) -> str:
        return f"{across(frequency):.1f},{ground - (value - low) / ((high - low) or 1) * (ground - _TOP):.1f}"

    band = [place(f, v) for f, v in zip(x, found["p90"], strict=True)]
    band += [place(f, v) for f, v in reversed(list(zip(x, found["p10"], strict=True)))]
    line = " ".join(place(f, v) for f, v in zip(x, found["median"], strict=True))
    lost = across(limit)
    body = (
        f'<polygon points="{" ".join(band)}" fill-opacity=".2"/>'
        f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="1.5"/>'
        f'<path d="M{lost:.1f} {_TOP}V{ground}" stroke="currentColor" stroke-dasharray="4 3"/>'
        f'<text x="{lost + 5:.1f}" y="{_TOP + 10}">lost in the small picture</text>'
        f'<text x="4" y="{_TOP + 10}">{high:.0f}</text><text x="4" y="{ground}">{low:.0f} dB</text>'
        f"{_axis('0', '0.5 cycles per pixel')}"
    )
    words = f"Median power falls from {found['median'][0]:.0f} dB to {found['median'][-1]:.0f} dB at the finest detail"
    return _figure(body, words, "Spectrum: power by fineness of detail (median; shaded: 80 % of the pictures)")


def _axis(left: str, right: str) -> str:
    ground = _HEIGHT - _BOTTOM
    return (
        f'<path d="M{_LEFT} {ground}H{_WIDTH - _RIGHT}" stroke="currentColor" stroke-opacity=".3"/>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 16}">{escape(left)}</text>'
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 16}" text-anchor="end">{escape(right)}</text>'
    )


def _figure(body: str, words: str, title: str) -> str:
    return (
        f'<figure class="sr-curve"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(words)}" '
        f'style="width:100%;height:auto;font:11px system-ui,sans-serif" fill="currentColor">{body}</svg>'
        f"<figcaption>{escape(title)}</figcaption></figure>"
    )
