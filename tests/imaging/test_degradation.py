"""The two degradations, step by step."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sr_demo.errors import BadInput
from sr_demo.image import readonly
from sr_demo.imaging.degradation import Realistic, bicubic, degrade
from sr_demo.imaging.resize import downscale, resize
from sr_demo.options import controls

X, Y = np.meshgrid(np.linspace(0, 1, 128, dtype=np.float32), np.linspace(0, 1, 96, dtype=np.float32))
SMOOTH = readonly(np.stack([X, Y, 1 - X], -1))
FLAT = readonly(np.full((256, 256, 3), 0.5, np.float32))
CLEAN = Realistic(blur=0, noise=0, quality=100)


def sharpness(image):
    return float(np.abs(np.diff(image, axis=1)).mean())


def test_defaults_and_ranges():
    assert Realistic() == Realistic(blur=1.2, noise=6, quality=60, seed=0)
    ranges = {c.name: (c.minimum, c.maximum) for c in controls(Realistic)}
    assert ranges["blur"] == (0, 4)
    assert ranges["noise"] == (0, 50)
    assert ranges["quality"] == (10, 100)
    with pytest.raises(BadInput, match="JPEG quality must be between 10 and 100, not 5"):
        Realistic(quality=5)


def test_bicubic_gives_the_published_lr_images():
    assert np.array_equal(bicubic(SMOOTH, 4), downscale(SMOOTH, 4))


@pytest.mark.parametrize("shape", [(96, 128), (97, 131), (4, 4), (5, 400)])
@pytest.mark.parametrize("scale", [2, 4])
def test_shape_range_and_read_only(shape, scale):
    image = readonly(np.random.default_rng(0).random((*shape, 3), np.float32))
    for small in (bicubic(image, scale), degrade(image, scale, Realistic(noise=50, quality=10))):
        assert small.shape == (shape[0] // scale, shape[1] // scale, 3)
        assert small.dtype == np.float32
        assert 0 <= small.min() <= small.max() <= 1
        assert not small.flags.writeable


def test_without_blur_and_noise_only_jpeg_remains():
    assert np.abs(degrade(SMOOTH, 4, CLEAN) - downscale(SMOOTH, 4)).max() < 0.03


def test_the_seed_determines_the_noise():
    first = degrade(SMOOTH, 4, Realistic(seed=3))
    assert np.array_equal(first, degrade(SMOOTH, 4, Realistic(seed=3)))
    assert not np.array_equal(first, degrade(SMOOTH, 4, Realistic(seed=4)))


@pytest.mark.parametrize("noise", [5, 20])
def test_noise_has_the_set_strength(noise):
    small = degrade(FLAT, 1, Realistic(blur=0, noise=noise, quality=100))
    luma = small @ np.array([0.299, 0.587, 0.114], np.float32)
    # Independent per channel: the luma's deviation is that times the norm of the weights. 4:2:0 leaves luma alone.
    assert float(luma.std()) * 255 == pytest.approx(noise * np.linalg.norm([0.299, 0.587, 0.114]), rel=0.06)


@pytest.mark.parametrize("blur", [1.0, 2.5])
def test_blur_is_a_gaussian_in_hr_pixels(blur):
    edge = np.zeros((64, 256, 3), np.float32)
    edge[:, 128:] = 1
    expected = resize(readonly(np.asarray(cv2.GaussianBlur(edge, (0, 0), blur), np.float32)), (16, 64))
    small = degrade(readonly(edge), 4, Realistic(blur=blur, noise=0, quality=100))
    assert np.abs(small - expected).max() < 0.03
    slope = np.diff(degrade(readonly(edge), 1, Realistic(blur=blur, noise=0, quality=100))[32, :, 0])
    place = np.arange(255)
    mean = (slope * place).sum() / slope.sum()
    assert np.sqrt((slope * (place - mean) ** 2).sum() / slope.sum()) == pytest.approx(blur, rel=0.05)


def test_the_border_does_not_darken():
    small = degrade(readonly(np.full((32, 32, 3), 0.8, np.float32)), 4, Realistic(blur=4, noise=0, quality=100))
    assert np.abs(small - 0.8).max() < 0.01


def test_lower_quality_is_further_from_the_reference():
    image = readonly(np.random.default_rng(1).random((64, 64, 1), np.float32).repeat(3, 2))
    reference = resize(image, (16, 16))
    errors = [
        np.abs(degrade(image, 4, Realistic(blur=0, noise=0, quality=q)) - reference).mean() for q in (95, 60, 30, 10)
    ]
    assert errors == sorted(errors)
    assert errors[-1] > 1.5 * errors[0]


def test_chroma_is_stored_at_half_size():
    stripes = np.zeros((32, 32, 3), np.float32)
    stripes[:, ::2] = 1, 0, 0
    stripes[:, 1::2] = 0, 0, 1
    small = degrade(readonly(stripes), 1, CLEAN)
    assert sharpness(small[..., 0] - small[..., 2]) < 0.5 * sharpness(stripes[..., 0] - stripes[..., 2])


def test_images_too_small_or_too_long_are_refused():
    tiny = readonly(np.zeros((3, 9, 3), np.float32))
    for way in (lambda: bicubic(tiny, 4), lambda: degrade(tiny, 4, Realistic())):
        with pytest.raises(
            BadInput, match=r"^A picture of 9 x 3 pixels is too small to be downscaled 4 times: it needs at"
        ):
            way()
    with pytest.raises(BadInput, match=r"^A JPEG file holds at most 65500 pixels per side, and this small version"):
        degrade(readonly(np.zeros((1, 65_501, 3), np.float32)), 1, CLEAN)
