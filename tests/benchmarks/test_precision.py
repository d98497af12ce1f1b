"""Precisions are compared with fp32 on images, and what is too far from it fails the command."""

from __future__ import annotations

from math import nan
from pathlib import Path

import pytest

from sr_demo.backends import quantization, selection
from sr_demo.benchmarks import precision
from sr_demo.benchmarks.precision import MAX_CHANGE, MAX_LOSS, Difference, differences
from sr_demo.cli.main import main
from sr_demo.errors import BadInput
from sr_demo.image import ImageData, write_png
from sr_demo.progress import Progress
from tests.conftest import noise


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_png(ImageData(noise(48, 64)), tmp_path / "hr.png")
    return tmp_path


@pytest.mark.parametrize(
    ("change", "int8", "too_far"),
    [
        (MAX_CHANGE * 0.9, False, False),
        (-MAX_CHANGE * 0.9, False, False),
        (MAX_CHANGE * 1.1, False, True),
        (-MAX_CHANGE * 1.1, False, True),
        (-MAX_LOSS * 0.9, True, False),
        (-MAX_LOSS * 1.1, True, True),
        (1.0, True, False),
        (nan, True, False),
    ],
)
def test_a_change_is_too_far_either_way_but_a_gain_in_int8_never(change: float, int8: bool, too_far: bool) -> None:
    assert Difference("edsr", "", 30.0, change, int8).too_far is too_far


def test_a_network_is_compared_with_itself_in_fp32(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ESPCN in the backends of this machine, without the conversion, which other tests cover; int8 as it ships."""
    monkeypatch.setattr(selection, "can_prepare", lambda upscaler: False)
    monkeypatch.setattr(quantization, "missing", lambda: "nncf")
    notes: list[str] = []

    found = list(differences(folder, ["espcn"], Progress(lambda fraction, note: notes.append(note))))
    assert [(one.key, one.how.split(",")[0], one.int8) for one in found] == [
        ("espcn", "torch", False),
        ("espcn", "OpenVINO", True),
    ]
    assert found[0].exact > 15 and abs(found[0].change) < MAX_CHANGE and "espcn" in notes


def test_an_attention_network_that_ships_in_int8_is_scored_in_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which rows there are, without the runs of HAT."""
    monkeypatch.setattr(quantization, "missing", lambda: "nncf")
    monkeypatch.setattr(precision.Runner, "warm", lambda *_: None)
    monkeypatch.setattr(precision, "_mean", lambda runner, job, found: (30.0, job.precision))
    rows = [(one.how, one.int8) for one in differences(folder, ["hat"])]
    assert rows[-1] == ("int8", True) and len(rows) == 2


def test_an_unknown_network_and_an_empty_folder_are_refused(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(BadInput, match="There is no embedded network 'bicubic'"):
        next(differences(folder, ["bicubic"]))
    with pytest.raises(BadInput, match="holds no pictures"):
        next(differences(tmp_path_factory.mktemp("empty")))


@pytest.mark.parametrize(("change", "code", "end"), [(-0.5, 2, "too far"), (0.0, 0, "+0.0000")])
def test_the_command_fails_when_a_network_is_too_far(
    change: float,
    code: int,
    end: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [Difference("edsr", "torch, bf16", 30.0, change), Difference("hat", "int8, refused", 31.0, nan, int8=True)]
    monkeypatch.setattr(precision, "differences", lambda *arguments: iter(rows))
    assert main(["bench", "precision", str(folder)]) == code
    _, first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("edsr") and first.endswith(end)
    assert second.startswith("hat") and second.endswith("–")
