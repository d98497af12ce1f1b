"""Options of the mosaic (leave the same photo out, polish), matching in bands, restricted search, data sets on the Hub."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image as Pillow
from skimage import data

from sr_demo.approaches.mosaic import (
    duplicate_photos,
    faiss_index,
    named_databases,
    patch_database,
    patches,
    tile_matching,
    windows,
)
from sr_demo.approaches.mosaic.options import MosaicOptions
from sr_demo.approaches.mosaic.upscalers import RefinedRetrieval, TileMosaic
from sr_demo.catalogue import APPROACHES
from sr_demo.cli import main
from sr_demo.errors import BadInput
from sr_demo.image import Image, Limits, readonly
from sr_demo.imaging.resize import downscale, resize
from sr_demo.inference.runner import Runner
from sr_demo.metrics.full_reference import lr_consistency
from sr_demo.progress import SILENT
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.mosaic.databases import BUNDLED, VisitorDatabases
from sr_demo.ui.mosaic.layout import mosaic_tab
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests.hub_server import Files, HubServer


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> patch_database.PatchDatabase:
    folder = tmp_path_factory.mktemp("two")
    for name, pixels in {"cat.png": data.chelsea()[:256, :320], "cup.png": data.coffee()[:256, 100:420]}.items():
        Pillow.fromarray(pixels).save(folder / name)
    return patch_database.build_database([folder / "cat.png", folder / "cup.png"], folder / "memories", SILENT)


def lr(two: patch_database.PatchDatabase, photo: int) -> Image:
    return patch_database.as_floats(np.array(two.lr(photo)))


def test_the_same_photo_is_left_out_unless_the_option_is_off(two: patch_database.PatchDatabase) -> None:
    cat = lr(two, 0)
    plain = TileMosaic(two).match(cat, MosaicOptions(), SILENT)
    assert plain.left_out == ("cat.png",)
    assert {plain.sources[i] for i in plain.photo.ravel()} == {"cup.png"}
    copied = TileMosaic(two).match(cat, MosaicOptions(leave_out=False), SILENT)
    assert copied.left_out == ()
    assert (copied.photo == 0).mean() > 0.9
    retrieval = RefinedRetrieval(two, windows=3000)
    nearest, names = retrieval.predictor(cat, MosaicOptions(), SILENT)
    assert names == ("cat.png",)
    window = windows.luma(cat[20:27, 30:37]).reshape(49)
    numbers, _ = nearest.database.ranked(window, 9, nearest.excluded)
    assert (nearest.database.places[numbers, 0] == 1).all()


def test_other_sizes_and_jpeg_of_a_photo_are_recognised_and_other_images_are_not(
    two: patch_database.PatchDatabase,
) -> None:
    cat = patch_database.as_floats(data.chelsea()[:256, :320])
    file = io.BytesIO()
    Pillow.fromarray(data.chelsea()[:256, :320]).save(file, "JPEG", quality=40)
    versions = [
        cat,
        downscale(cat, 4),
        resize(cat, (150, 187)),
        patch_database.as_floats(np.asarray(Pillow.open(file))),
    ]
    assert [duplicate_photos.overlapping_photos(two, version) for version in versions] == [(0,)] * 4
    others = [
        patch_database.as_floats(p[:256, :320])
        for p in (data.astronaut(), data.coffee()[100:], data.chelsea()[:, ::-1])
    ]
    assert [duplicate_photos.overlapping_photos(two, other) for other in others] == [()] * 3


def test_a_database_of_the_input_alone_is_still_used(tmp_path: Path) -> None:
    Pillow.fromarray(data.chelsea()[:128, :160]).save(tmp_path / "cat.png")
    alone = patch_database.build_database([tmp_path / "cat.png"], tmp_path / "memories", SILENT)
    assert TileMosaic(alone).match(lr(alone, 0), MosaicOptions(), SILENT).left_out == ()


@pytest.mark.parametrize("factory", ["Flat", "IVF16,Flat"])
def test_a_search_among_allowed_vectors_is_exact(factory: str) -> None:
    rng = np.random.default_rng(0)
    vectors, queries = rng.random((1000, 8), np.float32), rng.random((50, 8), np.float32)
    built = faiss_index.build_index(vectors, faiss_index.IndexPlan("Flat", factory, 16 if factory != "Flat" else 0, 0))
    allowed = np.arange(1000) % 7 == 3
    _, found = faiss_index.search(built, queries, 4, allowed)
    few = np.flatnonzero(allowed)
    expected = np.argsort(((queries[:, None] - vectors[few]) ** 2).sum(axis=2), axis=1)[:, :4]
    np.testing.assert_array_equal(found, few[expected])


def test_all_lists_are_searched_where_the_probed_ones_hold_nothing_allowed() -> None:
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.random((500, 4), np.float32), 10 + rng.random((500, 4), np.float32)])
    built = faiss_index.build_index(vectors, faiss_index.IndexPlan("IVF,Flat", "IVF4,Flat", 1, 0))
    allowed = np.arange(1000) >= 500
    distances, found = faiss_index.search(built, vectors[:20], 1, allowed)
    assert (found >= 500).all()
    assert (distances > 100).all()


def test_bands_change_no_match_without_variety(two: patch_database.PatchDatabase) -> None:
    index = patches.index_patches(two, 8, 1, SILENT)
    image = tile_matching.padded(readonly(np.random.default_rng(0).random((70, 50, 3), np.float32)), 8, 4)
    whole, own = tile_matching.match_tiles(image, index, 4, 0.0, 0, SILENT)
    banded, banded_own = tile_matching.match_tiles(image, index, 4, 0.0, 0, SILENT, band=25)
    for name in ("photo", "y", "x", "rank"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(banded, name))
    np.testing.assert_allclose(own.mean, banded_own.mean, atol=1e-5)
    np.testing.assert_allclose(own.deviation, banded_own.deviation, atol=1e-5)


def test_a_band_takes_the_choices_above_it_into_account(two: patch_database.PatchDatabase) -> None:
    index = patches.index_patches(two, 8, 1, SILENT)
    flat = readonly(np.full((64, 64, 3), 0.4, np.float32))
    for band in (8, 64):
        matches, _ = tile_matching.match_tiles(flat, index, 8, 1.0, 0, SILENT, band=band)
        place = np.stack([matches.photo, matches.y, matches.x])
        repeated = (place[:, 1:] == place[:, :-1]).all(axis=0)
        assert repeated.mean() < 0.3, "independent bands would all begin with the same patches"


def test_the_candidates_of_a_large_image_take_no_more_memory(two: patch_database.PatchDatabase) -> None:
    """Beyond one band, working memory grows by what is stored for each tile: 60 bytes, not 600."""
    index = patches.index_patches(two, 8, 1, SILENT)
    peaks = []
    for height in (512, 2048):
        image = readonly(np.random.default_rng(0).random((height, 128, 3), np.float32))
        tracemalloc.start()
        tile_matching.match_tiles(image, index, 8, 0.3, 0, SILENT, band=512)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    more_tiles = (2048 - 512) // 8 * 16
    assert peaks[1] - peaks[0] < 200 * more_tiles


def test_polish_uses_the_tiling_rule_of_its_network() -> None:
    from sr_demo.approaches.mosaic import polish

    hat = next(approach for approach in APPROACHES if approach.id == "hat")
    assert hat.tiling_of(hat.checkpoint("tiny")) == polish._RULE


def test_polish_changes_the_mosaic_and_stays_consistent_with_it(two: patch_database.PatchDatabase) -> None:
    cat = lr(two, 0)[:24, :32]
    options = MosaicOptions(leave_out=False, colour=1.0)
    plain = TileMosaic(two).upscale(readonly(cat.copy()), options, SILENT)
    polished = TileMosaic(two).upscale(
        readonly(cat.copy()), MosaicOptions(leave_out=False, colour=1.0, polish=True), SILENT
    )
    assert polished.shape == plain.shape
    assert not np.array_equal(polished, plain)
    assert lr_consistency(polished, downscale(plain, 4)) > 30


def test_a_visitor_reaches_only_their_own_databases(two: patch_database.PatchDatabase, tmp_path: Path) -> None:
    mine, choice = VisitorDatabases().added(2, tmp_path)
    assert choice == "own:Yours, 2 photos"
    for stranger in (VisitorDatabases(), VisitorDatabases(made=3)):
        with pytest.raises(BadInput, match="not one of yours"):
            stranger.memory(choice)
        with pytest.raises(BadInput, match="not one of yours"):
            stranger.without(choice)
    with pytest.raises(BadInput, match="not one of yours"):
        mine.memory(f"own:{tmp_path}")
    for shared in (BUNDLED, "built:photos", "learned"):
        with pytest.raises(BadInput, match="only your own"):
            mine.without(shared)
    with pytest.raises(BadInput, match="lower-case"):
        mine.memory("built:../../secrets")


def test_a_database_that_is_gone_can_be_taken_off_the_list(tmp_path: Path) -> None:
    own, _ = VisitorDatabases().added(2, tmp_path / "gone")
    own, choice = own.added(3, tmp_path / "gone too")
    left = own.without(choice)
    assert list(left.places) == ["Yours, 2 photos"]


@pytest.mark.usefixtures("gradio_loops")
def test_a_database_that_is_deleted_while_another_is_built_does_not_come_back(tmp_path: Path) -> None:
    with gr.Blocks() as page:
        mosaic_tab(PageContext([], Runner(), Store(), Stops(), Limits()))
    named = {getattr(fn.fn, "__name__", ""): fn for fn in page.fns.values()}
    (own,) = (block for block in page.blocks.values() if isinstance(getattr(block, "value", None), VisitorDatabases))
    assert own not in named["build_database"].inputs, "what it is at the start is outdated at the end"
    assert own in named["select_built"].inputs and own in named["select_built"].outputs


@pytest.mark.hub
def test_a_data_set_on_the_hub_is_a_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def png(seed: int) -> bytes:
        file = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8)
        Pillow.fromarray(pixels).save(file, "PNG")
        return file.getvalue()

    photos = {"README.md": b"a data set", "hr/a.png": png(1), "hr/b.png": png(2)}
    files: Files = {"datasets/owner/photos": {**photos}, "datasets/owner/table": {"rows.parquet": b"x"}}
    with HubServer(files) as hub:
        hub.serve_client(monkeypatch, tmp_path)
        assert main.main(["memory", "build", "hf://datasets/owner/photos", "--out", "mine"]) == 0
        assert (named_databases.find("mine").photos, named_databases.find("mine").source) == (
            2,
            "hf://datasets/owner/photos",
        )
        refused = []
        for source in ("owner/table", "owner/none", "no-owner"):
            assert main.main(["memory", "build", source, "--hub", "--out", "other"]) == 2
            refused.append(capsys.readouterr().err)
    assert "no pictures as files (it holds .parquet)" in refused[0]
    assert "not on the Hub, or private" in refused[1]
    assert "named OWNER/NAME" in refused[2]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main.main(["memory", "build", "owner/photos", "--hub", "--out", "other"]) == 2
    assert "stay offline" in capsys.readouterr().err
