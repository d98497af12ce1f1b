"""Synthetic images: the same for the same seed, with detail that bicubic upscaling loses."""

import numpy as np
import pytest

from sr_demo.imaging.resize import resize
from sr_demo.metrics.full_reference import psnr_y
from sr_demo.training.data import Pairs, as_float, downscale_8bit
from sr_demo.training.synthetic import SIDE, facade, font_files, lines, synthetic, text, with_synthetic


@pytest.mark.parametrize("draw", [text, lines, facade])
def test_each_kind_has_contrast_and_is_hard_for_bicubic(draw):
    for seed in range(3):
        image = draw(np.random.default_rng(seed), 192)
        assert image.shape == (192, 192, 3) and image.dtype == np.uint8
        assert image.std() > 8
        upscaled = resize(as_float(downscale_8bit(image, 4)), (192, 192))
        assert psnr_y(upscaled, as_float(image)) < 28


def test_an_image_depends_on_seed_and_number_only():
    first = synthetic(4, seed=5, side=96)
    np.testing.assert_array_equal(first[3], synthetic(7, seed=5, side=96)[3])
    assert (first[0] != synthetic(1, seed=6, side=96)[0]).any()
    assert (first[0] != first[3]).any(), "two pages of text differ"


def test_synthetic_images_follow_the_photos_and_are_counted():
    photo = np.zeros((64, 64, 3), np.uint8)
    pairs = with_synthetic(Pairs(("a",), (photo,), (downscale_8bit(photo, 4),), ()), 2, 4)
    assert pairs.names == ("a", "drawn[0]", "drawn[1]")
    assert pairs.hr[2].shape == (SIDE, SIDE, 3) and pairs.lr[2].shape == (SIDE // 4, SIDE // 4, 3)
    assert "2 drawn" in pairs.kind


def test_text_is_drawn_without_matplotlib(monkeypatch):
    import sr_demo.training.synthetic as module

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    font_files.cache_clear()
    try:
        assert font_files() == ()
        assert text(np.random.default_rng(0), 96).std() > 8
    finally:
        font_files.cache_clear()
