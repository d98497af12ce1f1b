"""Names of results: no file is replaced that the program did not make."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sr_demo.errors import BadInput, StorageError
from sr_demo.system.outputs import identities, new_files, refuse_existing, reserve_path, truncated_name


def keep(target: Path, text: str, **more: object) -> Path:
    with reserve_path(target, **more) as path:  # type: ignore[arg-type]
        path.write_text(text)
    return path


def test_a_file_that_exists_is_kept_and_the_result_gets_a_number(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("mine")
    (tmp_path / "a_2.png").symlink_to(tmp_path / "nowhere")
    assert keep(tmp_path / "a.png", "result").name == "a_3.png"
    assert (tmp_path / "a.png").read_text() == "mine" and not (tmp_path / "nowhere").exists()


def test_overwriting_spares_the_inputs_under_any_name(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    kept = identities([tmp_path / "link.png", tmp_path / "missing.png"])
    assert keep(tmp_path / "a.png", "result", kept=kept, overwrite=True).name == "a_2.png"
    assert keep(tmp_path / "b.png", "result", kept=kept, overwrite=True).name == "b.png"
    assert (tmp_path / "a.png").read_text() == "mine"


def test_a_result_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"), reserve_path(tmp_path / "a.png"):
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == []


def test_programs_at_the_same_time_choose_different_names(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: keep(tmp_path / "a.png", str(n)), range(40)))
    assert len(set(made)) == 40 and {path.read_text() for path in made} == {str(n) for n in range(40)}


@pytest.mark.parametrize("letter", ["m", "é", "写", "𝔞", "\udce9"])
def test_long_names_are_cut_between_characters(tmp_path: Path, letter: str) -> None:
    stem = os.fsdecode(os.fsencode(letter * 255)[: 255 // len(os.fsencode(letter)) * len(os.fsencode(letter))])
    for _ in range(3):
        path = keep(tmp_path / truncated_name(stem, "_bicubic.png"), "result")
        assert len(os.fsencode(path.name)) <= 255
        assert set(path.name.split("_")[0]) == {letter}
    assert len(list(tmp_path.iterdir())) == 3


def test_a_report_is_refused_before_the_work_and_leaves_nothing_when_that_fails(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.html"
    old.write_text("[1]")
    with pytest.raises(BadInput, match=r"old\.json exists already.*--overwrite"), new_files(new, old, None):
        raise AssertionError("worked")
    with new_files(new, old, overwrite=True):  # and nothing is written
        assert new.exists()
    assert old.read_text() == "[1]" and not new.exists()
    for place in (tmp_path / "no" / "r.json", tmp_path):
        with pytest.raises((StorageError, BadInput), match="cannot be written"), new_files(place):
            raise AssertionError("worked")


def test_devices_and_pipes_are_written_to_as_they_are(tmp_path: Path) -> None:
    with new_files(Path(os.devnull)):
        Path(os.devnull).write_text("report")
    refuse_existing([Path(os.devnull)], overwrite=False)
