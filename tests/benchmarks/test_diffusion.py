"""The cost of a step of the diffusion model is measured on the real network and printed as a table."""

from __future__ import annotations

import json

import pytest

from sr_demo.benchmarks import diffusion
from sr_demo.benchmarks.diffusion import Speed
from sr_demo.cli.main import main
from sr_demo.diffusion.options import DiffusionOptions


def test_steps_and_whole_runs_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "diffusion", "--only", "24", "fp32", "--rounds", "1"]) == 0
    speed = Speed(**json.loads(capsys.readouterr().out))
    assert (speed.side, speed.precision, speed.steps) == (24, "fp32", DiffusionOptions().steps)
    assert 0 < 4 * speed.seconds_per_step < speed.seconds, "a whole run is eight steps and more"
    assert speed.peak_memory_mb > 0 and speed.threads >= 1


def test_the_table_names_sizes_and_rates() -> None:
    line = diffusion.line(Speed(128, "bf16", 0.04, 0.5, 8, 90.4, 2))
    assert line.count("|") == diffusion.HEADING.splitlines()[0].count("|")
    assert line == "| 128 x 128 -> 512 x 512 | bf16 | 0.040 | 25.0 | 0.50 s for 8 steps | 90 MB |"
