"""Alignment: shifts of a known size are found and undone, other photos are recognised, whatever the sizes."""

from __future__ import annotations

import numpy as np
import pytest

from sr_demo.image import Image, readonly
from sr_demo.imaging.alignment import NONE, NOTICEABLE, Shift, shift_of, similarity, undo_shift
from sr_demo.imaging.degradation import Realistic, degrade
from sr_demo.imaging.resize import downscale, resize
from sr_demo.imaging.samples import SAMPLES
from tests.conftest import noise


@pytest.fixture(scope="module")
def photo() -> Image:
    (cat,) = (sample for sample in SAMPLES if sample.id == "cat")
    return cat.make()[40:200, 100:300]


@pytest.mark.parametrize("scale", [1, 3.5])
@pytest.mark.parametrize("shift", [NONE, Shift(1.5, 0.0), Shift(-0.5, 3.0), Shift(20.0, 0.0)])
def test_a_shift_is_found_at_every_scale(photo: Image, scale: float, shift: Shift) -> None:
    lr = downscale(photo, 2)
    image = resize(lr, (round(80 * scale), round(100 * scale)))
    assert shift_of(undo_shift(image, Shift(-shift.down, -shift.right)), lr) == pytest.approx(shift, abs=0.1)


def test_a_shift_is_found_in_what_a_method_made_of_a_degraded_photo(photo: Image) -> None:
    lr = degrade(photo, 4, Realistic())
    for shift in (NONE, Shift(1.5, -1.5)):
        clean = undo_shift(photo, Shift(-shift.down, -shift.right))
        assert shift_of(clean, lr) == pytest.approx(shift, abs=NOTICEABLE)
        assert similarity(photo, lr) > 0.9


def test_whole_pixels_are_moved_back_exactly_also_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    image = noise(300, 40)
    whole = undo_shift(image, Shift(3.0, -2.0))
    np.testing.assert_allclose(whole[:-3, 2:], image[3:, :-2], atol=1e-6)
    half = undo_shift(image, Shift(1.5, 0.25))
    monkeypatch.setattr("sr_demo.system.large_array.BAND", 1)
    np.testing.assert_allclose(undo_shift(image, Shift(1.5, 0.25)), half, atol=1e-5)
    assert undo_shift(image[..., 0], Shift(1.5, 0.25)).shape == (300, 40)


def test_flat_and_tiny_images_have_no_shift() -> None:
    flat = readonly(np.full((64, 64, 3), 0.5, np.float32))
    assert shift_of(flat, flat[:16, :16]) == NONE and similarity(flat, flat[:16, :16]) == 1
    assert shift_of(noise(4, 4), noise(1, 1)) == NONE
    assert similarity(noise(64, 64), flat[:16, :16]) < 0.1


def test_other_photos_are_not_alike_whatever_their_brightness() -> None:
    small = [downscale(sample.make(), 4) for sample in SAMPLES[:5]]
    for number, lr in enumerate(small):
        for other, image in enumerate(small):
            darker = readonly(image * np.float32(0.8))
            assert (similarity(darker, lr) > 0.5) == (number == other)
