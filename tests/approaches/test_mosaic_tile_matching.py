"""The tile mosaic, with real database, index and pasting at small sizes."""

from __future__ import annotations

from dataclasses import replace
from threading import Event

import numpy as np
import pytest
from PIL import Image as Pillow
from skimage import data

from sr_demo.approaches import mosaic
from sr_demo.approaches.mosaic import faiss_index, pasting, patch_database, patches, tile_matching, upscalers
from sr_demo.approaches.mosaic.options import MosaicOptions
from sr_demo.approaches.mosaic.upscalers import TileMosaic
from sr_demo.errors import BadInput, Cancelled
from sr_demo.image import Image, readonly
from sr_demo.metrics.full_reference import psnr_rgb
from sr_demo.options import Options
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import Request


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> patch_database.PatchDatabase:
    folder = tmp_path_factory.mktemp("photos")
    crops = {"cat.png": data.chelsea()[60:188, 100:260], "cup.png": data.coffee()[100:228, 200:340]}
    for name, pixels in crops.items():
        Pillow.fromarray(pixels).save(folder / name)
    return patch_database.build_database([folder / name for name in crops], folder / "memories", SILENT)


def noise(height: int, width: int, seed: int = 0) -> Image:
    return readonly(np.random.default_rng(seed).random((height, width, 3), np.float32))


def as_image(pixels: np.ndarray) -> Image:
    return readonly(np.asarray(pixels / 255, np.float32))


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (17, 9), (32, 32)])
@pytest.mark.parametrize(("patch", "overlap"), [(4, 0), (5, 75), (8, 25), (16, 50)])
def test_any_size_gives_four_times_the_size(
    small: patch_database.PatchDatabase, size: tuple[int, int], patch: int, overlap: int
) -> None:
    result = TileMosaic(small).upscale(noise(*size), MosaicOptions(patch=patch, overlap=overlap), SILENT)
    assert result.shape == (size[0] * 4, size[1] * 4, 3)
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1
    assert not result.flags.writeable


@pytest.mark.parametrize("overlap", [0, 25, 50, 75])
@pytest.mark.parametrize("variety", [0.0, 1.0])
def test_an_image_that_is_in_the_database_is_rebuilt(
    small: patch_database.PatchDatabase, overlap: int, variety: float
) -> None:
    options = MosaicOptions(patch=8, overlap=overlap, colour=1.0, variety=variety)
    result = TileMosaic(small).upscale(as_image(small.lr(0)[:32, :32]), options, SILENT)
    assert psnr_rgb(result, as_image(small.hr(0)[:128, :128]), border=0) > 50


def test_the_same_seed_gives_the_same_mosaic_and_another_seed_another_one(small: patch_database.PatchDatabase) -> None:
    image = noise(48, 48)
    first, again, other = (
        TileMosaic(small).upscale(image, MosaicOptions(patch=4, variety=1.0, seed=seed), SILENT) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_colour_transfer_gives_a_patch_the_colour_of_its_tile(small: patch_database.PatchDatabase) -> None:
    orange = readonly(np.full((32, 32, 3), (0.9, 0.5, 0.1), np.float32))
    results = {c: TileMosaic(small).upscale(orange, MosaicOptions(colour=c), SILENT) for c in (0.0, 0.5, 1.0)}
    error = {c: float(np.abs(result - orange[0, 0]).mean()) for c, result in results.items()}
    assert np.abs(results[1.0].mean(axis=(0, 1)) - orange[0, 0]).max() < 0.005
    assert error[1.0] < error[0.5] < error[0.0]


@pytest.mark.parametrize(("patch", "step"), [(8, 8), (8, 6), (8, 4), (8, 2), (5, 1), (7, 3)])
def test_the_weights_of_overlapping_patches_sum_to_one(
    small: patch_database.PatchDatabase, patch: int, step: int
) -> None:
    """Patches of one colour give that colour everywhere, up to the edge, whatever their overlap."""
    image = tile_matching.padded(noise(23, 31), patch, step)
    index = patches.index_patches(small, patch, 1, SILENT)
    matches, own = tile_matching.match_tiles(image, index, step, 0.0, 0, SILENT)
    grey = tuple(np.full_like(photo, 51) for photo in matches.hr)
    result = pasting.paste(replace(matches, hr=grey), own, 0.0, SILENT)
    np.testing.assert_allclose(result, 0.2, atol=1e-5)


@pytest.mark.parametrize(("photos", "most", "stride"), [(1, 60_000, 1), (9, 1000, 5), (9, 10, 57), (11, 10, 57)])
def test_patches_lie_farther_apart_where_there_are_many_photos(photos: int, most: int, stride: int) -> None:
    """Where there are more photos than patches are allowed, each has one: there is no larger distance to search for."""
    found = patches.stride_for([(64, 64, 3), *[(40, 64, 3)] * (photos - 1)], 8, most)
    assert found == stride


def test_half_overlap_is_a_hann_window() -> None:
    weight = pasting.feather(8, 4)
    np.testing.assert_allclose(weight[:16] + weight[16:], 1, atol=1e-6)
    assert (pasting.feather(8, 8) == 1).all()


def test_variety_uses_more_different_patches(small: patch_database.PatchDatabase) -> None:
    flat = readonly(np.full((64, 64, 3), 0.4, np.float32))
    used = [TileMosaic(small).match(flat, MosaicOptions(variety=v, overlap=0), SILENT).distinct for v in (0.0, 1.0)]
    assert used[0] == 1
    assert used[1] >= 3


def test_variety_keeps_equal_patches_apart(small: patch_database.PatchDatabase) -> None:
    matches = TileMosaic(small).match(noise(64, 64), MosaicOptions(variety=1.0, overlap=0), SILENT)
    place = np.stack([matches.photo, matches.y, matches.x])
    assert (place[:, :, 1:] != place[:, :, :-1]).any(axis=0).all()
    assert (matches.rank > 0).any()


def test_a_match_names_the_patch_that_was_pasted(small: patch_database.PatchDatabase) -> None:
    image = as_image(small.lr(1))[:16, :16]
    options = MosaicOptions(patch=8, overlap=0, colour=0.0, variety=0.0)
    mosaic = TileMosaic(small)
    matches = mosaic.match(image, options, SILENT)
    assert matches.photo.shape == (2, 2)
    assert {matches.sources[i] for i in matches.photo.ravel()} == {"cup.png"}
    np.testing.assert_allclose(matches.distance, 0, atol=1e-4)
    assert matches.unknown().max() < 0.001
    assert matches.tile_at(15, 2) == (1, 0)
    y, x = 4 * matches.y[1, 0], 4 * matches.x[1, 0]
    np.testing.assert_array_equal(matches.pixels(1, 0), small.hr(1)[y : y + 32, x : x + 32])
    pasted = mosaic.upscale(image, options, SILENT)[32:64, 0:32]
    np.testing.assert_allclose(pasted, as_image(matches.pixels(1, 0)), atol=1e-6)


def test_tiles_unlike_everything_in_the_database_are_reported_as_unknown(small: patch_database.PatchDatabase) -> None:
    known = TileMosaic(small).match(as_image(small.lr(0)), MosaicOptions(overlap=0, leave_out=False), SILENT)
    unlike = TileMosaic(small).match(noise(32, 32), MosaicOptions(overlap=0), SILENT)
    assert known.unknown().mean() < 0.1 < unlike.unknown().mean()
    assert unlike.unknown().max() <= 1


@pytest.mark.parametrize(("spot", "tile"), [((0, 0), (0, 0)), ((4, 8), (0, 1)), ((31, 0), (3, 0)), ((99, 99), (3, 3))])
def test_a_pixel_belongs_to_the_tile_around_it(
    small: patch_database.PatchDatabase, spot: tuple[int, int], tile: tuple[int, int]
) -> None:  # fmt: skip
    matches = TileMosaic(small).match(noise(32, 32), MosaicOptions(overlap=0), SILENT)
    assert matches.tile_at(*spot) == tile


def test_fixed_variants_ignore_the_patch_size_option(small: patch_database.PatchDatabase) -> None:
    image = noise(40, 40)
    fixed = TileMosaic(small, 8).upscale(image, MosaicOptions(patch=16), SILENT)
    np.testing.assert_array_equal(fixed, TileMosaic(small).upscale(image, MosaicOptions(patch=8), SILENT))
    assert TileMosaic(small, 8).match(image, MosaicOptions(patch=16), SILENT).patch == 8


def test_patches_are_indexed_once(small: patch_database.PatchDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    first = TileMosaic(small).patch_index(9, 1, SILENT)
    monkeypatch.setattr(upscalers, "index_patches", None)
    assert TileMosaic(small).patch_index(9, 1, SILENT) is first


def test_photos_are_not_downscaled_below_the_size_of_a_patch(small: patch_database.PatchDatabase) -> None:
    index = patches.index_patches(small, 8, 32, SILENT)
    assert min(index.hr[0].shape[:2]) == 32
    result = TileMosaic(small).upscale(noise(24, 24), MosaicOptions(shrink=32), SILENT)  # words: ok
    assert result.shape == (96, 96, 3)


def test_patches_larger_than_every_photo_are_refused_with_a_sentence(small: patch_database.PatchDatabase) -> None:
    with pytest.raises(BadInput, match="256 pixels"):
        TileMosaic(small).upscale(noise(8, 8), MosaicOptions(patch=64), SILENT)


def test_stop_ends_the_mosaic(small: patch_database.PatchDatabase) -> None:
    stop = Event()

    def press(fraction: float, note: str) -> None:
        stop.set()

    with pytest.raises(Cancelled):
        TileMosaic(small).upscale(noise(64, 64), MosaicOptions(patch=4), Progress(press, stop))


def test_stop_takes_effect_between_batches(small: patch_database.PatchDatabase) -> None:
    seen: list[float] = []
    options = MosaicOptions(patch=4, overlap=0)
    TileMosaic(small).upscale(noise(256, 256), options, Progress(lambda fraction, note: seen.append(fraction)))
    assert sum(0.32 < fraction < 0.8 for fraction in seen) >= 2
    assert sum(fraction > 0.8 for fraction in seen) >= 64
    assert seen == sorted(seen)


def test_options_of_another_approach_are_refused(small: patch_database.PatchDatabase) -> None:
    with pytest.raises(BadInput):
        TileMosaic(small).upscale(noise(8, 8), Options(), SILENT)


@pytest.mark.parametrize(
    ("count", "budget", "kind"),
    [
        (99_999, 1 << 30, "Flat"),
        (100_000, 1 << 30, "IVF,Flat"),
        (1_000_000, 136_000_000, "IVF,Flat"),
        (1_000_000, 135_999_999, "IVF,SQ8"),
        (1_000_000, 39_999_999, "IVF,PQ"),
        (50_000, 1_000_000, "IVF,PQ"),
    ],
)
def test_the_index_follows_from_count_and_budget(count: int, budget: int, kind: str) -> None:
    plan = faiss_index.choose_index(count, 32, budget)
    assert plan.kind == kind
    assert plan.bytes <= budget
    assert bool(plan.gives_up) == (kind != "Flat")


@pytest.mark.parametrize("budget", [1 << 30, 100_000])
def test_inverted_indexes_find_what_exhaustive_search_finds(budget: int) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((4_000, 8), np.float32) @ rng.standard_normal((8, 8), np.float32)
    plan = faiss_index.choose_index(len(vectors), 8, budget, flat_below=1000)
    queries = vectors[::50] + 0.01
    exact = faiss_index.search(
        faiss_index.build_index(vectors, faiss_index.choose_index(len(vectors), 8, 1 << 30)), queries, 1
    )[1]
    distances, found = faiss_index.search(faiss_index.build_index(vectors, plan), queries, 5)
    recall = {"IVF,Flat": 0.95, "IVF,SQ8": 0.9, "IVF,PQ": 0.1}[plan.kind]
    assert (found[:, 0] == exact[:, 0]).mean() >= recall
    assert (np.diff(distances, axis=1) >= 0).all()


def test_features_hardly_change_with_brightness_and_contrast() -> None:
    base = noise(8, 8) * 0.4 + 0.3
    corner = np.zeros(1, np.int32)
    one, two = (patches.extract_features(readonly(image), corner, corner, 8) for image in (base, base * 0.5 + 0.1))
    np.testing.assert_allclose(one.features[:, :64], two.features[:, :64], atol=0.05)
    assert one.deviation[0] == pytest.approx(2 * two.deviation[0], rel=1e-4)
    np.testing.assert_allclose(one.mean[0], base.mean(axis=(0, 1)), rtol=1e-5)


def test_the_approach_builds_its_default_database_when_loaded() -> None:
    approach = mosaic.APPROACH
    assert approach.checkpoint().variant == "tiles"
    loaded = {
        name: approach.load(Request(approach.checkpoint(name), (), MosaicOptions(), "auto", SILENT))
        for name in ("tiles", "tiles-8", "tiles-64")
    }
    image = noise(70, 70)
    results = {name: upscaler.upscale(image, MosaicOptions(patch=12), SILENT) for name, upscaler in loaded.items()}
    assert all(result.shape == (280, 280, 3) for result in results.values())
    assert len({result.tobytes() for result in results.values()}) == 3
