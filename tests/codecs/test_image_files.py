"""Which files of a folder are images: one rule, by content, and counts that add up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image as Pillow

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.batch.manifest import NAME
from sr_demo.batch.run import Batch, run
from sr_demo.batch.workers import perform_here
from sr_demo.cli import main
from sr_demo.codecs.image_files import find_images
from sr_demo.image import ImageData, write_png
from sr_demo.inference.jobs import Job
from sr_demo.options import Options
from sr_demo.reports.evaluation import images_in
from sr_demo.training.data import image_files
from tests.conftest import noise

JOB = Job(BICUBIC, BICUBIC.checkpoints[0], Options())
IMAGES = ["a.png", "edge.jfif", "scan.jpe", "phone.heif", "wrong.dat", "none", "claims.jpg"]
OTHERS = ["notes.txt", "Thumbs.db"]
HIDDEN = ["._a.png", ".DS_Store"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images under all sorts of names, of which the last is none, and other files."""
    folder = tmp_path / "in"
    (folder / ".thumbnails").mkdir(parents=True)
    write_png(ImageData(noise(12, 12)), folder / "a.png")
    for name in (*IMAGES[1:-1], ".thumbnails/a.png"):
        shutil.copy(folder / "a.png", folder / name)
    for name in (IMAGES[-1], *OTHERS, *HIDDEN):
        (folder / name).write_bytes(b"text" * 9)
    return folder


def test_content_decides_and_nothing_is_uncounted(folder: Path) -> None:
    found = find_images(folder, recursive=True)
    assert [path.name for path in found.images] == sorted(IMAGES)
    assert [path.name for path in found.others] == sorted(OTHERS)
    assert found.hidden == len(HIDDEN) + 1  # with the one in a hidden folder
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(found.images) + len(found.others) + found.hidden == len(files)
    assert found.left_out == "2 other files and 3 hidden files left out"


def test_every_command_finds_the_same_images(folder: Path) -> None:
    found = find_images(folder).images
    assert images_in(folder).images == found
    assert tuple(image_files(folder)) == found


def test_a_batch_accounts_for_every_file(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = run(Batch(JOB, folder, tmp_path / "out", recursive=True), perform_here)
    assert (summary.done, len(summary.failed)) == (6, 1)
    assert summary.left_out == "2 other files and 3 hidden files left out"
    lines = (tmp_path / "out" / NAME).read_text().splitlines()
    assert sorted(json.loads(line)["source"] for line in lines) == sorted(IMAGES)
    assert main.main(["batch", str(folder), "--approach", "bicubic", "--out", str(tmp_path / "cli")]) == 2
    assert "6 done, 0 existed already, 1 skipped, 2 other files and 2 hidden files left out;" in capsys.readouterr().out


def test_results_inside_the_folder_are_no_inputs(folder: Path) -> None:
    (folder / "out").mkdir()
    shutil.copy(folder / "a.png", folder / "out" / "a.png")
    assert len(find_images(folder, recursive=True).images) == len(IMAGES) + 1
    assert len(find_images(folder, recursive=True, without=folder / "out").images) == len(IMAGES)


def test_evaluate_leaves_shadow_files_out_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_png(ImageData(noise(16, 16)), tmp_path / "a.png")
    (tmp_path / "._a.png").write_bytes(b"Mac OS X")
    assert main.main(["evaluate", "--hr", str(tmp_path), "--approach", "bicubic"]) == 0
    assert "1 hidden file left out." in caplog.text


def test_upscale_prints_what_reading_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = [Pillow.new("L", (8, 8), shade) for shade in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert main.main(["upscale", str(tmp_path / "a.gif"), "--approach", "bicubic", "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "sr_demo: a.gif: The first of 2 frames is used."
