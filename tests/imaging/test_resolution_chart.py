"""The chart shows at every size what its labels state."""

from __future__ import annotations

import numpy as np
import pytest

from sr_demo.errors import BadInput
from sr_demo.imaging import resolution_chart as chart
from sr_demo.imaging.resolution_chart import resolution_chart

SIZE = 1024
CHART = resolution_chart(SIZE)
LEVELS = np.rint(CHART * 255).astype(int)


def at(value: float) -> int:
    """Thousandths of the side -> pixels."""
    return round(value * SIZE / 1000)


@pytest.mark.parametrize("size", [1, 2, 17, 64, 333])
def test_shape_range_and_always_the_same(size):
    image = resolution_chart(size)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.float32
    assert 0 <= image.min() <= image.max() <= 1
    assert not image.flags.writeable
    assert np.array_equal(image, resolution_chart(size))


@pytest.mark.parametrize("size", [0, -4, 8193])
def test_sizes_outside_are_refused(size):
    with pytest.raises(BadInput, match=rf"^The chart can be drawn with 1 to 8192 pixels per side, not {size}\.$"):
        resolution_chart(size)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_smaller_chart_is_the_larger_one_averaged(factor):
    small = SIZE // factor
    averaged = CHART.reshape(small, factor, small, factor, 3).mean((1, 3))
    assert np.abs(averaged - resolution_chart(small)).max() < 0.005


def test_in_gray_but_for_the_colours():
    assert (LEVELS[: at(875)] == LEVELS[: at(875), :, :1]).all()
    assert not (LEVELS[..., :1] == LEVELS).all()


def transitions(profile) -> int:
    """Changes between dark and light."""
    return int(np.count_nonzero(np.diff(profile > 0.5)))


@pytest.mark.parametrize("frequency", [f for f in chart.FREQUENCIES if f <= 512])
def test_line_pairs_have_the_frequency_on_their_label(frequency):
    before = [f for f in chart.FREQUENCIES if f < frequency]
    for start, gap, profile in (
        (140, 16.5, CHART[:, at(110), 0]),
        (270, 28.5, CHART[at(700), :, 0]),
    ):
        first = start + sum(10 * 1000 / f + gap for f in before)
        length = 9 * 1000 / frequency
        block = profile[at(first - 3) : at(first + length + 3)]
        assert transitions(block) == 10, "five black lines on paper have ten sides"
        dark = np.flatnonzero(block < 0.5)
        assert (dark[-1] - dark[0] + 1) / SIZE * frequency == pytest.approx(9, abs=frequency / SIZE * 1.5)


def test_the_star_has_its_cycles():
    angle = (np.arange(4 * 3600) + 0.5) / (4 * 3600) * 2 * np.pi
    x = (chart.STAR_CENTRE[0] + 180 * np.cos(angle)) * SIZE / 1000
    y = (chart.STAR_CENTRE[1] + 180 * np.sin(angle)) * SIZE / 1000
    ring = CHART[y.astype(int), x.astype(int), 0]
    spectrum = np.abs(np.fft.rfft(ring - ring.mean()))
    assert int(spectrum.argmax()) == chart.STAR_CYCLES


def test_the_edge_leans_by_its_angle():
    rows = np.arange(at(150), at(310))
    # Where each row changes from dark to light: covered part of a window between the two levels.
    place = [((204 - LEVELS[r, at(785) : at(955), 0]) / (204 - 51)).sum() for r in rows]
    slope = np.polyfit(rows, place, 1)[0]
    assert np.degrees(np.arctan(slope)) == pytest.approx(chart.EDGE_DEGREES, abs=0.05)


def test_flat_steps_and_colours_have_exact_values():
    width = 920 / len(chart.GRAYS)
    for i, level in enumerate(chart.GRAYS):
        assert (LEVELS[at(832), at(40 + (i + 0.5) * width)] == level).all()
    width = 920 / len(chart.COLOURS)
    for i, colour in enumerate(chart.COLOURS):
        assert tuple(LEVELS[at(920), at(40 + (i + 0.5) * width)]) == colour


def test_text_is_there_in_every_size():
    block = CHART[at(340) : at(640), at(775) : at(965), 0]
    rows = (block < 0.8).any(axis=1)
    assert np.count_nonzero(np.diff(rows.astype(int)) == 1) >= len(chart._LETTERS) + 2 * 3
    margin = CHART[at(340) : at(640), at(968) :, 0]
    assert np.ptp(margin) == 0, "nothing runs over the right margin"
