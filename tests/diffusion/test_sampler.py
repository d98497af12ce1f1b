"""The sampler: tiles give what the whole image gives, seeds fix the result, Stop and small memory are handled."""

import itertools
from dataclasses import replace
from threading import Event

import numpy as np
import pytest
import torch

from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import TILE_ERROR
from sr_demo.diffusion import sampler as module
from sr_demo.diffusion.sampler import Sampler
from sr_demo.diffusion.upscaler import DiffusionUpscaler
from sr_demo.errors import Cancelled, OutOfMemory
from sr_demo.inference.halos import black_or_white
from sr_demo.inference.jobs import job_for
from sr_demo.inference.runner import Runner
from sr_demo.networks.edsr import EDSR
from sr_demo.networks.shift_unet import ShiftUNet
from sr_demo.progress import SILENT, Progress
from tests.conftest import noise

SETTINGS = {"levels": 6, "kappa": 0.12, "least": 0.01, "power": 0.7, "spread": 0.04}


def networks(seed=0):
    """Tiny networks whose output depends on all their inputs."""
    torch.manual_seed(seed)
    network = ShiftUNet([8, 8, 8], **SETTINGS)
    torch.nn.init.normal_(network.tail.weight, 0, 0.1)
    return EDSR(1, 8, 4), network


@pytest.fixture(scope="module")
def tiny():
    return Sampler(*networks())


def drawn(sampler, image, steps=3, seed=1, progress=SILENT, **more):
    *_, last = sampler.sample_steps(image, sampler.start(image, SILENT), steps, seed, progress, **more)
    return last.after


def test_a_seed_fixes_the_result_and_another_changes_it(tiny):
    image = noise(20, 23)
    first = drawn(tiny, image)
    assert first.shape == (80, 92, 3)
    np.testing.assert_array_equal(first, drawn(tiny, image))
    for other in (drawn(tiny, image, seed=2), drawn(tiny, image, sample=1), drawn(tiny, image, strength=0.5)):
        assert np.abs(first - other).mean() > 1e-3


def test_without_noise_the_seed_does_not_matter(tiny):
    image = noise(12, 12)
    np.testing.assert_array_equal(drawn(tiny, image, seed=1, strength=0.0), drawn(tiny, image, seed=2, strength=0.0))


def test_tiles_give_what_the_whole_image_gives(monkeypatch):
    """The shipped networks, on the input with the largest response."""
    job = replace(job_for(APPROACHES, "diffusion"), precision="fp32")
    image = black_or_white(128, 12)
    with Runner().loaded(job) as model:
        assert isinstance(model.upscaler, DiffusionUpscaler)
        sampler = model.upscaler.sampler
        whole = drawn(sampler, image, steps=4)
        monkeypatch.setattr(sampler, "tiling", replace(sampler.tiling, largest=32))
        np.testing.assert_allclose(drawn(sampler, image, steps=4), whole, atol=TILE_ERROR, rtol=0)
        monkeypatch.setattr(sampler, "tiling", replace(sampler.tiling, halo=16))
        assert np.abs(drawn(sampler, image, steps=4) - whole).max() > TILE_ERROR, "a smaller halo would not suffice"


def test_the_untrained_network_interpolates_between_state_and_initial_estimate():
    """At the last level the state is mostly noise, so the initial estimate counts; at the first level the state does."""
    network = ShiftUNet([8, 8, 8], **SETTINGS)
    torch.nn.init.zeros_(network.tail.weight)
    start = torch.rand(2, 3, 24, 36)
    small = torch.rand(2, 3, 6, 9)
    level = torch.tensor([6, 1])
    shifted = start + 0.1
    with torch.no_grad():
        estimate = network(shifted, start, small, level)
    torch.testing.assert_close(estimate[0], start[0])
    kept = (estimate[1] - start[1]).mean()
    assert 0.05 < kept < 0.1


def test_the_noise_decreases_with_each_step(tiny):
    image = noise(16, 16)
    start = tiny.start(image, SILENT)
    steps = list(tiny.sample_steps(image, start, 4, 0, SILENT))
    assert [step.step for step in steps] == [1, 2, 3, 4]
    assert all(a.noise > b.noise for a, b in itertools.pairwise(steps))
    assert (steps[0].before - start).std() == pytest.approx(0.12, rel=0.05)
    np.testing.assert_array_equal(steps[-1].after, steps[-1].estimate)


def test_stop_is_obeyed_between_steps(tiny):
    stop, notes = Event(), []

    def report(fraction, note):
        notes.append(note)
        if note == "step 2 of 4":
            stop.set()

    with pytest.raises(Cancelled):
        drawn(tiny, noise(8, 8), steps=4, progress=Progress(report, stop))
    assert "step 2 of 4" in notes and "step 3 of 4" not in notes


def test_out_of_memory_leads_to_smaller_tiles_and_finally_to_an_error(monkeypatch):
    sampler, image = Sampler(*networks()), noise(12, 150)
    whole, most = drawn(sampler, image, steps=1), 120
    real = Sampler._computed

    def limited(self, parts, compute):
        if parts[-1].shape[1] > most:
            raise OutOfMemory
        return real(self, parts, compute)

    start = sampler.start(image, SILENT)
    monkeypatch.setattr(module.Sampler, "_computed", limited)
    (step,) = sampler.sample_steps(image, start, 1, 1, SILENT)
    np.testing.assert_allclose(step.after, whole, atol=2e-5)
    most = 40
    with pytest.raises(OutOfMemory):
        list(sampler.sample_steps(image, start, 1, 1, SILENT))
