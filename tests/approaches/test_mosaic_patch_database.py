"""Patch databases on disk: complete or absent, built once, read back unchanged; and the shared cache."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from PIL import Image as Pillow

from sr_demo.approaches.mosaic import duplicate_photos, patch_database, photos, upscalers
from sr_demo.approaches.mosaic.shared_cache import SharedCache
from sr_demo.errors import BadInput, Cancelled, StorageError
from sr_demo.image import readonly
from sr_demo.progress import SILENT, Progress
from tests.conftest import flip_bit


def photo(folder: Path, name: str = "a.png", size: tuple[int, int] = (48, 64), seed: int = 0) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    path = folder / name
    Pillow.fromarray(pixels).save(path)
    return path


def test_hr_is_the_photo_and_lr_a_quarter_of_its_size(tmp_path: Path) -> None:
    path = photo(tmp_path, size=(50, 67))
    built = patch_database.build_database([path], tmp_path / "memories", SILENT)
    expected = np.asarray(Pillow.open(path))[:48, :64]
    np.testing.assert_array_equal(built.hr(0), expected)
    assert built.lr(0).shape == (12, 16, 3)
    np.testing.assert_allclose(built.lr(0).mean(), expected.mean(), atol=1.0)
    assert isinstance(built.hr(0).base, np.memmap)
    assert not built.hr(0).flags.writeable


def test_several_photos_keep_their_order_and_size(tmp_path: Path) -> None:
    files = [photo(tmp_path, f"{i}.png", (16 + 4 * i, 20), i) for i in range(3)]
    built = patch_database.build_database(files, tmp_path / "memories", SILENT)
    for i, path in enumerate(files):
        np.testing.assert_array_equal(built.hr(i), np.asarray(Pillow.open(path)))
        assert built.photos[i].name == path.name


def test_the_second_time_it_is_opened_not_built(tmp_path: Path) -> None:
    path = photo(tmp_path)
    first = patch_database.build_database([path], tmp_path / "memories", SILENT)
    stopped = Event()
    stopped.set()
    again = patch_database.build_database([path], tmp_path / "memories", Progress(stop=stopped))
    assert again.key == first.key


def test_other_photos_give_another_database(tmp_path: Path) -> None:
    one = patch_database.build_database([photo(tmp_path, seed=1)], tmp_path / "memories", SILENT)
    two = patch_database.build_database([photo(tmp_path, seed=2)], tmp_path / "memories", SILENT)
    assert one.key != two.key


def test_a_stopped_build_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "memories"
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        patch_database.build_database([photo(tmp_path)], folder, Progress(stop=stop))
    assert list(folder.iterdir()) == []


def test_a_killed_build_leaves_no_database_and_the_next_one_works(tmp_path: Path) -> None:
    files = [photo(tmp_path, f"{i}.png", seed=i) for i in range(2)]
    folder = tmp_path / "memories"
    code = (
        "import sys, time; from pathlib import Path\n"
        "from sr_demo.approaches.mosaic import patch_database\n"
        "from sr_demo.progress import Progress\n"
        "def hang(fraction, note):\n"
        "    if fraction > 0: print('half', flush=True); time.sleep(60)\n"
        "patch_database.build_database([Path(f) for f in sys.argv[2:]], Path(sys.argv[1]), Progress(hang))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder), *map(str, files)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    left = list(folder.iterdir())
    assert len(left) == 1
    assert left[0].name.startswith(".building-")
    assert patch_database.open_database(left[0]) is None

    built = patch_database.build_database(files, folder, SILENT)
    assert [entry.name for entry in folder.iterdir()] == [built.key]


@pytest.mark.parametrize("defect", ["cut", "no card", "old format"])
def test_a_corrupt_database_is_built_again(tmp_path: Path, defect: str) -> None:
    path = photo(tmp_path)
    place = tmp_path / "memories" / patch_database.build_database([path], tmp_path / "memories", SILENT).key
    if defect == "cut":
        (place / "hr.u8").write_bytes((place / "hr.u8").read_bytes()[:-1])
    elif defect == "no card":
        (place / "memory.json").unlink()
    else:
        card = (place / "memory.json").read_text()
        (place / "memory.json").write_text(card.replace('"format": 1', '"format": 0'))
    assert patch_database.open_database(place) is None
    built = patch_database.build_database([path], tmp_path / "memories", SILENT)
    np.testing.assert_array_equal(built.hr(0), np.asarray(Pillow.open(path)))


@pytest.mark.parametrize("name", ["hr.u8", "lr.u8", "memory.json"])
def test_a_flipped_bit_is_found_and_the_database_built_again(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = photo(tmp_path)
    first = patch_database.build_database([path], tmp_path / "memories", SILENT)
    before = [np.array(first.hr(0)), np.array(first.lr(0))]
    flip_bit(tmp_path / "memories" / first.key / name)
    second = patch_database.build_database([path], tmp_path / "memories", SILENT)
    for expected, found in zip(before, (second.hr(0), second.lr(0)), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert [f"{name} is damaged" in record.getMessage() for record in caplog.records] == [True], "one line"


def test_a_visitors_damaged_database_is_a_sentence(tmp_path: Path) -> None:
    place = tmp_path / "memories" / patch_database.build_database([photo(tmp_path)], tmp_path / "memories", SILENT).key
    flip_bit(place / "lr.u8")
    with pytest.raises(StorageError, match=r"The memory is damaged on this disk \(lr\.u8\)"):
        upscalers.shared_database(place)


def test_two_simultaneous_builders_give_one_database(tmp_path: Path) -> None:
    path = photo(tmp_path)
    inside, go = Event(), Event()
    results: list[patch_database.PatchDatabase] = []

    def wait(fraction: float, note: str) -> None:
        inside.set()
        go.wait(10)

    slow = Thread(
        target=lambda: results.append(patch_database.build_database([path], tmp_path / "memories", Progress(wait)))
    )
    slow.start()
    assert inside.wait(10)
    results.append(patch_database.build_database([path], tmp_path / "memories", SILENT))
    go.set()
    slow.join(10)
    assert len(results) == 2
    np.testing.assert_array_equal(results[0].hr(0), results[1].hr(0))
    assert len(list((tmp_path / "memories").iterdir())) == 1


def test_files_that_are_no_image_or_too_small_are_refused_with_a_sentence(tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("not a picture")
    with pytest.raises(BadInput, match=r"notes\.png"):
        patch_database.build_database([text], tmp_path / "memories", SILENT)
    with pytest.raises(BadInput, match="16 x 16"):
        patch_database.build_database([photo(tmp_path, size=(15, 200))], tmp_path / "memories", SILENT)
    assert list((tmp_path / "memories").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        patch_database.build_database([photo(tmp_path)], tmp_path / "file" / "memories", SILENT)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("evicted", [False, True])
def test_photos_of_a_removed_folder_leave_memory_and_those_of_others_stay(tmp_path: Path, evicted: bool) -> None:
    """Two visitors have the same photos. An index may be held longer than the database that it was made of."""

    def used(visitor: Path) -> None:
        place = visitor / "memory" / patch_database.build_database([path], visitor / "memory", SILENT).key
        database = upscalers.shared_database(place)
        upscalers.TileMosaic(database).patch_index(8, 1, SILENT)
        upscalers.RefinedRetrieval(database).residuals(SILENT)
        duplicate_photos.overlapping_photos(database, readonly(np.zeros((8, 8, 3), np.float32)))

    def held(visitor: Path) -> tuple[list[str], list[int]]:
        caches = (upscalers._PATCH_INDEXES, upscalers._RESIDUALS, duplicate_photos._HASHES)
        mapped = {line.split()[5] for line in Path("/proc/self/maps").read_text().splitlines() if str(visitor) in line}
        counts = [sum(visitor in key[0].parents for key in cache._values._held) for cache in caches]
        return sorted(Path(name).name for name in mapped), counts

    path = photo(tmp_path)
    mine, other = tmp_path / "mine", tmp_path / "other"
    used(mine)
    used(other)
    everything = (["hr.u8", "lr.u8"], [1, 1, 1])
    if evicted:
        upscalers._DATABASES.drop(lambda place: True)
        everything = (["hr.u8"], [1, 1, 1])
    assert held(mine) == held(other) == everything
    shutil.rmtree(mine)
    upscalers.forget_below({mine})
    assert held(mine) == ([], [0, 0, 0]) and held(other) == everything
    upscalers.forget_below({other / "memory"})
    assert held(other) == ([], [0, 0, 0])


def test_the_bundled_photos_are_found_without_importing_skimage() -> None:
    assert len(photos.bundled()) >= 10
    assert photos.read_photo(photos.bundled()[0]).pixels.shape == (512, 512, 3)


def test_the_shared_cache_computes_a_value_once_for_many_threads() -> None:
    computed: list[int] = []
    cache: SharedCache[str, int] = SharedCache(2)

    def compute() -> int:
        time.sleep(0.05)
        computed.append(1)
        return len(computed)

    got: list[int] = []
    threads = [Thread(target=lambda: got.append(cache.get("k", compute, SILENT))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [1] * 6


def test_the_shared_cache_evicts_the_least_recently_used_value_and_holds_no_failures() -> None:
    cache: SharedCache[str, str] = SharedCache(2)

    def fail() -> str:
        raise Cancelled

    with pytest.raises(Cancelled):
        cache.get("a", fail, SILENT)
    for key in "abac":
        cache.get(key, lambda key=key: key, SILENT)
    assert cache.get("a", lambda: "anew", SILENT) == "a"
    assert cache.get("b", lambda: "anew", SILENT) == "anew"


def test_waiting_for_another_visitor_obeys_stop() -> None:
    cache: SharedCache[str, int] = SharedCache(2)
    inside, go, stop = Event(), Event(), Event()

    def compute() -> int:
        inside.set()
        go.wait(10)
        return 1

    thread = Thread(target=lambda: cache.get("k", compute, SILENT))
    thread.start()
    assert inside.wait(10)
    stop.set()
    with pytest.raises(Cancelled):
        cache.get("k", compute, Progress(stop=stop))
    go.set()
    thread.join(10)
