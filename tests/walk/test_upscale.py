"""`upscale` makes of every file a picture, or one sentence on standard error and status 2."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

from sr_demo import image
from sr_demo.cli import main
from sr_demo.codecs import libraries
from tests.conftest import image_of, noise
from tests.walk.conftest import Locate
from tests.walk.doors import LIMITS, walked
from tests.walk.table import CASES, Case
from tests.walk.verdict import Made, complaints

pytestmark = pytest.mark.timeout(300)
_OURS = "sr_demo: "


def verdict_on(status: int, out: str, err: str, folder: Path, seconds: float) -> Made:
    """Sort what a command printed and wrote."""
    lines = err.splitlines()
    ours = [line.removeprefix(_OURS) for line in lines if line.startswith(_OURS)]
    foreign = "\n".join(line for line in lines if not line.startswith(_OURS))
    results = list(folder.iterdir()) if folder.is_dir() else []
    assert status == (0 if results else 2) and len(results) <= 1, (status, err)
    png = results[0].read_bytes() if results else None
    return Made(seconds, png, "" if png else "\n".join(ours), said=f"{out}\n{err}", foreign=foreign)


@walked()
def test_a_file_becomes_an_image_or_a_sentence(
    case: Case,
    locate: Locate,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(image.read, "__defaults__", (LIMITS, None))
    path = locate(case)
    begun = time.monotonic()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("default")
        libraries.silence()  # as the program does; the line above comes before its filter
        status = main.main(["upscale", str(path), "--approach", "bicubic", "--out", str(tmp_path)])
    seconds = time.monotonic() - begun
    out, err = capfd.readouterr()
    # As a program it prints these too; the test runner catches them.
    # Other threads still end the work of earlier tests.
    mine = [record for record in caplog.records if record.thread == threading.get_ident()]
    logged = [record.getMessage() for record in mine if record.levelno >= logging.WARNING]
    err = "\n".join([*logged, *(str(warning.message) for warning in warned), err]).strip()
    assert complaints(case, verdict_on(status, out, err, tmp_path, seconds)) == []


@pytest.mark.slow
@walked(only=("bits16_short.tif", "line\nbreak\ttab.png", "doc.pdf", "tag_count.tif", "-rf.png"))
def test_likewise_as_a_program_of_its_own(case: Case, locate: Locate, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sr_demo", "upscale", locate(case), "--approach", "bicubic", "--out", tmp_path]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    made = verdict_on(done.returncode, done.stdout, done.stderr, tmp_path, time.monotonic() - begun)
    assert complaints(case, made) == []


@pytest.mark.filterwarnings("default")
def test_good_files_among_bad_ones_become_images(
    locate: Locate, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = [locate(case) for case in CASES if case.outcome == "sentence" and case.name != "bomb_9999.png"]
    good = tmp_path / "good.png"
    image.write_png(image_of(noise(6, 8)), good)
    arguments = ["upscale", *map(str, bad), str(good), "--approach", "bicubic", "--out", str(tmp_path / "out")]
    assert main.main(arguments) == 2
    assert "good_bicubic.png" in capfd.readouterr().out
