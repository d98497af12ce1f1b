"""No command replaces a file that it did not make, unless `--overwrite` is given."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sr_demo.cli.main import main
from sr_demo.image import ImageData, read, write_png
from tests.conftest import noise

MINE = b"the user's own"


def image(path: Path, side: int = 16, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(ImageData(noise(side, side, seed)), path)
    return path


REPORTS = {
    "evaluate": ("evaluate", "--hr", "in", "--approach", "bicubic", "--json", "mine"),
    "deploy json": ("deploy", "bicubic", "--size", "16x16", "--json", "mine"),
    "deploy html": ("deploy", "bicubic", "--size", "16x16", "--html", "mine"),
    "deploy csv": ("deploy", "bicubic", "--size", "16x16", "--csv", "mine"),
    "data json": ("data", "in", "--json", "mine"),
    "data html": ("data", "in", "--html", "mine"),
    "evaluate-digits": ("evaluate-digits", "--json", "mine"),
    "export": ("export", "espcn", "--format", "safetensors", "--out", "mine.safetensors"),
    "export readme": ("export", "espcn", "--format", "onnx", "--out", "mine.onnx"),
    "train": ("train", "espcn", "--data", "in", "--out", "mine.safetensors", "--iterations", "1"),
    "train card": ("train", "espcn", "--data", "in", "--out", "mine.safetensors", "--iterations", "1"),
    "train state": ("train", "espcn", "--data", "in", "--out", "mine.safetensors", "--iterations", "1"),
    "train digits": ("train", "digits-reader", "--out", "mine.safetensors", "--iterations", "1"),
    "memory train": ("memory", "train", "--data", "in", "--out", "mine.safetensors"),
}
OTHERS = {"export readme": "mine_onnx_README.md", "train card": "mine.json", "train state": "mine.state.pt"}


@pytest.mark.parametrize("case", REPORTS)
def test_a_file_named_by_the_user_is_refused_before_the_work(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image(tmp_path / "in" / "a.png", 48)
    monkeypatch.chdir(tmp_path)
    arguments = REPORTS[case]
    mine = tmp_path / OTHERS.get(case, arguments[-1] if arguments[-1].startswith("mine") else "mine.safetensors")
    mine.write_bytes(MINE)
    assert main(arguments) == 2
    assert mine.read_bytes() == MINE
    said = capsys.readouterr().err
    assert f"{mine.name} exists already" in said and "--overwrite" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", mine.name]


@pytest.mark.parametrize("case", ["evaluate", "data html", "export"])
def test_with_overwrite_it_is_replaced(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image(tmp_path / "in" / "a.png", 48)
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / REPORTS[case][-1]
    mine.write_bytes(MINE)
    assert main([*REPORTS[case], "--overwrite"]) == 0
    assert mine.stat().st_size > 0 and mine.read_bytes() != MINE


def test_a_report_of_a_run_that_failed_does_not_stop_the_next_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dot = image(tmp_path / "in" / "dot.png", 2)
    arguments = ["evaluate", "--hr", str(dot.parent), "--approach", "bicubic", "--json", str(tmp_path / "r.json")]
    assert main(arguments) == 2 and not (tmp_path / "r.json").exists()
    image(dot, 16)
    assert main(arguments) == 0 and json.loads((tmp_path / "r.json").read_text())[0]["images"] == 1


def test_upscale_numbers_its_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = image(tmp_path / "1" / "a.png", 4), image(tmp_path / "2" / "a.png", 5)
    out = tmp_path / "out"
    for path in (first, second):
        assert main(["upscale", str(path), "--approach", "bicubic", "--out", str(out)]) == 0
    assert [read(out / name).rgb.shape[0] for name in ("a_bicubic.png", "a_bicubic_2.png")] == [16, 20]
    assert main(["upscale", str(second), "--approach", "bicubic", "--out", str(out), "--overwrite"]) == 0
    assert read(out / "a_bicubic.png").rgb.shape[0] == 20 and len(list(out.iterdir())) == 2


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_upscale_spares_an_input_with_the_name_of_a_result(
    tmp_path: Path, overwrite: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    files = [image(tmp_path / "a.png", 4), image(tmp_path / "a_bicubic.png", 5, seed=1)]
    before = files[1].read_bytes()
    assert main(["upscale", *map(str, files), "--approach", "bicubic", "--out", str(tmp_path), *overwrite]) == 0
    assert files[1].read_bytes() == before
    assert read(tmp_path / "a_bicubic_2.png").rgb.shape[0] == 16
    assert read(tmp_path / "a_bicubic_bicubic.png").rgb.shape[0] == 20, "enlarged once"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_batch_owns_what_its_manifest_lists(
    tmp_path: Path, overwrite: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    image(tmp_path / "in" / "holiday.png", 4)
    mine = image(tmp_path / "lib" / "holiday.png", 7, seed=1)
    before = mine.read_bytes()
    command = ["batch", str(tmp_path / "in"), "--approach", "bicubic", "--out", str(mine.parent)]
    assert main([*command, *["--overwrite"] * overwrite]) == 0
    assert (mine.read_bytes() == before) == (not overwrite)
    result = mine if overwrite else mine.with_name("holiday_2.png")
    made = result.read_bytes()
    result.write_bytes(made[:50])
    assert main([*command, "--resume"]) == 0
    assert result.read_bytes() == made, "its own result is made again under its name"
    assert len(list(mine.parent.glob("*.png"))) == 2 - overwrite


def test_a_batch_never_replaces_its_inputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inside = image(tmp_path / "raw" / "a.png", 5)
    image(tmp_path / "raw" / "raw" / "a.png", 4)  # its result would be called raw/a.png
    before = inside.read_bytes()
    command = ["batch", str(tmp_path / "raw"), "--approach", "bicubic", "--out", str(tmp_path), "--recursive"]
    assert main([*command, "--overwrite"]) == 0
    assert inside.read_bytes() == before and read(inside.with_name("a_2.png")).rgb.shape[0] == 16
    assert main([*command, "--resume"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("0 done, 2 existed already"), "results are no inputs"


def test_a_search_numbers_its_files(tmp_path: Path) -> None:
    from sr_demo.approaches.mosaic import batch_search, database_build
    from sr_demo.approaches.mosaic.executors import LocalExecutor
    from sr_demo.approaches.mosaic.shards import Recipe
    from sr_demo.progress import SILENT

    photo = image(tmp_path / "photos" / "a.png", 64)
    request = database_build.BuildRequest("numbered", (photo,), Recipe(patch=4, patches=50), "a folder")
    database = database_build.build_named_database(request, LocalExecutor(1), SILENT).database
    for number in range(2):
        found = list(batch_search.search_images(database, [photo], 2, tmp_path, LocalExecutor(1), SILENT))
        assert found[0].out.name == ("a_0.npz", "a_0_2.npz")[number]
        with np.load(found[0].out) as arrays:
            assert arrays["numbers"].shape[2] == 2
