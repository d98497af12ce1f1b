"""The overhead benchmark measures each step and adds them up."""

from __future__ import annotations

import pytest

from sr_demo.benchmarks import overhead
from sr_demo.cli.main import main


def test_the_steps_together_are_the_sum_of_those_that_every_run_has() -> None:
    *steps, together = overhead.steps(0.004, rounds=1)
    assert together.name == "together"
    counted = [step for step in steps if step.name != "tiles side by side, checks"]
    assert len(counted) == len(steps) - 1 == 5, "tiles are either blended or side by side"
    assert together.seconds == pytest.approx(sum(step.seconds for step in counted))
    assert together.processor_seconds == pytest.approx(sum(step.processor_seconds for step in counted))
    assert all(step.seconds > 0 for step in steps)


def test_the_command_prints_a_line_for_each_step_and_the_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "overhead", "--megapixels", "0.004", "--rounds", "1"]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.startswith("seconds per megapixel")
    assert len(lines) == 8 and lines[-2].startswith("together ")
    assert (
        lines[-1].startswith("(target)") and f"{overhead.TARGET:.4f}" in lines[-1] and "0.004 megapixels" in lines[-1]
    )
