"""Results that agree with their input when they are made small again, in few steps and in bands of rows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sr_demo.image import Image, readonly
from sr_demo.imaging import resize as resizing
from sr_demo.imaging.back_projection import add_upscaled, difference, distance, enforce_lr_consistency
from sr_demo.imaging.resize import resize
from sr_demo.system import large_array
from tests.conftest import noise

IMAGE = readonly(noise(24, 30) * np.float32(0.6) + np.float32(0.2))


def rough(height: int, width: int) -> NDArray[np.float32]:
    """The image enlarged, with noise of its own."""
    own = resize(noise(48, 60, 1), (height, width)) - np.float32(0.5)
    return np.clip(resize(IMAGE, (height, width)) + np.float32(0.1) * own, 0, 1)


def far(result: Image) -> float:
    return distance(difference(IMAGE, result))


@pytest.mark.parametrize("size", [(36, 45), (48, 60), (80, 101), (96, 120), (192, 240)])
def test_after_two_steps_a_result_made_small_again_is_its_input(size: tuple[int, int]) -> None:
    result = rough(*size)
    assert far(result) > 3 / 255
    enforce_lr_consistency(result, IMAGE, 0.01 / 255)
    assert far(result) < 0.02 / 255 and result.min() >= 0 and result.max() <= 1


def test_steps_that_sharpen_what_they_add_replace_many_that_do_not() -> None:
    plain, sharp = rough(96, 120), rough(96, 120)
    for _ in range(4):
        add_upscaled(plain, difference(IMAGE, plain))
    enforce_lr_consistency(sharp, IMAGE, 0)
    assert far(sharp) < far(plain) / 4


@pytest.mark.parametrize("size", [(24, 30), (25, 31), (29, 36)])
def test_results_hardly_larger_than_their_input_only_get_nearer_to_it(size: tuple[int, int]) -> None:
    result = rough(*size)
    before = result.copy()
    enforce_lr_consistency(result, IMAGE, 0)
    assert far(result) < far(before) / 2 and np.abs(result - before).max() < 0.5


def test_what_is_near_enough_stays_and_anything_else_comes_as_near_as_is_aimed_at() -> None:
    result = rough(96, 120)
    before = result.copy()
    enforce_lr_consistency(result, IMAGE, far(result))
    np.testing.assert_array_equal(result, before)
    wanted = far(result) / 2
    enforce_lr_consistency(result, IMAGE, wanted, 0.9 * wanted)
    assert 0.8 * wanted < far(result) <= wanted


def test_bands_of_rows_of_arrays_in_files_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, banded = rough(96, 120), rough(96, 120)
    enforce_lr_consistency(whole, IMAGE, 1e-5)
    monkeypatch.setattr(large_array, "IN_MEMORY", 1000)
    monkeypatch.setattr(large_array, "BAND", 6000)
    monkeypatch.setattr(resizing, "_BAND", 6000)
    enforce_lr_consistency(banded, IMAGE, 1e-5)
    np.testing.assert_allclose(banded, whole, atol=2e-6)
