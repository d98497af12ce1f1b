"""What a run of the diffusion model records: the real states of that very run."""

import numpy as np
import pytest

from sr_demo.diffusion.options import DiffusionOptions
from sr_demo.diffusion.sampler import Sampler
from sr_demo.diffusion.trajectory import TracingUpscaler, Trajectory, most_detailed_square
from sr_demo.diffusion.upscaler import DiffusionUpscaler
from sr_demo.image import readonly
from sr_demo.progress import SILENT
from tests.conftest import noise
from tests.diffusion.test_sampler import networks

OPTIONS = DiffusionOptions(steps=4, seed=3, noise=1.0)


@pytest.fixture(scope="module")
def upscaler():
    return DiffusionUpscaler(Sampler(*networks()))


def watched(upscaler, image, options=OPTIONS):
    result, trajectory = upscaler.upscale_traced(image, options, SILENT.part(0, 0.5))
    assert isinstance(trajectory, Trajectory) and isinstance(upscaler, TracingUpscaler)
    return result, trajectory


def test_watching_changes_nothing_and_shows_the_states_of_this_run(upscaler):
    image = noise(30, 40)
    result, trajectory = watched(upscaler, image)
    np.testing.assert_array_equal(result, upscaler.upscale(image, OPTIONS, SILENT))
    rows, columns = slice(trajectory.top, trajectory.top + 96), slice(trajectory.left, trajectory.left + 96)
    np.testing.assert_array_equal(trajectory.result, result[rows, columns])
    start = upscaler.sampler.start(image, SILENT)
    np.testing.assert_array_equal(trajectory.start, start[rows, columns])
    expected = list(upscaler.sampler.sample_steps(image, start, 4, 3, SILENT))
    assert [step.step for step in trajectory.steps] == [1, 2, 3, 4]
    for shown, whole in zip(trajectory.steps, expected, strict=True):
        np.testing.assert_array_equal(shown.estimate, whole.estimate[rows, columns])
        assert shown.before.base is None, "a view would keep the whole state in memory"
    assert [step.noise for step in trajectory.steps] == sorted((step.noise for step in trajectory.steps), reverse=True)


def test_the_forward_chain_ends_where_the_run_started(upscaler):
    _, trajectory = watched(upscaler, noise(30, 40))
    hr = np.full((96, 96, 3), 0.5, np.float32)
    forward = trajectory.forward(hr)
    assert len(forward) == 4
    np.testing.assert_allclose(forward[-1], trajectory.steps[0].before, atol=1e-5)
    away = [float(np.abs(state - hr).mean()) for state in forward]
    assert away == sorted(away) and away[0] > 0


def test_without_noise_the_forward_chain_only_shifts(upscaler):
    _, trajectory = watched(upscaler, noise(30, 40), DiffusionOptions(steps=2, noise=0.0))
    np.testing.assert_allclose(trajectory.forward(trajectory.result)[-1], trajectory.start, atol=1e-6)


def test_small_images_are_reported_whole(upscaler):
    _, trajectory = watched(upscaler, noise(9, 12), DiffusionOptions(steps=1, samples=2))
    assert trajectory.start.shape == (36, 36, 3) and len(trajectory.steps) == 1 and trajectory.samples == 2


def test_the_square_with_most_detail_is_found():
    image = np.full((300, 400, 3), 0.5, np.float32)
    image[180:260, 300:380] = np.random.default_rng(0).random((80, 80, 3), np.float32)
    top, left = most_detailed_square(readonly(image), 96)
    assert 156 <= top <= 188 and 276 <= left <= 308
    assert most_detailed_square(image[:50, :50], 50) == (0, 0)
