"""Unsupported detail: what a result draws that neither its input nor a faithful method shows."""

from __future__ import annotations

import numpy as np
import pytest

from sr_demo.errors import BadInput
from sr_demo.image import Size, readonly
from sr_demo.imaging.resize import downscale, resize
from sr_demo.metrics.unsupported_detail import unsupported_detail
from tests.conftest import noise

HR = readonly(resize(noise(16, 20), Size(64, 80)) * np.float32(0.6) + np.float32(0.2))
LR = downscale(HR, 4)
FAITHFUL = readonly(np.clip(HR, 0, 1))
GRAIN = np.zeros((64, 80, 3), np.float32)
GRAIN[:, 40:] = 0.1 * (-1.0) ** np.add.outer(np.arange(64), np.arange(40))[..., None]


def test_what_was_drawn_is_marked_where_it_was_drawn() -> None:
    amount = unsupported_detail(readonly(np.clip(FAITHFUL + GRAIN, 0, 1)), LR, [FAITHFUL])
    assert amount.shape == (64, 80) and amount[:, :32].max() < 0.01 < 0.03 < amount[:, 48:].mean()


def test_what_is_missing_and_what_one_faithful_method_draws_too_is_not_marked() -> None:
    blurred = resize(LR, Size(64, 80))
    invented = readonly(np.clip(FAITHFUL + GRAIN, 0, 1))
    assert unsupported_detail(blurred, LR, [FAITHFUL]).mean() < 0.005
    assert unsupported_detail(invented, LR, [FAITHFUL, invented]).max() == 0


def test_contradicting_the_input_counts_double() -> None:
    grainy = np.clip(FAITHFUL + GRAIN, 0, 1)
    shifted = readonly(np.clip(grainy + np.float32(0.08), 0, 1))
    pair = [unsupported_detail(image, LR, [FAITHFUL])[:, 52:].mean() for image in (readonly(grainy), shifted)]
    assert pair[1] > 1.5 * pair[0]


def test_results_of_two_sizes_are_refused() -> None:
    with pytest.raises(BadInput, match="one size"):
        unsupported_detail(FAITHFUL, LR, [LR])
