"""Scores in training are those of the metrics, on the crops and images that they claim to be of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sr_demo.image import quantize
from sr_demo.metrics.full_reference import psnr_y, ssim_y
from sr_demo.training import validate
from sr_demo.training.data import Pairs, as_float, centre_crops, downscale_8bit
from sr_demo.training.recipes import find
from sr_demo.training.validate import Validation, score_pairs
from tests.conftest import noise

CPU = torch.device("cpu")
RECIPE = find("edsr")


class Nearest(nn.Module):
    """Nearest-neighbour upscaling, plus a constant."""

    def __init__(self, added: float = 0.0) -> None:
        super().__init__()
        self.added = added

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(x, scale_factor=4, mode="nearest") + self.added


def pairs(*sizes: tuple[int, int]) -> Pairs:
    hr = tuple(quantize(noise(height * 4, width * 4, seed)) for seed, (height, width) in enumerate(sizes))
    return Pairs(tuple(map(str, range(len(hr)))), hr, tuple(downscale_8bit(image, 4) for image in hr), ())


def upscaled(lr: np.ndarray) -> np.ndarray:
    return lr.repeat(4, axis=0).repeat(4, axis=1)


def test_the_score_is_the_mean_over_the_central_crops() -> None:
    found = pairs((20, 28), (24, 18), (30, 30), (19, 19), (22, 22))
    lr, hr = centre_crops(found, 18, 4)
    expected = [
        (psnr_y(as_float(upscaled(a)), as_float(b), 4), ssim_y(as_float(upscaled(a)), as_float(b), 4))
        for a, b in zip(lr, hr, strict=True)
    ]
    score = Validation(RECIPE, found, CPU, reduced=False).score(Nearest())
    assert score == pytest.approx(np.mean(expected, axis=0).tolist(), abs=1e-3)


def test_results_out_of_range_are_clamped_before_they_are_scored() -> None:
    validation = Validation(RECIPE, pairs((20, 20)), CPU, reduced=False)
    assert validation.score(Nearest(5.0)) == validation.score(Nearest(9.0))


def test_crops_are_no_larger_than_the_smallest_image_or_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "CROP", 12)
    seen: list[tuple[int, ...]] = []

    class Watched(Nearest):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(tuple(x.shape))
            return super().forward(x)

    Validation(RECIPE, pairs((20, 28), (16, 13)), CPU, reduced=False).score(Watched())
    Validation(RECIPE, pairs((20, 28), (10, 13)), CPU, reduced=False).score(Watched())
    assert seen == [(2, 3, 12, 12), (2, 3, 10, 10)]


def test_a_high_order_recipe_is_scored_on_degraded_crops_the_same_every_time() -> None:
    found, degraded = pairs((20, 20), (20, 20)), replace(RECIPE, degradation="high-order")
    first = Validation(degraded, found, CPU, reduced=False).score(Nearest())
    assert first == Validation(degraded, found, CPU, reduced=False).score(Nearest())
    assert first[0] < Validation(RECIPE, found, CPU, reduced=False).score(Nearest())[0] - 0.5


def test_whole_images_are_scored_by_the_metrics_themselves() -> None:
    found = pairs((14, 20), (18, 11))
    both = [(as_float(upscaled(lr)), as_float(hr)) for lr, hr in zip(found.lr, found.hr, strict=True)]
    assert score_pairs(Nearest().eval(), found, 4) == {
        "psnr_y": pytest.approx(np.mean([psnr_y(sr, hr, 4) for sr, hr in both]), abs=1e-3),
        "ssim_y": pytest.approx(np.mean([ssim_y(sr, hr, 4) for sr, hr in both]), abs=1e-3),
    }
