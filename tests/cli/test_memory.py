"""`memory build|list|ask|delete` with real photos at small sizes: resumable, complete or absent, equal on all executors."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from skimage import data

from sr_demo.approaches.mosaic import batch_search, database_build, named_databases, patch_database, shards, upscalers
from sr_demo.approaches.mosaic.build_plan import BuildRequest
from sr_demo.approaches.mosaic.executors import LocalExecutor, RayExecutor
from sr_demo.approaches.mosaic.options import MosaicOptions
from sr_demo.approaches.mosaic.shards import Recipe
from sr_demo.cli import main
from sr_demo.errors import BadInput, Cancelled, StorageError
from sr_demo.hub import datasets
from sr_demo.image import readonly
from sr_demo.progress import SILENT, Progress
from tests.conftest import flip_bit

ROOT = Path(__file__).resolve().parents[2]
TILES = Recipe("tiles", patch=8, patches=4000)
REFINED = Recipe("refined", patches=4000)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Ten crops: two shards."""
    folder = tmp_path_factory.mktemp("photos")
    source = np.concatenate([data.coffee()[:400, :600], data.astronaut()[:400, :500]], axis=1)
    files = []
    for number in range(10):
        top, left = divmod(number, 5)
        crop = source[top * 160 : top * 160 + 128, left * 210 : left * 210 + 160]
        files.append(folder / f"{number}.png")
        Pillow.fromarray(crop).save(files[-1])
    return tuple(files)


def request(files: Sequence[Path], name: str = "mine", recipe: Recipe = TILES) -> BuildRequest:
    return BuildRequest(name, tuple(files), recipe, "a folder")


def content(place: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(place.iterdir()) if file.name != "memory.json"}


@pytest.mark.parametrize("recipe", [TILES, REFINED], ids=lambda r: r.kind)
def test_a_built_database_is_listed_used_and_deleted(photos: tuple[Path, ...], recipe: Recipe) -> None:
    database = database_build.build_named_database(request(photos, recipe=recipe), LocalExecutor(), SILENT).database
    assert [e.name for e in named_databases.list_databases()] == ["mine"]
    assert (database.kind, database.photos, database.index) == (recipe.kind, 10, "Flat")
    assert 0.3 * recipe.patches < database.patches <= 1.01 * recipe.patches
    opened = upscalers.shared_database(database.place)
    np.testing.assert_array_equal(opened.hr(3), np.asarray(Pillow.open(photos[3])))
    image = readonly(np.asarray(opened.lr(5) / 255, np.float32))
    options = MosaicOptions(leave_out=False, overlap=0, variety=0)
    if recipe.kind == "tiles":
        matches = upscalers.TileMosaic(opened, name="mine").match(image, options, SILENT)
        assert matches.distance.max() < 1e-3
        assert {matches.sources[i] for i in matches.photo.ravel()} == {"5.png"}
    else:
        result = upscalers.RefinedRetrieval(opened, name="mine").upscale(image, options, SILENT)
        assert result.shape == (128, 160, 3)
        assert len(named_databases.open_residuals(database).codes) == database.patches
    named_databases.delete("mine")
    assert named_databases.list_databases() == []
    assert [path.name for path in named_databases.folder().iterdir()] == []
    with pytest.raises(BadInput, match="no memory 'mine'"):
        named_databases.delete("mine")


def test_a_long_name_is_cut_in_the_message() -> None:
    with pytest.raises(BadInput, match=r"like photos-2024; 'A{59}…' does not"):
        named_databases.find("A" * 50_000)


@pytest.mark.parametrize("recipe", [TILES, REFINED], ids=lambda r: r.kind)
def test_a_loaded_method_uses_what_has_the_name_now(photos: tuple[Path, ...], recipe: Recipe) -> None:
    def built(files: Sequence[Path]) -> Any:
        place = database_build.build_named_database(
            request(files, recipe=recipe), LocalExecutor(), SILENT
        ).database.place
        kind = upscalers.TileMosaic if recipe.kind == "tiles" else upscalers.RefinedRetrieval
        return kind(upscalers.shared_database(place), name="mine")

    image = readonly(np.asarray(Pillow.open(photos[7]), np.float32)[:64, :64] / 255)
    options = MosaicOptions(leave_out=False)
    loaded = built(photos[:3])
    first = loaded.upscale(image, options, SILENT)
    named_databases.delete("mine")
    fresh = built(photos[5:])
    again = loaded.upscale(image, options, SILENT)
    assert (again != first).any()
    np.testing.assert_array_equal(again, fresh.upscale(image, options, SILENT))
    named_databases.delete("mine")
    with pytest.raises(BadInput, match="This memory no longer exists"):
        loaded.upscale(image, options, SILENT)


def test_a_stored_window_lies_at_its_stored_place(photos: tuple[Path, ...]) -> None:
    database = database_build.build_named_database(request(photos, recipe=REFINED), LocalExecutor(), SILENT).database
    residuals, opened = named_databases.open_residuals(database), patch_database.open_database(database.place)
    assert opened is not None
    from sr_demo.approaches.mosaic.windows import luma
    from sr_demo.imaging.resize import downscale

    for number in np.flatnonzero(residuals.places[:, 1] == 0)[::400]:
        photo, _, y, x = residuals.places[number]
        small = downscale(luma(patch_database.as_floats(np.array(opened.hr(photo)))), 4)
        found, distance = residuals.ranked(small[y : y + 7, x : x + 7].reshape(49), 3)
        assert number in found
        assert distance[0] < 1e-4


@pytest.mark.parametrize(
    ("recipe", "name"),
    [(TILES, "hr.u8"), (TILES, "index.faiss"), (REFINED, "codes.npy")],
)
def test_a_damaged_database_is_refused_and_built_again(photos: tuple[Path, ...], recipe: Recipe, name: str) -> None:
    wanted = request(photos[:2], "mended", recipe)
    database = database_build.build_named_database(wanted, LocalExecutor(), SILENT).database
    before = content(database.place)
    assert database_build.build_named_database(wanted, LocalExecutor(), SILENT).existed
    flip_bit(database.place / name)
    with pytest.raises(StorageError, match=r"The memory mended is damaged on this disk .*Build it again"):
        named_databases.open_index(database)
    with pytest.raises(StorageError, match="is damaged on this disk"):
        upscalers.shared_database(database.place)
    assert not database_build.build_named_database(wanted, LocalExecutor(), SILENT).existed
    assert content(database.place) == before
    named_databases.open_index(database)
    named_databases.delete("mended")


def test_a_database_of_an_earlier_version_has_no_checksums_and_is_used(photos: tuple[Path, ...]) -> None:
    database = database_build.build_named_database(request(photos, "old"), LocalExecutor(), SILENT).database
    card = json.loads((database.place / "memory.json").read_text())
    del card["sha256"], card["files"]
    (database.place / "memory.json").write_text(json.dumps(card))
    assert upscalers.shared_database(database.place).photos
    assert named_databases.open_index(database).ntotal == database.patches
    named_databases.delete("old")


def test_the_number_of_threads_does_not_change_a_byte(photos: tuple[Path, ...]) -> None:
    for recipe in (TILES, REFINED):
        one = database_build.build_named_database(request(photos, "one", recipe), LocalExecutor(1), SILENT).database
        four = database_build.build_named_database(request(photos, "four", recipe), LocalExecutor(4), SILENT).database
        assert content(one.place) == content(four.place)
        named_databases.delete("one")
        named_databases.delete("four")


def test_a_killed_build_is_not_listed_and_is_resumed(
    photos: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real kill -9 of the real command, after the first part was finished."""
    slow = (
        "import sys, time\n"
        "from sr_demo.approaches.mosaic import shards\n"
        "real = shards.embed_shard\n"
        "def embed_shard(shard):\n"
        "    if shard.number: time.sleep(60)\n"
        "    return real(shard)\n"
        "shards.embed_shard = embed_shard\n"
        "from sr_demo.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    arguments = ["memory", "build", str(photos[0].parent), "--out", "mine", "--patches", "4000"]
    process = subprocess.Popen([sys.executable, "-c", slow, *arguments], cwd=ROOT, env={**os.environ})
    beside = named_databases.folder() / f"{named_databases.BUILDING}mine"
    deadline = time.monotonic() + 60
    while not (beside / "shard-000000.npz").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert named_databases.list_databases() == []
    with pytest.raises(BadInput, match="no memory"):
        named_databases.find("mine")
    done: list[int] = []
    real = shards.embed_shard

    def counted(shard: shards.Shard) -> bytes:
        done.append(shard.number)
        return real(shard)

    monkeypatch.setattr(shards, "embed_shard", counted)
    assert main.main(arguments) == 0
    assert done == [1]
    assert named_databases.find("mine").photos == 10
    whole = database_build.build_named_database(
        BuildRequest("again", photos, TILES, "a folder"), LocalExecutor(), SILENT
    ).database
    for name in ("hr.u8", "places.npy", "index.faiss"):
        assert (whole.place / name).read_bytes() == (named_databases.find("mine").place / name).read_bytes()


def test_a_build_killed_while_merging_is_resumed(photos: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(database_build, "_write_index", killed)
        with pytest.raises(KeyboardInterrupt):
            database_build.build_named_database(request(photos), LocalExecutor(), SILENT)
    assert named_databases.list_databases() == []
    built = database_build.build_named_database(request(photos), LocalExecutor(), SILENT)
    assert built.resumed == 2
    assert built.database.photos == 10


def test_a_stopped_build_keeps_finished_shards_and_is_not_listed(photos: tuple[Path, ...]) -> None:
    def stop(fraction: float, note: str) -> None:
        if note.startswith("part 1"):
            raise Cancelled

    with pytest.raises(Cancelled):
        database_build.build_named_database(request(photos), LocalExecutor(1), Progress(stop))
    assert named_databases.list_databases() == []
    assert database_build.build_named_database(request(photos), LocalExecutor(), SILENT).resumed == 1


def test_an_interrupted_delete_leaves_nothing_that_blocks_the_next_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, remove = named_databases.folder(), shutil.rmtree

    def interrupted(path: Path, **_: object) -> None:
        monkeypatch.setattr(shutil, "rmtree", remove)
        raise KeyboardInterrupt

    for name in ("mine", ".building-mine.gone", "mine"):
        (folder / name).mkdir(parents=True)
        (folder / name / "hr.u8").touch()
        monkeypatch.setattr(shutil, "rmtree", interrupted)
        assert main.main(["memory", "delete", "mine"]) == 130
        assert list(folder.iterdir()) == []
    for name in ("mine", ".building-mine", ".building-mine.gone"):
        (folder / name).mkdir(parents=True)
        (folder / name / "hr.u8").touch()
    assert main.main(["memory", "delete", "mine"]) == 0
    assert list(folder.iterdir()) == []
    assert main.main(["memory", "delete", "mine"]) == 2
    assert "no memory 'mine'" in capsys.readouterr().err


def test_other_photos_under_the_same_name_restart_an_unfinished_build_and_are_refused_after_it(
    photos: tuple[Path, ...],
) -> None:
    with pytest.raises(Cancelled):
        database_build.build_named_database(request(photos), LocalExecutor(1), Progress(lambda _, note: _stop_at(note)))
    built = database_build.build_named_database(request(photos[:9]), LocalExecutor(), SILENT)
    assert (built.resumed, built.database.photos) == (0, 9)
    assert database_build.build_named_database(request(photos[:9]), LocalExecutor(), SILENT).existed
    with pytest.raises(BadInput, match="already"):
        database_build.build_named_database(request(photos), LocalExecutor(), SILENT)


def _stop_at(note: str) -> None:
    if note.startswith("part 1"):
        raise Cancelled


def test_a_full_disk_is_reported_in_a_sentence_and_nothing_is_listed(
    photos: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(database_build, "_write", full)
        with pytest.raises(StorageError, match="disk is full"):
            database_build.build_named_database(request(photos), LocalExecutor(), SILENT)
    assert named_databases.list_databases() == []
    assert database_build.build_named_database(request(photos), LocalExecutor(), SILENT).database.photos == 10


def test_invalid_input_is_refused_with_a_sentence(
    tmp_path: Path, photos: tuple[Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    build = ["memory", "build", str(folder), "--out", "mine"]
    said = []
    for arguments in (
        build,
        [*build[:-1], "../up"],
        [*build, "--patch", "3"],
        ["memory", "build", "/none", "--out", "a"],
    ):
        assert main.main(arguments) == 2
        said.append(capsys.readouterr().err)
    assert "holds no pictures" in said[0]
    assert "lower-case letters" in said[1]
    assert "from 4 to 64" in said[2]
    assert "There is no folder /none" in said[3]
    Pillow.fromarray(np.zeros((20, 50, 3), np.uint8)).save(folder / "small.png")
    (folder / "text.png").write_text("no picture")
    assert main.main(build) == 2
    refused = capsys.readouterr().err
    assert "small.png is 48 x 20 pixels large, and one patch needs 32 x 32" in refused
    assert "text.png is not a picture" in refused
    assert not named_databases.folder().exists() or named_databases.list_databases() == []
    Pillow.open(photos[0]).save(folder / "good.png")
    assert main.main(build) == 0
    captured = capsys.readouterr()
    assert captured.err.count("left out") == 2
    assert "1 photos" in captured.out


def test_photos_are_downscaled_but_never_below_the_size_of_a_patch(photos: tuple[Path, ...]) -> None:
    for factor, sides in ((1, (128, 160)), (2, (64, 80)), (32, (32, 40))):
        assert shards.read_photo(photos[0], Recipe(shrink=factor)).shape[:2] == sides  # words: ok


def test_a_batch_search_finds_identical_patches(
    photos: tuple[Path, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = database_build.build_named_database(request(photos), LocalExecutor(), SILENT).database
    opened = patch_database.open_database(database.place)
    assert opened is not None
    small = tmp_path / "small"
    small.mkdir()
    Pillow.fromarray(opened.lr(4)).save(small / "four.png")
    (small / "bad.png").write_text("no picture")
    assert main.main(["memory", "ask", "mine", str(small), "--out", str(tmp_path / "out")]) == 2
    assert "bad.png" in capsys.readouterr().err
    with np.load(tmp_path / "out" / "four_1.npz") as found:
        assert found["numbers"].shape == (4, 5, 9)
        assert found["distances"][..., 0].max() < 1e-3
        nearest = np.load(database.place / "places.npy")[found["numbers"][..., 0]]
    assert (nearest[..., 0] == 4).all()
    assert nearest[2, 3].tolist() == [4, 16, 24]


def test_the_images_of_a_data_set_on_the_hub_are_searched(
    photos: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database_build.build_named_database(request(photos), LocalExecutor(), SILENT)
    image = tmp_path / "a.png"
    Pillow.new("RGB", (16, 16)).save(image)
    monkeypatch.setattr(datasets, "fetch", lambda name, *_: (image,) if name == "owner/name" else ())
    out = tmp_path / "out"
    assert main.main(["memory", "ask", "mine", "hf://datasets/owner/name", "--out", str(out)]) == 0
    assert len(list(out.iterdir())) == 1


def test_the_list_is_printed_as_json(photos: tuple[Path, ...], capsys: pytest.CaptureFixture[str]) -> None:
    database_build.build_named_database(request(photos), LocalExecutor(), SILENT)
    assert main.main(["memory", "list", "--json"]) == 0
    (database,) = json.loads(capsys.readouterr().out)
    assert (database["name"], database["photos"], database["patch"]) == ("mine", 10, 8)


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (requirements-ray.txt)")
@pytest.mark.timeout(600)
def test_ray_builds_and_finds_the_same_as_threads(photos: tuple[Path, ...], tmp_path: Path) -> None:
    """In a process of its own: Ray's workers and their warnings stay out of this one."""
    (tmp_path / "out").mkdir()
    code = (
        "import sys; from pathlib import Path\n"
        "from sr_demo.approaches.mosaic import batch_search, database_build\n"
        "from sr_demo.approaches.mosaic.build_plan import BuildRequest\n"
        "from sr_demo.approaches.mosaic.executors import RayExecutor\n"
        "from sr_demo.approaches.mosaic.shards import Recipe\n"
        "from sr_demo.progress import SILENT\n"
        "files = tuple(Path(f) for f in sys.argv[2:])\n"
        "for kind in ('tiles', 'refined'):\n"
        "    recipe = Recipe(kind, patches=4000)\n"
        "    request = BuildRequest('ray-' + kind, files, recipe, 'a folder')\n"
        "    built = database_build.build_named_database(request, RayExecutor(workers=2), SILENT)\n"
        "out = Path(sys.argv[1])\n"
        "list(batch_search.search_images(built.database, files[:2], 3, out, RayExecutor(workers=2), SILENT))\n"
    )
    out = tmp_path / "ray"
    out.mkdir()
    # Ray's default limit of 30 s for starting its agents is too short on a busy machine.
    patient = {**os.environ, "RAY_agent_register_timeout_ms": "300000"}
    subprocess.run(
        [sys.executable, "-c", code, str(out), *map(str, photos)], cwd=ROOT, env=patient, check=True, timeout=500
    )
    for recipe in (TILES, REFINED):
        here = database_build.build_named_database(
            request(photos, f"here-{recipe.kind}", recipe), LocalExecutor(), SILENT
        ).database
        there = named_databases.find(f"ray-{recipe.kind}")
        ours, theirs = content(here.place), content(there.place)
        assert ours == theirs
    list(batch_search.search_images(here, photos[:2], 3, tmp_path / "out", LocalExecutor(), SILENT))
    assert {f.name: f.read_bytes() for f in out.iterdir()} == {
        f.name: f.read_bytes() for f in (tmp_path / "out").iterdir()
    }


def test_missing_ray_is_reported_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from sr_demo.errors import MissingDependency
    from sr_demo.system import ray_cluster

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(ray_cluster, "import_module", missing)
    with pytest.raises(MissingDependency, match="requirements-ray"):
        list(RayExecutor().map(shards.embed_shard, [1], SILENT))


def test_a_file_name_that_is_no_unicode_is_a_photo_like_any_other(tmp_path: Path, photos: tuple[Path, ...]) -> None:
    photo = tmp_path / os.fsdecode(b"caf\xe9.png")
    shutil.copy(photos[0], photo)
    built = database_build.build_named_database(request((photo,)), LocalExecutor(), SILENT)
    assert built.database.photos == 1
