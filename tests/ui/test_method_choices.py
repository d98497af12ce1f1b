"""What is ticked when the page opens: a published checkpoint that is stored, with ours beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sr_demo.checkpoint import Checkpoint, WeightFile
from sr_demo.hub import checkpoints
from sr_demo.inference.time_estimates import Estimates
from sr_demo.spec import Approach
from sr_demo.ui.method_choices import offered, ticked
from tests import fakes

OURS = Checkpoint("ours", "ours, small")


def published(name: str, flops: float) -> Checkpoint:
    file = WeightFile(f"{name}.pth", "0" * 64, 5, (f"a/b:{name}.pth",))
    return Checkpoint(name, "published", (file,), parameters=1, flops_per_pixel=flops)


SLOW, QUICK = published("slow", 1e9), published("quick", 1e3)
APPROACH = replace(
    fakes.approach(fakes.Fake(lambda image, _: image)), checkpoints=(OURS, QUICK, SLOW), preferred=("slow", "quick")
)
ONLY_PUBLISHED = replace(APPROACH, id="only", checkpoints=(SLOW,), preferred=("slow",))


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the published checkpoints that are stored."""
    names: set[str] = set()
    monkeypatch.setattr(checkpoints, "is_available", lambda c: not c.files or c.name in names)
    return names


def choices(approach: Approach, estimates: Any = None) -> tuple[list[str], list[str], list[str]]:
    """Names of the checkpoints shown at once and of the others, and the ticked keys."""
    first, more = offered([approach], estimates)
    return [j.checkpoint.name for j in first], [j.checkpoint.name for j in more], ticked(first, estimates)


def test_ours_is_ticked_where_nothing_is_stored(stored: set[str]) -> None:
    assert choices(APPROACH) == (["ours"], ["quick", "slow"], ["fake"])


def test_a_stored_published_checkpoint_is_ticked_with_ours_beside_it(stored: set[str]) -> None:
    stored |= {"slow"}
    assert choices(APPROACH, Estimates()) == (["ours", "slow"], ["quick"], ["fake:slow"])


def test_a_quicker_published_one_is_ticked_where_the_best_takes_long(stored: set[str]) -> None:
    stored |= {"slow", "quick"}
    assert choices(APPROACH) == (["ours", "slow"], ["quick"], ["fake:slow"])
    assert choices(APPROACH, Estimates()) == (["ours", "quick"], ["slow"], ["fake:quick"])


def test_what_is_published_only_is_ticked_once_it_is_stored(stored: set[str]) -> None:
    assert choices(ONLY_PUBLISHED) == ([], ["slow"], [])
    stored |= {"slow"}
    assert choices(ONLY_PUBLISHED) == (["slow"], [], ["only"])
