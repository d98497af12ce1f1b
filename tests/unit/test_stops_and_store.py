"""Whose work is stopped, and how long results lie on the disk."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

import pytest

from sr_demo.errors import StorageError
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store


def test_stop_reaches_the_session_that_pressed_it_and_no_other() -> None:
    stops = Stops()
    mine, yours = stops.begin("me"), stops.begin("you")
    stops.stop("me")
    assert mine.is_set() and not yours.is_set()


def test_a_new_run_stops_the_one_before_and_starts_fresh() -> None:
    stops = Stops()
    first = stops.begin("me")
    second = stops.begin("me")
    assert first.is_set() and not second.is_set()


def test_the_end_of_an_old_run_does_not_take_the_flag_of_the_new_one() -> None:
    stops = Stops()
    first = stops.begin("me")
    second = stops.begin("me")
    stops.end("me", first)
    stops.stop("me")
    assert second.is_set()


def test_a_finished_run_is_forgotten_and_stopping_nothing_is_fine() -> None:
    stops = Stops()
    flag = stops.begin("me")
    stops.end("me", flag)
    stops.stop("me")
    stops.stop("nobody")
    assert not flag.is_set()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Store(kept_seconds=100)


def aged(folder: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(folder, (then, then))


def test_folders_are_apart_private_and_not_to_be_guessed(store: Store) -> None:
    first, second = store.new(), store.new()
    assert first != second and first.parent == second.parent == store.folder
    assert list(first.iterdir()) == []
    assert len(first.name) >= 8
    assert stat.S_IMODE(store.folder.stat().st_mode) == stat.S_IMODE(first.stat().st_mode) == 0o700


def test_old_results_go_and_young_ones_stay(store: Store) -> None:
    old, young = store.new(), store.new()
    (old / "result.png").write_bytes(b"x")
    aged(old, 101)
    aged(young, 99)
    new = store.new()
    assert not old.exists() and young.exists() and new.exists()


def test_a_full_disk_is_a_sentence(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**where: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(StorageError, match="disk is full or cannot be written"):
        store.new()


def test_a_folder_that_vanished_meanwhile_is_nothing_to_fail_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two visitors start at the same moment: both sweep."""
    gone = store.new()
    aged(gone, 1000)
    real = Path.stat

    def vanishing(self: Path, **how: bool) -> os.stat_result:
        if self == gone:
            shutil.rmtree(gone, ignore_errors=True)
        return real(self, **how)

    monkeypatch.setattr(Path, "stat", vanishing)
    assert store.new().exists()


def test_a_cleaned_away_folder_comes_back(store: Store) -> None:
    shutil.rmtree(store.folder)
    assert store.new().is_dir()
