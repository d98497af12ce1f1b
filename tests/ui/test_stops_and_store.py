"""Which run a Stop ends, and how long results stay on the disk."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

import gradio as gr
import pytest

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.approaches.mosaic import upscalers
from sr_demo.errors import StorageError, log_unexpected
from sr_demo.inference.runner import Runner
from sr_demo.settings import Settings
from sr_demo.ui import page
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


def test_a_run_yields_nothing_more_once_a_later_one_has_begun_and_leaves_that_one_its_flag():
    stops = Stops()
    first = stops.newest("me", lambda flag: iter(("one", flag)))
    assert next(first) == "one"
    second = stops.begin("me")
    assert [update == gr.skip() for update in first] == [True]
    stops.stop("me")
    assert second.is_set()


def test_the_end_of_an_old_run_does_not_take_the_flag_of_the_new_one() -> None:
    stops = Stops()
    first = stops.begin("me")
    second = stops.begin("me")
    stops.end("me", first)
    stops.stop("me")
    assert second.is_set()


def test_a_run_that_was_stopped_is_not_waited_for() -> None:
    stops = Stops()
    assert not stops.is_running("a")
    flag = stops.begin("a")
    assert stops.is_running("a") and not stops.is_running("b")
    stops.stop("a")
    assert flag.is_set() and not stops.is_running("a")


def test_a_run_that_is_superseded_yields_nothing_more() -> None:
    stops = Stops()
    run = stops.newest("me", lambda flag: iter(("one", "two")))
    assert next(run) == "one"
    stops.supersede("me")
    assert list(run) == [gr.skip()] and not stops.is_running("me")
    stops.supersede("unknown")


def test_stopping_a_finished_or_unknown_run_does_nothing() -> None:
    stops = Stops()
    flag = stops.begin("me")
    stops.end("me", flag)
    stops.stop("me")
    stops.stop("unknown")
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


MB = 2**20


def filled(folder: Path, megabytes: int, age: float) -> Path:
    (folder / "result.png").write_bytes(bytes(megabytes * MB))
    aged(folder, age)
    return folder


def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, megabytes: int) -> Store:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Store(kept_seconds=1000, max_bytes=megabytes * MB)


def test_the_oldest_go_first_until_the_rest_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = limited(tmp_path, monkeypatch, 3)
    folders = [filled(store.new(), 1, 500 - 100 * number) for number in range(4)]
    upload = store.root / "0123abcd"
    upload.mkdir()
    filled(upload, 1, 450)
    gone: list[set[Path]] = []
    store.on_removed = gone.append
    store.tidy()
    assert [folder.exists() for folder in folders] == [False, True, True, True]
    assert not upload.exists(), "uploads count as results do, by age"
    assert gone == [{folders[0], upload}]


@pytest.mark.usefixtures("gradio_loops")
def test_databases_in_a_removed_folder_are_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[set[Path]] = []
    monkeypatch.setattr(upscalers, "forget_below", forgotten.append)
    page.build_page([BICUBIC], Runner(), store, Settings())
    folder = store.new()
    aged(folder, 101)
    store.tidy()
    assert forgotten == [{folder}]


def test_what_a_running_request_writes_and_what_is_new_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = limited(tmp_path, monkeypatch, 1)
    with store.lent() as running:
        filled(running, 1, 5000)
        finished, fresh = filled(store.new(), 1, 400), filled(store.new(), 1, 1)
        store.tidy()
        assert running.exists() and fresh.exists() and not finished.exists()
    store.tidy()
    assert not running.exists() and fresh.exists()


def test_what_a_long_request_still_has_to_read_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = limited(tmp_path, monkeypatch, 1)
    used, other = store.root / "0123abcd", store.root / "4567cdef"
    for folder in (used, other):
        folder.mkdir()
        filled(folder, 1, 5000)
    files = [used / "result.png", tmp_path / "elsewhere.png"]
    with store.lent(files):
        with store.lent(files):
            pass
        store.tidy()
        assert used.exists() and not other.exists()
    store.tidy()
    assert not used.exists()


def test_uploads_lie_with_the_results_and_in_the_operators_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradio.utils import get_upload_folder, is_in_or_equal

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "mine" / "uploads"))
    store = Store()
    assert store.allowed_paths() == [str(store.folder)]
    store.lend_to_gradio()
    assert store.allowed_paths() == []
    assert store.root.parent == tmp_path / "mine" / "uploads"
    assert Path(get_upload_folder()) == store.root
    assert is_in_or_equal(store.new(), get_upload_folder()), "else Gradio copies every result"
    assert not is_in_or_equal(store.root / "0123abcd" / "upload.html", store.folder), (
        "uploads are not served as results"
    )


def test_a_full_disk_is_no_bug_wherever_it_comes_up() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    assert log_unexpected(full, "comparing").startswith("The server's disk is full")
    assert "reference" in log_unexpected(OSError(errno.EBADF, "Bad file descriptor"), "comparing")
