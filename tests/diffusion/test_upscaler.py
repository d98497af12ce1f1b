"""Postprocessing of a sample, and the whole approach on tiny networks."""

from dataclasses import replace

import numpy as np
import pytest

from sr_demo.backends.torch_backend import NetworkUpscaler
from sr_demo.diffusion.options import DiffusionOptions
from sr_demo.diffusion.postprocessing import back_projected, finished, with_colours_of
from sr_demo.diffusion.sampler import Sampler
from sr_demo.diffusion.upscaler import DiffusionUpscaler
from sr_demo.errors import BadInput
from sr_demo.image import bt601_luma
from sr_demo.imaging.detail import high_band
from sr_demo.imaging.resize import resize
from sr_demo.metrics.scores import score
from sr_demo.options import Options
from sr_demo.progress import SILENT
from sr_demo.training.diffusion import UpscalerModule
from tests.conftest import noise
from tests.diffusion.test_sampler import networks

OPTIONS = DiffusionOptions(steps=3)


@pytest.fixture(scope="module")
def tiny():
    return DiffusionUpscaler(Sampler(*networks()))


def test_back_projection_improves_lr_consistency():
    image = noise(24, 20)
    rng = np.random.default_rng(0)
    wild = np.clip(resize(image, (96, 80)) + rng.normal(0, 0.1, (96, 80, 3)), 0, 1).astype(np.float32)
    found = [
        score(back_projected(wild, image, steps, SILENT), image, None, 4).lr_consistency or 0.0 for steps in (0, 1, 3)
    ]
    assert found[0] < found[1] < found[2]
    assert found[2] > 40


def test_creativity_zero_is_the_start_image_and_one_the_sample():
    image, start, sample = noise(6, 6), noise(24, 24, 1), noise(24, 24, 2)
    for creativity, expected in ((0.0, start), (1.0, sample), (0.5, (start + sample) / 2)):
        result = finished(sample, start, image, creativity, 0, "none", SILENT)
        np.testing.assert_allclose(result, expected, atol=1e-6)


def test_wavelet_takes_low_frequencies_and_keeps_detail():
    rng = np.random.default_rng(0)
    start = np.full((160, 160, 3), (0.5, 0.4, 0.3), np.float32)
    detail = rng.normal(0, 0.05, start.shape).astype(np.float32)
    found = with_colours_of(start, start + detail + np.float32(0.1), "wavelet")
    np.testing.assert_allclose(found.mean((0, 1)), start.mean((0, 1)), atol=2e-3)
    assert np.corrcoef((found - start).ravel(), detail.ravel())[0, 1] > 0.99


def test_adain_takes_mean_and_contrast():
    start, sample = noise(40, 40, 1), noise(40, 40, 2) * np.float32(0.3)
    found = with_colours_of(start, sample, "adain")
    np.testing.assert_allclose(found.mean((0, 1)), start.mean((0, 1)), atol=1e-4)
    np.testing.assert_allclose(found.std((0, 1)), start.std((0, 1)), atol=1e-4)


def test_the_mean_of_several_samples_depends_less_on_the_seed(tiny):
    image = noise(12, 12)
    plain = replace(OPTIONS, agreement=0, creativity=1.0)

    def differ(samples):
        a, b = (tiny.upscale(image, replace(plain, samples=samples, seed=seed), SILENT) for seed in (1, 2))
        return np.abs(a - b).mean()

    assert differ(6) < 0.7 * differ(1)


def test_several_samples_say_where_they_differ_in_detail_and_one_does_not(tiny):
    image = noise(12, 12)
    few, many = (tiny.upscale_traced(image, replace(OPTIONS, samples=count), SILENT)[1] for count in (1, 3))
    assert few.spread is None and many.spread is not None and many.spread.shape == (48, 48)
    *_, drawn = tiny.draw_samples(image, replace(OPTIONS, colour="none", agreement=0, creativity=1.0), 3, SILENT)
    detail = [high_band(np.asarray(bt601_luma(one), np.float32), 4) for one in drawn.results]
    whole = replace(OPTIONS, samples=3, creativity=1.0)
    np.testing.assert_allclose(tiny.upscale_traced(image, whole, SILENT)[1].spread, np.std(detail, axis=0), atol=0.03)


def test_samples_of_one_seed_differ_and_without_noise_they_do_not(tiny):
    image = noise(12, 16)
    *earlier, samples = tiny.draw_samples(image, OPTIONS, 3, SILENT)
    assert [len(some.results) for some in earlier] == [0, 1, 2], "each is there as soon as it is drawn"
    assert len(samples.results) == 3
    assert len(samples.steps) == 3
    np.testing.assert_array_equal(samples.results[0], tiny.upscale(image, OPTIONS, SILENT))
    spread = samples.spread()
    assert spread.shape == (48, 64)
    assert spread.max() > 0
    *_, without = tiny.draw_samples(image, replace(OPTIONS, noise=0.0), 2, SILENT)
    assert without.spread().max() == 0


def test_a_card_scores_what_the_approach_does(tiny):
    """The module that cards are measured with gives the same result as the approach."""
    image = noise(10, 14)
    measured = NetworkUpscaler(UpscalerModule(*networks()), "fp32").upscale(image, Options(), SILENT)
    np.testing.assert_allclose(measured, tiny.upscale(image, DiffusionOptions(steps=6), SILENT), atol=1e-6)


def test_more_steps_than_levels_are_refused(tiny):
    with pytest.raises(BadInput, match="6 steps at most"):
        tiny.upscale(noise(4, 4), DiffusionOptions(steps=7), SILENT)
