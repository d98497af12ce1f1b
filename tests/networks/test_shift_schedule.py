"""The schedule of residual-shift diffusion: its ends, its noise, and steps that skip levels."""

import itertools

import numpy as np
import pytest

from sr_demo.diffusion.noise import noise_at
from sr_demo.networks.shift_schedule import Schedule


def test_the_chain_leads_from_hr_to_the_initial_estimate():
    schedule = Schedule(levels=15, kappa=0.12, least=0.01)
    assert schedule.eta(0) == 0
    assert schedule.eta(15) == 1
    assert schedule.spread(0) == 0
    assert schedule.spread(1) == pytest.approx(0.01)
    assert schedule.spread(15) == pytest.approx(0.12)


@pytest.mark.parametrize("power", [0.3, 0.7, 1.5])
def test_each_level_is_shifted_further(power):
    schedule = Schedule(power=power)
    etas = [schedule.eta(level) for level in range(schedule.levels + 1)]
    assert all(low < high for low, high in itertools.pairwise(etas))


@pytest.mark.parametrize("count", [1, 4, 7, 15])
def test_steps_lead_from_the_last_level_to_hr(count):
    steps = Schedule(levels=15).steps(count)
    assert len(steps) == count
    assert steps[0].level == 15 and steps[-1].below == 0
    assert all(a.below == b.level and a.level > a.below for a, b in itertools.pairwise(steps))
    assert (steps[-1].keep, steps[-1].replace, steps[-1].noise) == (0, 1, 0)


@pytest.mark.parametrize("count", [3, 8, 15])
def test_with_hr_known_every_step_has_the_mean_and_variance_of_the_chain(count):
    """After a step x has the mean and the variance of the lower level, whichever levels are skipped."""
    schedule = Schedule(levels=15, kappa=0.2, least=0.02)
    hr, start = 0.3, 0.8
    for step in schedule.steps(count):
        high, low = schedule.eta(step.level), schedule.eta(step.below)
        mean = step.keep * (hr + high * (start - hr)) + step.replace * hr
        variance = step.keep**2 * schedule.kappa**2 * high + step.noise**2
        assert mean == pytest.approx(hr + low * (start - hr))
        assert variance == pytest.approx(schedule.kappa**2 * low)


def test_noise_is_standard_normal_and_does_not_depend_on_the_image_size():
    large, small = noise_at(200, 150, 1, 0, 5), noise_at(70, 90, 1, 0, 5)
    np.testing.assert_array_equal(large[:70, :90], small)
    assert large.dtype == np.float32
    assert abs(large.mean()) < 0.02
    assert abs(large.std() - 1) < 0.02
    assert abs(np.corrcoef(large[:, :75].ravel(), large[:, 75:].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("other", [(2, 0, 5), (1, 1, 5), (1, 0, 6)], ids=["seed", "sample", "level"])
def test_each_seed_sample_and_level_has_independent_noise(other):
    a, b = noise_at(64, 64, 1, 0, 5), noise_at(64, 64, *other)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.05
