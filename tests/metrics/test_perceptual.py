"""LPIPS and DISTS with the real networks at random weights, against values of their authors' packages; FLIP by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sr_demo.hub import checkpoints
from sr_demo.hub.perceptual import DISTS, LPIPS
from sr_demo.image import readonly
from sr_demo.metrics import perceptual
from sr_demo.networks.perceptual import Dists, Lpips
from tests.conftest import noise

IMAGE = noise(96, 80)
OTHER = readonly(np.clip(IMAGE + np.float32(0.1) * (noise(96, 80, 5) - np.float32(0.5)), 0, 1))


def filled(network: nn.Module) -> nn.Module:
    """The network with weights that numpy's generator makes, equal on every computer."""
    rng = np.random.default_rng(0)
    for weight in network.parameters():
        shape = tuple(weight.shape)
        if len(shape) == 4 and shape[0] > 1:
            values = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        else:
            values = 0.1 * rng.random(shape)
        weight.data = torch.tensor(values, dtype=torch.float32)
    return network


@pytest.mark.parametrize(("made", "expected"), [(Lpips, 0.00821468), (Dists, 0.00949717)])
def test_a_network_gives_what_its_authors_package_gives_with_the_same_weights(
    made: type[nn.Module], expected: float
) -> None:
    """Of lpips 0.1.4 and DISTS_pytorch 0.1."""
    rng = np.random.default_rng(1)
    a = torch.tensor(rng.random((1, 3, 96, 80)), dtype=torch.float32)
    b = (a + torch.tensor(rng.standard_normal((1, 3, 96, 80)) * 0.1, dtype=torch.float32)).clamp(0, 1)
    with torch.inference_mode():
        assert float(filled(made())(a, b)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("checkpoint", [LPIPS, DISTS], ids=lambda one: one.name)
def test_with_its_files_a_measure_is_0_for_equal_images_and_grows(checkpoint, tmp_path: Path, monkeypatch) -> None:
    files = (tmp_path / "backbone.pth", tmp_path / "own.pth")
    state = filled(Lpips() if checkpoint is LPIPS else Dists()).state_dict()
    own = {key: value for key, value in state.items() if not key.startswith("features.")}
    if checkpoint is LPIPS:
        own = {f"lin{key[-1]}.model.1.weight": value for key, value in own.items()}
    torch.save({**{k: v for k, v in state.items() if k not in own}, "classifier.1.weight": torch.zeros(1)}, files[0])
    torch.save(own, files[1])
    measure = getattr(perceptual, checkpoint.name)
    assert measure(OTHER, IMAGE) is None
    monkeypatch.setattr(checkpoints, "is_available", lambda one: one is checkpoint)
    monkeypatch.setattr(checkpoints, "fetch", lambda one: files)
    perceptual._network.cache_clear()
    half = readonly(np.asarray((IMAGE + OTHER) / 2, np.float32))
    values = [measure(image, IMAGE) for image in (IMAGE, half, OTHER)]
    assert values[0] == pytest.approx(0, abs=1e-6) and 1e-5 < values[1] < values[2]
    assert measure(IMAGE[:36], OTHER[:36]) is None
    perceptual._network.cache_clear()


@pytest.mark.parametrize("short", [256, 257, 322, 425])
def test_dists_compares_at_256_pixels(short: int) -> None:
    for shape in ((short, 500), (500, short)):
        smaller = perceptual._smaller(noise(*shape))
        assert sorted(smaller.shape[:2]) == [256, 256 * 500 // short]


def test_flip_of_black_and_white_is_that_of_the_paper() -> None:
    """Equations 5 and 6 by hand: black and white are 25.1 apart, of at most 41.3, which the error remaps to 0.967."""
    pytest.importorskip("flip_evaluator")
    black, white = (readonly(np.full((40, 40, 3), value, np.float32)) for value in (0, 1))
    assert perceptual.flip(black, white) == pytest.approx(0.967, abs=1e-3)
    assert perceptual.flip(IMAGE, IMAGE) == 0
    assert 0 < (perceptual.flip(OTHER, IMAGE) or 0) < 0.5
