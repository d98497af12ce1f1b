"""Resolution agrees with values known by calculation."""

from __future__ import annotations

from math import erf, log, pi, radians, sqrt, tan

import numpy as np
import pytest

from sr_demo.errors import BadInput
from sr_demo.image import readonly
from sr_demo.imaging.resize import downscale, resize
from sr_demo.imaging.resolution_chart import FREQUENCIES, resolution_chart
from sr_demo.metrics.resolution import half_contrast, measure, slanted_edge_mtf


def gaussian_edge(sigma: float, degrees: float, dark: float = 0.2, light: float = 0.8) -> np.ndarray:
    """A straight edge through the middle, blurred by a Gaussian of `sigma` pixels, sampled at pixel centres."""
    rows, columns = np.indices((96, 96))
    slope = tan(radians(degrees))
    distance = (columns - 47.3 - slope * (rows - 48)) / sqrt(1 + slope * slope)
    return dark + (light - dark) * 0.5 * (1 + np.vectorize(erf)(distance / (sqrt(2) * sigma)))


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5, 2.5])
@pytest.mark.parametrize("degrees", [5.0, -8.0, 20.0])
def test_mtf50_of_a_gaussian_blur_of_known_width(sigma: float, degrees: float) -> None:
    measured = half_contrast(*slanted_edge_mtf(gaussian_edge(sigma, degrees)))
    # The window that keeps distant noise out narrows a wide blur a little.
    assert measured == pytest.approx(sqrt(log(2) / 2) / (pi * sigma), rel=0.013 if sigma < 2 else 0.03)


def test_the_whole_curve_is_that_of_the_gaussian() -> None:
    frequencies, transfer = slanted_edge_mtf(gaussian_edge(1.2, 5.0))
    expected = np.exp(-2 * pi**2 * 1.2**2 * frequencies**2)
    assert transfer[0] == 1
    assert np.abs(transfer - expected)[frequencies < 0.5].max() < 0.03


def test_a_falling_edge_with_noise_measures_the_same() -> None:
    noisy = gaussian_edge(1.5, 5.0, dark=0.8, light=0.2) + np.random.default_rng(0).normal(0, 0.01, (96, 96))
    assert half_contrast(*slanted_edge_mtf(noisy)) == pytest.approx(sqrt(log(2) / 2) / (pi * 1.5), rel=0.06)


def test_a_plane_without_an_edge_is_refused() -> None:
    with pytest.raises(BadInput, match="no edge"):
        slanted_edge_mtf(np.full((64, 64), 0.5))
    with pytest.raises(BadInput, match="square"):
        measure(readonly(np.zeros((64, 32, 3), np.float32)))


def test_the_chart_resolves_what_its_pixels_can_hold() -> None:
    true = resolution_chart(1024)
    sharp = measure(true)
    assert sharp.finest == max(FREQUENCIES)
    assert sharp.mtf50 is not None and sharp.mtf50 > 0.45
    blown_up = measure(resize(downscale(true, 4), (1024, 1024)))
    assert 96 <= blown_up.finest <= 256, "a quarter of the pixels cannot hold more than 256 lines"
    assert blown_up.mtf50 is not None and 0.04 < blown_up.mtf50 < 0.16
    assert blown_up.mtf50_lines == pytest.approx(blown_up.mtf50 * 2048)


def test_blurring_never_resolves_more() -> None:
    true = resolution_chart(512)
    small = resize(true, (128, 128))
    soft = resize(resize(true, (64, 64)), (512, 512))
    found = [measure(image) for image in (true, resize(small, (512, 512)), soft)]
    assert found[0].finest > found[1].finest >= found[2].finest
    assert found[0].mtf50_lines > found[1].mtf50_lines > found[2].mtf50_lines  # type: ignore[operator]


def test_lines_in_the_wrong_order_are_not_resolved() -> None:
    assert measure(readonly(1 - resolution_chart(512))).finest == 0
