"""Sweeping removes what killed servers left, and nothing of living servers, other users or other programs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from sr_demo.system import scratch

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys, time; from pathlib import Path
from sr_demo.system.scratch import Scratch
made = Scratch(Path(sys.argv[1]))
(made.path / "result.png").write_bytes(b"x")
print(made.path, flush=True); time.sleep(60)
"""


def other_server(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(parent)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def left_by_a_dead_server(parent: Path, name: str = "sr_demo_results_abcd_123") -> Path:
    folder = parent / name
    folder.mkdir()
    (folder / ".lock").touch()
    (folder / "result.png").write_bytes(b"x")
    return folder


def test_a_living_servers_folder_stays_and_a_killed_ones_goes(tmp_path: Path) -> None:
    process, folder = other_server(tmp_path)
    try:
        assert folder.parent == tmp_path
        assert scratch.sweep(tmp_path) == []
        assert (folder / "result.png").exists()
    finally:
        end(process)
    assert scratch.sweep(tmp_path) == [folder]
    assert list(tmp_path.iterdir()) == []


def test_a_server_does_not_sweep_its_own_folder(tmp_path: Path) -> None:
    own = scratch.Scratch(tmp_path)
    assert scratch.sweep(tmp_path) == []
    own.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_cleaned_away_is_held_again(tmp_path: Path) -> None:
    own = scratch.Scratch(tmp_path)
    scratch._remove(own.path)
    own.restore()
    assert scratch.sweep(tmp_path) == [] and own.path.is_dir()
    own.remove()


def test_links_are_neither_followed_nor_removed(tmp_path: Path) -> None:
    parent, elsewhere = tmp_path / "tmp", tmp_path / "elsewhere"
    parent.mkdir()
    target = left_by_a_dead_server(tmp_path, "elsewhere")
    (parent / "sr_demo_results_abcd1234").symlink_to(target)
    dead = left_by_a_dead_server(parent)
    (dead / "link").symlink_to(elsewhere)
    assert scratch.sweep(parent) == [dead]
    assert (elsewhere / "result.png").exists() and (parent / "sr_demo_results_abcd1234").is_symlink()


def test_another_users_folder_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = left_by_a_dead_server(tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    assert scratch.sweep(tmp_path) == [] and folder.exists()


@pytest.mark.parametrize("name", ["sr_demo_results", "sr_demo_results_of_monday", "sr_demo_photos_abcdefgh", "gradio"])
def test_what_only_looks_like_ours_is_not_touched(tmp_path: Path, name: str) -> None:
    folder = left_by_a_dead_server(tmp_path, name)
    assert scratch.sweep(tmp_path) == [] and folder.exists()


def test_a_folder_of_an_earlier_version_goes_after_a_day(tmp_path: Path) -> None:
    for name, age in (("sr_demo_results_aaaaaaaa", 3600.0), ("sr_demo_results_bbbbbbbb", 25 * 3600.0)):
        (tmp_path / name).mkdir()
        then = time.time() - age
        os.utime(tmp_path / name, (then, then))
    assert [path.name for path in scratch.sweep(tmp_path)] == ["sr_demo_results_bbbbbbbb"]


def test_unfinished_files_of_the_cache_go_unless_their_writer_lives(tmp_path: Path) -> None:
    weights, networks = tmp_path / "weights" / "0f", tmp_path / "engines"  # words: ok
    for folder in (weights, networks):
        folder.mkdir(parents=True)
        (folder / ".lock").touch()
    (weights / ".part-0123abcd").mkdir()
    (weights / ".part-0123abcd" / "half.pth").write_bytes(b"half")
    (weights / "whole.pth").write_bytes(b"whole")
    (networks / "abc.123.part").mkdir()
    resumed = tmp_path / "memories" / "named" / ".building-photos"
    resumed.mkdir(parents=True)
    with FileLock(networks / ".lock"):
        assert scratch.sweep_cache(tmp_path) == [weights / ".part-0123abcd"]
    assert (networks / "abc.123.part").exists()
    assert scratch.sweep_cache(tmp_path) == [networks / "abc.123.part"]
    assert (weights / "whole.pth").exists() and resumed.exists()


def test_a_build_is_held_while_it_lasts(tmp_path: Path) -> None:
    build = tmp_path / "memories" / f".building-{'0' * 16}-01234567"
    build.mkdir(parents=True)
    with scratch.held(build):
        assert scratch.sweep_cache(tmp_path) == []
    assert list(build.iterdir()) == []
    (build / ".lock").touch()
    assert scratch.sweep_cache(tmp_path) == [build]


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    with pytest.raises(scratch.StorageError, match=r"No temporary folder can be created in .*: .*\. Make room there"):
        scratch.Scratch(tmp_path / "missing")
    assert scratch.sweep(tmp_path / "missing") == scratch.sweep_cache(tmp_path / "missing") == []
