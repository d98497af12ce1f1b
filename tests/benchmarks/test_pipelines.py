"""Runs of large pipelines are timed step by step."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from types import SimpleNamespace

import pytest

from sr_demo.benchmarks import pipelines
from tests.fakes import fake_clock


@pytest.mark.parametrize("whole", [True, False])
def test_a_step_is_the_median_between_steps_and_a_part_of_a_run_has_no_total(
    whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 10.0, 11.0, 12.0, 20.0, 30.0]) if whole else fake_clock(2.0)
    monkeypatch.setattr(pipelines, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setattr(pipelines.torch.cuda, "is_available", lambda: False)

    def run(stepped: Callable[[], None]) -> bool:
        for _ in range(4):
            stepped()
        return whole

    cost = pipelines.timed("x4", 512, run, steps=4)
    assert (cost.model, cost.side, cost.steps) == ("x4", 512, 4)
    assert cost.seconds_per_step == (1.0 if whole else 2.0)
    assert cost.seconds == 30.0 if whole else isnan(cost.seconds)
    assert isnan(cost.memory_gb), "there is no GPU here"
