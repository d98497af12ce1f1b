"""Sweeping removes what killed servers left, and nothing of living servers, other users or other programs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from filelock import FileLock

from sr_demo.approaches.mosaic import named_databases
from sr_demo.system import scratch
from sr_demo.system.unfinished import in_progress

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


def test_a_folder_without_a_lock_goes_after_a_day(tmp_path: Path) -> None:
    for name, age in (("sr_demo_results_aaaaaaaa", 1), ("sr_demo_page_bbbbbbbb", 25), ("sr_demo_results_bbbbbbbb", 25)):
        (tmp_path / name).mkdir()
        aged(tmp_path / name, age)
    gone = ["sr_demo_page_bbbbbbbb", "sr_demo_results_bbbbbbbb"]
    assert [path.name for path in scratch.sweep(tmp_path)] == gone


def aged(folder: Path, hours: float) -> None:
    then = time.time() - 3600 * hours
    os.utime(folder, (then, then))


def test_unfinished_files_of_the_cache_go_and_finished_ones_stay(tmp_path: Path) -> None:
    weights = tmp_path / "weights" / "0f"
    (weights / ".part-0123abcd").mkdir(parents=True)
    (weights / ".lock").touch()
    (weights / ".part-0123abcd" / "half.pth").write_bytes(b"half")
    (weights / "whole.pth").write_bytes(b"whole")
    resumed = tmp_path / "memories" / "named" / ".building-photos"
    resumed.mkdir(parents=True)
    assert scratch.sweep_cache(tmp_path) == [weights / ".part-0123abcd"]
    assert (weights / "whole.pth").exists() and resumed.exists()


def test_on_a_disk_without_locks_the_lock_file_beside_decides_else_the_age(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "claimed", lambda path: nullcontext(None))
    networks = tmp_path / "engines"  # words: ok
    beside, young, old = networks / ".part-00000000", tmp_path / ".part-11111111", tmp_path / ".part-22222222"
    for folder in (beside, young, old):
        folder.mkdir(parents=True)
    (networks / ".lock").touch()
    aged(old, 25)
    with FileLock(networks / ".lock"):
        assert scratch.sweep_cache(tmp_path) == [old]
    assert scratch.sweep_cache(tmp_path) == [beside] and young.exists()


def test_a_named_memory_stays_whatever_its_name(tmp_path: Path) -> None:
    place = tmp_path / "memories" / "named" / named_databases.check_name("int8database")
    place.mkdir(parents=True)
    aged(place, 25)
    assert scratch.unfinished(tmp_path) == scratch.sweep_cache(tmp_path) == [] and place.exists()


def test_what_is_in_progress_stays_whatever_locks_lie_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "memories"
    folder.mkdir()
    for name, create in (
        (f".building-{'0' * 16}-01234567", Path.mkdir),
        (".part-01234567", Path.mkdir),
        (f".{'a' * 32}.part", Path.touch),
    ):
        with in_progress(folder / name, create) as path:
            assert scratch.sweep_cache(tmp_path) == [] and path.exists()
        assert list(folder.iterdir()) == []


WRITE = """
import sys, time; from pathlib import Path
from sr_demo.system.storage import unfinished_folder, write_atomically
def wait(part): print("writing", flush=True); time.sleep(60)
folder = Path(sys.argv[1])
with unfinished_folder(folder):
    write_atomically(folder / "auto.json", wait)
"""


def test_what_a_killed_writer_left_goes_at_once_though_others_work_beside_it(tmp_path: Path) -> None:
    """Also in a folder without a lock file, and in one whose lock another process holds."""
    free, taken = tmp_path / "engines" / "0f", tmp_path / "engines"  # words: ok
    free.mkdir(parents=True)
    (taken / ".lock").touch()
    for folder in (free, taken):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        assert len(scratch.unfinished(tmp_path)) == 2 and scratch.sweep_cache(tmp_path) == []
        end(process)
        with FileLock(taken / ".lock"):
            assert len(scratch.sweep_cache(tmp_path)) == 2
        assert scratch.unfinished(tmp_path) == []


ENDED = """
import sys, threading; from pathlib import Path
from sr_demo.system.storage import unfinished_folder
begun = threading.Event()
def work():
    with unfinished_folder(Path(sys.argv[1])) as part:
        (part / "half").write_bytes(b"half")
        begun.set()
        threading.Event().wait()
threading.Thread(target=work, daemon=True).start()
begun.wait()
"""


def test_a_process_that_ends_removes_what_its_threads_were_writing(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", ENDED, str(tmp_path)], cwd=ROOT, check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    with pytest.raises(scratch.StorageError, match=r"No temporary folder can be created in .*: .*\. Make room there"):
        scratch.Scratch(tmp_path / "missing")
    assert scratch.sweep(tmp_path / "missing") == scratch.sweep_cache(tmp_path / "missing") == []
