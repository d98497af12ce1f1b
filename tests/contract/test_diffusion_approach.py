"""The embedded diffusion model: seeds, LR consistency, and where samples differ."""

from __future__ import annotations

import numpy as np
import pytest

from sr_demo.approaches import diffusion
from sr_demo.diffusion.options import DiffusionOptions
from sr_demo.diffusion.upscaler import DiffusionUpscaler
from sr_demo.image import readonly
from sr_demo.inference.jobs import Job
from sr_demo.inference.runner import Runner
from sr_demo.progress import SILENT
from tests.conftest import image_of

SIDE = 48


@pytest.fixture(scope="module")
def runner() -> Runner:
    return Runner()


def half_texture():
    """Left half flat, right half fine random texture as in a small photo of grass."""
    lr = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    grain = np.random.default_rng(0).normal(0, 0.12, (SIDE, SIDE // 2, 1))
    lr[:, SIDE // 2 :] += grain.astype(np.float32)
    return readonly(np.clip(lr, 0, 1))


def job(**options: object) -> Job:
    return Job(diffusion.APPROACH, diffusion.APPROACH.checkpoint(), DiffusionOptions(**options))  # type: ignore[arg-type]


def test_guesses_differ_more_on_texture_than_on_flat_areas(runner: Runner) -> None:
    with runner.loaded(job()) as model:
        upscaler = model.upscaler
        assert isinstance(upscaler, DiffusionUpscaler)
        *_, samples = upscaler.draw_samples(half_texture(), DiffusionOptions(), 4, SILENT)
        spread = samples.spread()
    edge = 24  # pixels of the result beside the border between the halves, which count for neither
    flat, texture = spread[:, : 2 * SIDE - edge], spread[:, 2 * SIDE + edge :]
    assert texture.mean() > 1.5 * flat.mean()


def test_seeds_differ_and_each_result_has_a_high_lr_consistency(runner: Runner) -> None:
    lr = image_of(half_texture())
    first, again, other = (runner.run(job(seed=seed), lr) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.image.rgb, again.image.rgb)
    assert np.abs(first.image.rgb - other.image.rgb).mean() > 1e-4
    for result in (first, other):
        assert result.scores.lr_consistency is not None and result.scores.lr_consistency > 30
