"""One odd name, folder or environment does not stop everything: the cases of data/cases/names-and-environments.sh."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image as Pillow

from sr_demo.batch.manifest import NAME
from sr_demo.cli.main import main
from sr_demo.image import ImageData, read, write_png
from tests.conftest import noise

ROOT = Path(__file__).resolve().parents[2]
HOMELESS = """
import pwd, runpy, sys
def unknown(*_):
    raise KeyError("getpwuid(): uid not found: 54321")
pwd.getpwuid = pwd.getpwnam = unknown
sys.argv = ["sr_demo", *sys.argv[1:]]
runpy.run_module("sr_demo", run_name="__main__")
"""


def image(path: Path | str, side: int = 8) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_png(ImageData(noise(side, side)), Path(path))
    return Path(path)


def batch(source: Path, out: Path, *more: str) -> int:
    return main(["batch", str(source), "--approach", "bicubic", "--out", str(out), *more])


@pytest.mark.parametrize("length", [246, 247, 250, 251])
@pytest.mark.parametrize("letter", ["m", "ü"])
def test_3_long_names(tmp_path: Path, length: int, letter: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = letter * (length // len(letter.encode()))
    files = [image(tmp_path / "in" / f"{stem}.png") for stem in ("a", name, "z")]
    for more, counts in (((), "3 done, 0 existed already"), (("--resume",), "0 done, 3 existed already")):
        assert batch(tmp_path / "in", tmp_path / "out", *more) == 0
        assert capsys.readouterr().out.startswith(counts)
    assert len(list((tmp_path / "out").glob("*.png"))) == 3
    assert main(["upscale", *map(str, files), "--approach", "bicubic", "--out", str(tmp_path / "one")]) == 0
    assert len(list((tmp_path / "one").iterdir())) == 3


def test_3_pages_of_a_long_name_get_names_that_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    pages = [Pillow.new("RGB", (9, 8), colour) for colour in ("red", "blue")]
    pages[0].save(tmp_path / "in" / f"{'m' * 251}.tif", save_all=True, append_images=pages[1:])
    for more in ((), ("--resume",)):
        assert batch(tmp_path / "in", tmp_path / "out", *more) == 0
    assert [path.name[-10:] for path in sorted((tmp_path / "out").glob("*.png"))] == ["_p0001.png", "_p0002.png"]


@pytest.mark.parametrize(
    "name", [b"caf\xe9.png", "line\u2028break\x85.png".encode(), b"new\nline.png", b"-rf.png", b"a b'\".png"]
)
def test_4_names_that_are_not_utf8_or_hold_line_breaks(
    tmp_path: Path, name: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = image(tmp_path / "in" / os.fsdecode(name))
    for more, counts in (((), "1 done"), (("--resume",), "0 done, 1 existed already")):
        assert batch(path.parent, tmp_path / "out", *more) == 0
        assert capsys.readouterr().out.startswith(counts)
    assert os.listdir(os.fsencode(tmp_path / "out")).count(name) == 1
    (line,) = (tmp_path / "out" / NAME).read_bytes().decode().split("\n")[:-1]
    assert json.loads(line)["source"] == path.name, "valid JSON in UTF-8"
    for report in ("--json", "--html"):
        assert main(["data", str(path.parent), report, str(tmp_path / report)]) == 0
        (tmp_path / report).read_bytes().decode()
    assert main(["evaluate", "--hr", str(path.parent), "--approach", "bicubic", "--json", str(tmp_path / "e")]) == 0
    assert main(["upscale", "--approach", "bicubic", "--out", str(tmp_path / "one"), "--", str(path)]) == 0


def test_4_a_manifest_of_an_earlier_version_with_bytes_outside_utf8_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = image(tmp_path / "in" / os.fsdecode(b"caf\xe9.png"))
    assert batch(path.parent, tmp_path / "out") == 0
    manifest = tmp_path / "out" / NAME
    manifest.write_bytes(manifest.read_bytes().replace(b"\\udce9", b"\xe9"))
    assert batch(path.parent, tmp_path / "out", "--resume") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 done, 1 existed already")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_5_output_that_is_not_utf8(tmp_path: Path, encoding: str) -> None:
    files = [image(tmp_path / name) for name in ("1写真.png", "2.png", os.fsdecode(b"3\xe9.png"))]
    done = subprocess.run(
        [sys.executable, "-m", "sr_demo", "upscale", *map(str, files), "--approach", "bicubic", "--out", tmp_path / "out"],
        cwd=ROOT, capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout.splitlines()) == 3 and rb"1\u5199\u771f_bicubic.png" in done.stdout
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_6_results_above_the_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image(tmp_path / "raw" / "a.png")
    assert batch(tmp_path / "raw", tmp_path) == 0
    assert batch(tmp_path / "raw", tmp_path, "--resume", "--recursive") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 done, 1 existed already")
    assert read(tmp_path / "a.png").rgb.shape[0] == 32


def test_8_shadow_files_and_hidden_folders_are_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image(tmp_path / "in" / "a.png", 16)
    (tmp_path / "in" / "._a.png").write_bytes(b"\0\5\x16\7" + bytes(100))
    image(tmp_path / "in" / ".thumbnails" / "a.png")
    assert main(["evaluate", "--hr", str(tmp_path / "in"), "--approach", "bicubic"]) == 0
    assert batch(tmp_path / "in", tmp_path / "out", "--recursive") == 0
    assert "1 done, 0 existed already, 0 skipped, 2 hidden files left out" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "out").rglob("*.png")] == ["a.png"]


@pytest.mark.parametrize("command", ["list", "upscale"])
def test_9_neither_a_home_nor_a_user_name(tmp_path: Path, command: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("HOME", "SR_DEMO_CACHE", "USER", "LOGNAME")
    }
    more = [str(image(tmp_path / "a.png")), "--approach", "bicubic", "--out", str(tmp_path)] * (command == "upscale")
    (tmp_path / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", HOMELESS, command, *more], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
        env={**environment, "TMPDIR": str(tmp_path / "tmp")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "This user has no home folder, so nothing is kept between runs. SR_DEMO_CACHE names a folder to keep it in."
    ]
    assert not [path for path in (tmp_path / "tmp").iterdir() if path.name.startswith("sr_demo")], "nothing is left"
    assert not (ROOT / "~").exists()


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("nope.png", "nope.png is not there. Check the name, or choose the file again."),
        (
            "in",
            "in is a folder, and this command takes files. `python -m sr_demo batch in --out DIR` enlarges all pictures",
        ),
        ("*.tif", "*.tif matches no file in "),
    ],
)
def test_what_is_no_file_is_one_clear_sentence(
    tmp_path: Path, argument: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["upscale", argument, str(image("a.png")), "--approach", "bicubic", "--out", "out"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"sr_demo: {sentence}") and len(said.err.splitlines()) == 1
    assert len(said.out.splitlines()) == 1, "the other file is done"


def test_patterns_that_a_shell_left_are_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png", "[c].png"):
        image(name)
    assert main(["upscale", "?.png", "[c].png", "--approach", "bicubic", "--out", "out"]) == 0
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == ["[c]_bicubic.png", "a_bicubic.png", "b_bicubic.png"]


def test_a_batch_of_a_file_names_the_other_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert batch(image(tmp_path / "a.png"), tmp_path / "out") == 2
    assert "a.png is a file, and `batch` takes a folder. `upscale` takes files." in capsys.readouterr().err


def test_notes_are_printed_once_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "b.jpg"):
        Pillow.new("CMYK", (32, 32), (10, 20, 30, 40)).save(tmp_path / "in" / name)
    note = "The colours were converted from CMYK without a colour profile: they are approximate."
    assert main(["upscale", str(tmp_path / "in" / "a.jpg"), "--approach", "bicubic", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().err == f"sr_demo: a.jpg: {note}\n"
    assert batch(tmp_path / "in", tmp_path / "out") == 0
    assert capsys.readouterr().err == f"sr_demo: a.jpg and 1 more: {note}\n"
    assert [json.loads(line)["notes"] for line in (tmp_path / "out" / NAME).read_text().splitlines()] == [[note]] * 2
    report = tmp_path / "r.json"
    command = [
        "evaluate",
        "--hr",
        str(tmp_path / "in"),
        "--approach",
        "bicubic",
        "--approach",
        "lanczos",
        "--json",
        str(report),
    ]
    assert main(command) == 0
    assert capsys.readouterr().err.splitlines() == [f"sr_demo: {name}: {note}" for name in ("a.jpg", "b.jpg")]
    assert [row["notes"] for row in json.loads(report.read_text())] == [[f"a.jpg: {note}", f"b.jpg: {note}"]] * 2
