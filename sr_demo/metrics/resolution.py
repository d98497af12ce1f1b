"""Resolution measured on the chart: the MTF of the slanted edge, and the finest lines that are resolved.

It is measured on the sRGB values without linearisation: the figures compare methods with each other, but not with the data
sheet of a camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import BadInput
from sr_demo.image import Image, bt601_luma
from sr_demo.imaging import resolution_chart

Plane = NDArray[np.float64]
_OVERSAMPLING = 4
"""Bins per pixel across the edge, as in ISO 12233."""
_REACH = 24
"""Pixels on each side of the edge that are measured."""
_LEAST = 0.2
"""Lines are resolved if each dark line is darker than its light neighbours by this share of the drawn difference."""


@dataclass(frozen=True)
class Resolution:
    """Resolution of an image of the chart."""

    mtf50: float | None
    """Cycles per pixel at which the contrast of the slanted edge has fallen to half; None when it never does."""
    mtf50_lines: float | None
    """The same in lines per picture height (LW/PH): cycles per pixel x 2 x rows."""
    finest: int
    """LW/PH of the finest lines that are resolved in both directions, with all coarser ones; 0 for none."""


def measure(image: Image) -> Resolution:
    """Measure the resolution of `image` (n, n, 3), an upscaled or degraded `resolution_chart`. Raises BadInput."""
    if image.shape[0] != image.shape[1] or image.shape[0] < 128:
        raise BadInput(
            f"The chart is square, with at least 128 pixels per side, not {image.shape[1]} x {image.shape[0]}."
        )
    luma = bt601_luma(image.astype(np.float64))
    size = luma.shape[0]
    mtf50 = half_contrast(*slanted_edge_mtf(_cut(luma, resolution_chart.EDGE_BOX, margin=0.1)))
    return Resolution(mtf50, None if mtf50 is None else mtf50 * 2 * size, finest_lines(luma))


def slanted_edge_mtf(plane: Plane) -> tuple[Plane, Plane]:
    """Measure the modulation transfer function across one nearly vertical, straight edge (ISO 12233, e-SFR).

    Each row gives the position of the edge; a line fitted to these gives the distance of each pixel. Brightness over
    distance, in quarter pixels, is the edge spread function, its derivative is the line spread function, and the spectrum of
    this is the MTF. The losses of binning and differentiation are divided out.

    Args:
        plane: (H, W) brightness.

    Returns:
        Frequencies in cycles per pixel up to 1, and the transfer at each, which is 1 at frequency 0.

    Raises:
        BadInput: There is no edge, or it is too close to the border.
    """
    offset, slope = _edge_line(plane)
    rows, columns = np.indices(plane.shape)
    distance = (columns - (offset + slope * rows)) / np.hypot(1.0, slope)
    reach = min(_REACH, plane.shape[1] // 2 - int(np.ceil(abs(slope) * plane.shape[0] / 2)) - 1)
    if reach < 4:
        raise BadInput("The edge is too close to the border of the image to be measured.")
    bins = np.floor(distance * _OVERSAMPLING).astype(int) + reach * _OVERSAMPLING
    count = 2 * reach * _OVERSAMPLING
    inside = (bins >= 0) & (bins < count)
    total = np.bincount(bins[inside], plane[inside], count)
    hits = np.bincount(bins[inside], minlength=count)
    filled = np.flatnonzero(hits)
    spread = np.interp(np.arange(count), filled, total[filled] / hits[filled])
    line = np.gradient(spread) * np.hamming(count)
    spectrum = np.abs(np.fft.rfft(line))
    frequencies = np.fft.rfftfreq(count, 1 / _OVERSAMPLING)
    if spectrum[0] == 0:
        raise BadInput("There is no edge to measure: both sides are equally bright.")
    # A central difference over two bins, and the mean over one: sinc(2 f / 4) and sinc(f / 4).
    loss = np.sinc(2 * frequencies / _OVERSAMPLING) * np.sinc(frequencies / _OVERSAMPLING)
    used = frequencies <= 1.0
    transfer = spectrum[used] / spectrum[0] / loss[used]
    return frequencies[used].astype(np.float64), transfer.astype(np.float64)


def _edge_line(plane: Plane) -> tuple[float, float]:
    """Return offset and slope of the edge x = offset + slope * y, a line through the centroids of the rows' derivatives.

    The line is fitted twice; the second fit uses only pixels near the first line, so that distant texture has no effect.
    """
    step = np.gradient(plane, axis=1)
    columns = np.arange(plane.shape[1])
    rows = np.arange(plane.shape[0])
    weight = np.hanning(plane.shape[1] + 2)[1:-1] * np.ones_like(plane)
    slope, offset = 0.0, 0.0
    for _ in range(3):
        signed = step * weight
        total = signed.sum(axis=1)
        good = np.abs(total) > 0.1 * np.abs(total).max()
        if np.count_nonzero(good) < 8 or not np.abs(total).max() > 0:
            raise BadInput("There is no edge to measure: both sides are equally bright.")
        place = (signed[good] * columns).sum(axis=1) / total[good]
        slope, offset = (float(v) for v in np.polyfit(rows[good], place, 1))
        near = np.abs(columns - (offset + slope * rows)[:, None])
        weight = np.where(near < 12, 0.5 + 0.5 * np.cos(np.pi * near / 12), 0.0)
    return offset, slope


def half_contrast(frequencies: Plane, transfer: Plane) -> float | None:
    """Return MTF50, the first frequency at which `transfer` falls below one half, by linear interpolation; None if never."""
    below = np.flatnonzero(transfer < 0.5)
    if not below.size or below[0] == 0:
        return None
    i = int(below[0])
    share = (transfer[i - 1] - 0.5) / (transfer[i - 1] - transfer[i])
    return float(frequencies[i - 1] + share * (frequencies[i] - frequencies[i - 1]))


def finest_lines(luma: Plane) -> int:
    """Return the LW/PH of the finest block of the chart in `luma` (n, n) whose lines are resolved in both directions."""
    across, down = resolution_chart.vertical_blocks(), resolution_chart.horizontal_blocks()
    finest = 0
    for frequency in resolution_chart.FREQUENCIES:
        upright = _profile(luma, across[frequency], axis=1)
        lying = _profile(luma, down[frequency], axis=0)
        if min(_contrast(upright), _contrast(lying)) < _LEAST:
            break
        finest = frequency
    return finest


def _profile(luma: Plane, box: resolution_chart.Box, axis: int) -> Plane:
    """Return the brightness at the centre of each line of a block, averaged along the central part of the lines."""
    unit = luma.shape[0] / 1000
    left, top, right, bottom = (v * unit for v in box)
    if axis == 1:
        quarter = (bottom - top) / 4
        values, start, end = luma[round(top + quarter) : round(bottom - quarter)].mean(axis=0), left, right
    else:
        quarter = (right - left) / 4
        values, start, end = luma[:, round(left + quarter) : round(right - quarter)].mean(axis=1), top, bottom
    # Centres of the lines in coordinates in which pixel centres are half-integers.
    centres = start + (np.arange(resolution_chart.LINES) + 0.5) * (end - start) / resolution_chart.LINES
    return np.interp(centres - 0.5, np.arange(values.size), values)


def _contrast(lines: Plane) -> float:
    """Return the smallest step from a dark to a neighbouring light line: 1 for full contrast, negative for wrong order."""
    dark, light = lines[0::2], lines[1::2]
    return float(min((light - dark).min(), (light[:-1] - dark[1:]).min()))


def _cut(luma: Plane, box: resolution_chart.Box, margin: float) -> Plane:
    """Return the inner part of a box of the chart, without the share `margin` at each side."""
    unit = luma.shape[0] / 1000
    left, top, right, bottom = box
    dx, dy = (right - left) * margin, (bottom - top) * margin
    edges: tuple[Any, ...] = tuple(round(v * unit) for v in (left + dx, top + dy, right - dx, bottom - dy))
    return luma[edges[1] : edges[3], edges[0] : edges[2]]
