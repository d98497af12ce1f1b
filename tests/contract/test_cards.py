"""Scores on Set5 match the cards, whose figures the page shows; estimates find measured costs in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sr_demo.backends.shipped_int8 import MOST_LOSS_ADVERSARIAL
from sr_demo.catalogue import APPROACHES
from sr_demo.image import read
from sr_demo.inference.jobs import job_for
from sr_demo.inference.runner import Runner
from sr_demo.reports.training_curves import trained_networks

DECIBELS, SSIM = 0.02, 0.0005
"""Cards are measured in fp32, the page runs in what is fastest here: adversarial networks in int8, which may change more."""


@pytest.fixture(scope="module")
def runner() -> Runner:
    return Runner()


@pytest.mark.slow
@pytest.mark.parametrize("lesson", trained_networks(APPROACHES), ids=lambda lesson: lesson.name)
def test_set5_scores_match_the_card(lesson, runner: Runner, shared_data: Path) -> None:
    folder = shared_data / "testsets" / "Set5"
    pairs = zip(sorted((folder / "LRx4").iterdir()), sorted((folder / "HR").iterdir()), strict=True)
    job = job_for(APPROACHES, lesson.name)
    scores = [runner.run(job, read(lr), read(hr).rgb).scores for lr, hr in pairs]
    card = lesson.card["scores"]["Set5"]
    most = MOST_LOSS_ADVERSARIAL if job.approach.family == "adversarial" else DECIBELS
    assert sum(s.psnr_y or 0 for s in scores) / 5 == pytest.approx(card["psnr_y"], abs=most)
    assert sum(s.ssim_y or 0 for s in scores) / 5 == pytest.approx(card["ssim_y"], abs=SSIM)


@pytest.mark.parametrize("lesson", trained_networks(APPROACHES), ids=lambda lesson: lesson.name)
def test_the_card_holds_what_the_network_costs(lesson) -> None:
    """Without them, the time of a network and the size of its tiles are guessed from its operations."""
    if job_for(APPROACHES, lesson.name).approach.tiling.mode != "tiles":
        pytest.skip("is not cut into tiles by the wrapper")
    assert set(lesson.card["costs"]) >= {"bytes_per_pixel", "threads", "seconds"}
