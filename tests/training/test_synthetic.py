"""Drawn pictures: the same for the same seed, with the detail that they are drawn for."""

import numpy as np
import pytest

from sr_demo.imaging.resize import resize
from sr_demo.metrics.full_reference import psnr_y
from sr_demo.training.data import Pairs, as_float, downscale_8bit
from sr_demo.training.synthetic import SIDE, facade, font_files, lines, synthetic, text, with_synthetic


@pytest.mark.parametrize("draw", [text, lines, facade])
def test_each_kind_has_contrast_and_is_hard_for_bicubic(draw):
    for seed in range(3):
        picture = draw(np.random.default_rng(seed), 192)
        assert picture.shape == (192, 192, 3) and picture.dtype == np.uint8
        assert picture.std() > 8
        enlarged = resize(as_float(downscale_8bit(picture, 4)), (192, 192))
        assert psnr_y(enlarged, as_float(picture)) < 28


def test_a_picture_depends_on_seed_and_number_alone():
    first = synthetic(4, seed=5, side=96)
    np.testing.assert_array_equal(first[3], synthetic(7, seed=5, side=96)[3])
    assert (first[0] != synthetic(1, seed=6, side=96)[0]).any()
    assert (first[0] != first[3]).any(), "two pages of text differ"


def test_they_come_after_the_photos_and_are_counted():
    photo = np.zeros((64, 64, 3), np.uint8)
    pairs = with_synthetic(Pairs(("a",), (photo,), (downscale_8bit(photo, 4),), ()), 2, 4)
    assert pairs.names == ("a", "drawn[0]", "drawn[1]")
    assert pairs.hr[2].shape == (SIDE, SIDE, 3) and pairs.lr[2].shape == (SIDE // 4, SIDE // 4, 3)
    assert "2 drawn" in pairs.kind


def test_it_draws_without_matplotlib(monkeypatch):
    import sr_demo.training.synthetic as module

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    font_files.cache_clear()
    try:
        assert font_files() == ()
        assert text(np.random.default_rng(0), 96).std() > 8
    finally:
        font_files.cache_clear()
