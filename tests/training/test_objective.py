"""The objective is the weighted sum of a phase's losses, and builds no more than its phases name."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sr_demo.training import features
from sr_demo.training.adversarial import generator_loss
from sr_demo.training.losses import PIXEL
from sr_demo.training.objective import Objective
from sr_demo.training.schedule import Phase


@pytest.fixture(autouse=True)
def _random_features(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """The feature network has random weights wherever the tests run."""
    monkeypatch.setenv("SR_DEMO_SHARED_WEIGHTS", str(tmp_path))


def phase(*losses: tuple[str, float]) -> Phase:
    return Phase(1.0, losses, (1e-3, 1e-4), patch=8, batch=2)


def batches() -> tuple[Tensor, Tensor]:
    noise = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 32, 32, generator=noise), torch.rand(2, 3, 32, 32, generator=noise)


def test_pixel_losses_are_added_by_their_weights() -> None:
    sr, hr = batches()
    mixed = phase(("l1", 0.5), ("mse", 3.0))
    expected = 0.5 * PIXEL["l1"](sr, hr) + 3.0 * PIXEL["mse"](sr, hr)
    torch.testing.assert_close(Objective((mixed,))(mixed, sr, hr, None), expected)


def test_only_the_losses_of_the_given_phase_count() -> None:
    sr, hr = batches()
    first, second = phase(("l1", 1.0)), phase(("mse", 1.0))
    objective = Objective((first, second))
    torch.testing.assert_close(objective(first, sr, hr, None), PIXEL["l1"](sr, hr))
    torch.testing.assert_close(objective(second, sr, hr, None), PIXEL["mse"](sr, hr))


def test_the_feature_network_is_built_only_where_a_phase_names_the_perceptual_loss() -> None:
    plain = Objective((phase(("l1", 1.0)),))
    assert plain.perceptual is None and plain.features == "none" and not plain.needs_discriminator
    perceptual = Objective((phase(("l1", 1.0)), phase(("perceptual", 1.0))))
    assert isinstance(perceptual.perceptual, features.PerceptualLoss) and "random" in perceptual.features


def test_the_perceptual_loss_is_zero_for_equal_images_and_reaches_sr() -> None:
    sr, hr = batches()
    named = phase(("perceptual", 2.0))
    objective = Objective((named,))
    assert float(objective(named, hr, hr, None).detach()) == pytest.approx(0.0, abs=1e-6)
    sr.requires_grad_()
    value = objective(named, sr, hr, None)
    value.backward()
    assert float(value.detach()) > 0.1 and sr.grad is not None and float(sr.grad.abs().sum()) > 0


def test_the_adversarial_loss_needs_the_logits_of_a_discriminator() -> None:
    sr, hr = batches()
    named = phase(("l1", 1.0), ("gan", 0.1))
    objective = Objective((named,))
    assert objective.needs_discriminator
    logits = torch.full((2, 1, 32, 32), -2.0)
    torch.testing.assert_close(objective(named, sr, hr, logits), PIXEL["l1"](sr, hr) + 0.1 * generator_loss(logits))
    with pytest.raises(AssertionError, match="needs the logits"):
        objective(named, sr, hr, None)
