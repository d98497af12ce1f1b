"""The benchmark of the start prints the seconds of the page and of the first results."""

from __future__ import annotations

import pytest

from sr_demo.benchmarks import startup
from sr_demo.benchmarks.startup import Result, Start
from sr_demo.cli.main import main


def test_the_command_prints_the_first_and_the_later_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start = Start("with the converted network", 1.5, Result(2.0, "", "fp32"), Result(0.5, "OpenVINO", "bf16"))
    monkeypatch.setattr(startup, "starts", lambda cache, rounds: iter([start]))
    assert main(["bench", "startup", "--rounds", "1"]) == 0
    page, first, later = capsys.readouterr().out.splitlines()
    assert page == "with the converted network: page served after 1.50 s"
    assert first.endswith("2.00 s  no backend, fp32")
    assert later.endswith("0.50 s  OpenVINO, bf16")
