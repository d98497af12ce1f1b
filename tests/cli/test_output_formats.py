"""`upscale` and `batch` write the format, quality, bits and metadata that are chosen, and say what was kept."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from sr_demo.cli.main import main
from sr_demo.image import quantize, read
from tests.conftest import noise


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A JPEG of 20 x 12 pixels with a position, in the current folder."""
    monkeypatch.chdir(tmp_path)
    data = Pillow.Exif()
    data[0x0132] = "2020:01:02 03:04:05"
    data.get_ifd(0x8825).update({1: "N", 2: (47.0, 30.0, 0.0)})
    Pillow.fromarray(quantize(noise(12, 20))).save("photo.jpg", exif=data, dpi=(300, 300))
    return tmp_path / "photo.jpg"


def upscale(*arguments: str, files: tuple[str, ...] = ("photo.jpg",)) -> int:
    return main(["upscale", *files, "--approach", "bicubic", *arguments])


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["--out", "big"], "big/photo_bicubic.png"),
        (["--out", "big", "--format", "same"], "big/photo_bicubic.jpg"),
        (["--out", "big", "--format", "tiff", "--bits", "16"], "big/photo_bicubic.tif"),
        (["--out", "big/large.webp", "--quality", "50"], "big/large.webp"),
        (["--out", "LARGE.JPEG"], "LARGE.JPEG"),
    ],
)
def test_format_and_name_follow_the_arguments(
    photo: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], name: str
) -> None:
    assert upscale(*arguments) == 0
    found = cv2.imread(name, cv2.IMREAD_UNCHANGED)
    assert found is not None and found.shape == (48, 80, 3)
    assert found.dtype == (np.uint16 if "16" in arguments else np.uint8)
    assert "Kept: EXIF, 300 dpi." in capsys.readouterr().out
    with Pillow.open(name) as image:
        assert image.getexif().get_ifd(0x8825)[2] == (47.0, 30.0, 0.0), "kept on the command line"


def test_metadata_are_stripped_on_request(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert upscale("--out", "big.jpg", "--strip-metadata") == 0
    assert "Kept: 300 dpi. Removed: EXIF, GPS position." in capsys.readouterr().out
    assert read(Path("big.jpg")).metadata.exif is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--out", "big", "--quality", "90"], "PNG has no quality"),
        (["--out", "big.jpg", "--format", "webp"], "--out big.jpg is a jpeg file, and --format is webp"),
        (["--out", "big.jpg", "--bits", "16"], "JPEG holds 8 bits per channel"),
        (["--out", "photo.jpg", "--overwrite"], "photo.jpg is the picture itself"),
        (["--out", "mine.jpg"], "mine.jpg exists already"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_the_work(
    photo: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    Path("mine.jpg").write_bytes(b"mine")
    before = photo.read_bytes()
    assert upscale(*arguments) == 2
    assert sentence in capsys.readouterr().err
    assert sorted(path.name for path in photo.parent.iterdir() if path.is_file()) == ["mine.jpg", "photo.jpg"]
    assert (photo.read_bytes(), Path("mine.jpg").read_bytes()) == (before, b"mine")


def test_one_name_is_not_for_two_results(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert upscale("--out", "big.jpg", files=("photo.jpg", "photo.jpg")) == 2
    assert "--out big.jpg names one file, and there are 2 results. Name a folder." in capsys.readouterr().err


def test_a_batch_writes_the_format_and_its_manifest_says_what_was_kept(
    photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in").mkdir()
    photo.rename("in/photo.jpg")
    arguments = ["batch", "in", "--approach", "bicubic", "--out", "out", "--format", "webp", "--strip-metadata"]
    assert main(arguments) == 0
    assert read(Path("out/photo.webp")).rgb.shape == (48, 80, 3)
    line = json.loads(Path("out/manifest.jsonl").read_text())
    assert line["metadata"] == {"kept": ["300 dpi"], "removed": ["EXIF", "GPS position"]}
    assert (line["output_format"], line["output_metadata"]) == ("webp", "none")
    assert main([*arguments[:-3], "--format", "jpeg", "--resume"]) == 2
    assert "output format was webp, now it is jpeg" in capsys.readouterr().err


def test_a_batch_of_an_earlier_version_is_resumed_as_png(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    photo.rename("in/photo.jpg")
    arguments = ["batch", "in", "--approach", "bicubic", "--out", "out"]
    assert main(arguments) == 0
    manifest = Path("out/manifest.jsonl")
    line = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({key: line[key] for key in line if not key.startswith("output_")}) + "\n")
    assert main([*arguments, "--resume"]) == 0
    assert "1 existed already" in capsys.readouterr().out
    assert main([*arguments, "--resume", "--format", "tiff"]) == 2
