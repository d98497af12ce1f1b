"""`--model FILE`: a user's own network in every command that takes an approach."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sr_demo.checkpoint import EMBEDDED
from sr_demo.cli.main import main
from sr_demo.image import write_png
from tests.conftest import image_of, noise


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("models") / "mine.safetensors"
    shutil.copyfile(EMBEDDED / "espcn-x4.safetensors", path)
    return str(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    write_png(image_of(noise(64, 80)), folder / "a.png")
    return folder


def test_evaluate_has_a_row_for_it(
    model: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.json"
    assert main(["evaluate", "--hr", str(photos), "--approach", "bicubic", "--model", model, "--json", str(rows)]) == 0
    assert [(row["approach"], row["checkpoint"]) for row in json.loads(rows.read_text())] == [
        ("bicubic", "default"), ("own", "mine"),
    ]  # fmt: skip
    assert "own:mine" in capsys.readouterr().out


def test_upscale_writes_a_result_of_each_model(model: str, photos: Path, tmp_path: Path) -> None:
    arguments = ["upscale", str(photos / "a.png"), "--model", model, "--model", model, "--out", str(tmp_path / "big")]
    assert main(arguments) == 0
    assert sorted(path.name for path in (tmp_path / "big").iterdir()) == ["a_own-mine-2.png", "a_own-mine.png"]


def test_batch_records_it(model: str, photos: Path, tmp_path: Path) -> None:
    assert main(["batch", str(photos), "--model", model, "--out", str(tmp_path / "big")]) == 0
    (line,) = (tmp_path / "big" / "manifest.jsonl").read_text().splitlines()
    assert (json.loads(line)["approach"], json.loads(line)["checkpoint"]) == ("own", "mine")


def test_it_is_exported(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "exported.safetensors"
    assert main(["export", "--model", model, "--format", "safetensors", "--out", str(out)]) == 0
    assert out.exists() and "agrees with the network" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["upscale", "a.png", "--out", "x"], "Name an approach"),
        (["evaluate", "--hr", "x"], "Name an approach"),
        (["batch", "x", "--approach", "bicubic", "--model", "MODEL", "--out", "y"], "one network at a time"),
        (["export", "--format", "onnx", "--out", "x.onnx"], "Name an approach"),
        (["evaluate", "--hr", "x", "--model", "nowhere.pth"], "There is no model file nowhere.pth at that place."),
        (["bench", "halos", "--model", "program.pt"], "There is no model file program.pt"),
    ],
)
def test_what_is_missing_or_too_much_is_said_in_a_line(
    model: str, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([model if argument == "MODEL" else argument for argument in arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_the_list_names_the_files_of_the_folder(
    model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sr_demo.user_models import folder
    from sr_demo.user_models.opening import open_model

    monkeypatch.setattr(folder, "open_model_in_subprocess", lambda path, **_: open_model(path))
    monkeypatch.setenv(folder.VARIABLE, str(Path(model).parent))
    assert main(["list", "--json"]) == 0
    listed = [record for record in json.loads(capsys.readouterr().out) if record["id"] == "own"]
    assert [record["checkpoints"][0]["name"] for record in listed] == ["mine"]
    assert listed[0]["checkpoints"][0]["licence"] == "not stated"
