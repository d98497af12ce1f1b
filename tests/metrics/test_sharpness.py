"""Sharpness, by which the viewer chooses the result that people want to see first."""

from __future__ import annotations

import numpy as np

from sr_demo.imaging.resize import resize
from sr_demo.metrics.sharpness import sharpness
from tests.conftest import noise


def test_sharper_edges_score_more_and_more_pixels_alone_do_not() -> None:
    image = noise(24, 32)
    soft, hard = resize(image, (96, 128)), np.kron(image, np.ones((4, 4, 1), np.float32))
    assert sharpness(hard) > 1.2 * sharpness(soft) > 0
    np.testing.assert_allclose(sharpness(resize(image, (192, 256))), sharpness(soft), rtol=0.05)


def test_an_image_without_neighbours_is_not_sharp() -> None:
    assert sharpness(np.zeros((1, 5, 3), np.float32)) == 0.0
