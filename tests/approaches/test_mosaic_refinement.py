"""Refined retrieval, with the real features, index and back-projection at small sizes."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PIL import Image as Pillow
from skimage import data

from sr_demo.approaches.mosaic import dihedral, patch_database, photos, refinement, retrieval, windows
from sr_demo.approaches.mosaic.options import MosaicOptions
from sr_demo.approaches.mosaic.retrieval import NearestNeighbours
from sr_demo.approaches.mosaic.upscalers import RefinedRetrieval
from sr_demo.errors import Cancelled
from sr_demo.image import Image, readonly
from sr_demo.imaging.resize import downscale, resize
from sr_demo.metrics.full_reference import lr_consistency, psnr_y
from sr_demo.progress import SILENT, Progress


@pytest.fixture(scope="module")
def mosaic(tmp_path_factory: pytest.TempPathFactory) -> RefinedRetrieval:
    """A database of some bundled photos; the cat is held out."""
    folder = tmp_path_factory.mktemp("memories")
    wanted = {"astronaut.png", "coffee.png", "rocket.jpg", "motorcycle_left.png"}
    files = [path for path in photos.bundled() if path.name in wanted]
    return RefinedRetrieval(patch_database.build_database(files, folder, SILENT), windows=12_000)


@pytest.fixture(scope="module")
def cat() -> Image:
    return readonly(np.ascontiguousarray(data.chelsea()[60:220, 100:300].astype(np.float32) / 255))


def test_a_held_out_photo_is_closer_to_the_original_than_bicubic(mosaic: RefinedRetrieval, cat: Image) -> None:
    lr = downscale(cat, 4)
    result = mosaic.upscale(lr, MosaicOptions(), SILENT)
    assert psnr_y(result, cat) > psnr_y(resize(lr, cat.shape[:2]), cat) + 0.3


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2), (20, 7)])
def test_any_size_gives_four_times_the_size(mosaic: RefinedRetrieval, size: tuple[int, int]) -> None:
    image = readonly(np.random.default_rng(0).random((*size, 3), np.float32))
    result = mosaic.upscale(image, MosaicOptions(), SILENT)
    assert result.shape == (size[0] * 4, size[1] * 4, 3)
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1
    assert not result.flags.writeable


def test_tiles_give_the_result_of_the_whole_image(mosaic: RefinedRetrieval, cat: Image) -> None:
    lr = downscale(cat, 4)
    nearest = NearestNeighbours(mosaic.residuals(SILENT), 5)
    whole = refinement.refine(lr, nearest, 2, SILENT)
    tiled = refinement.refine(lr, nearest, 2, SILENT, largest=17)
    np.testing.assert_allclose(tiled, whole, atol=2e-5)


def test_the_halo_is_needed(mosaic: RefinedRetrieval, cat: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    lr = downscale(cat, 4)
    nearest = NearestNeighbours(mosaic.residuals(SILENT), 5)
    whole = refinement.refine(lr, nearest, 2, SILENT)
    monkeypatch.setattr(refinement, "halo", lambda steps: 3)
    assert np.abs(refinement.refine(lr, nearest, 2, SILENT, largest=17) - whole).max() > 1e-3


def test_back_projection_brings_the_result_closer_to_the_input(mosaic: RefinedRetrieval, cat: Image) -> None:
    lr = downscale(cat, 4)
    agreement = [lr_consistency(mosaic.upscale(lr, MosaicOptions(steps=n), SILENT), lr) for n in (0, 2, 8)]
    assert agreement[0] + 3 < agreement[1] < agreement[2]


def test_the_same_database_gives_the_same_result(mosaic: RefinedRetrieval, cat: Image) -> None:
    lr = downscale(cat, 4)
    first, again = (
        NearestNeighbours(retrieval.build_residual_database(mosaic.database, 8000, 0, SILENT), 3) for _ in range(2)
    )
    np.testing.assert_array_equal(refinement.refine(lr, first, 1, SILENT), refinement.refine(lr, again, 1, SILENT))
    other = RefinedRetrieval(mosaic.database, mosaic.windows)
    assert other.residuals(SILENT) is mosaic.residuals(SILENT)


def test_a_flat_image_stays_flat_and_is_not_queried(mosaic: RefinedRetrieval) -> None:
    flat = readonly(np.full((12, 12, 3), (0.2, 0.4, 0.6), np.float32))
    empty = retrieval.ResidualDatabase(mosaic.residuals(SILENT).project, *(None,) * 4)  # type: ignore[arg-type]
    result = refinement.refine(flat, NearestNeighbours(empty, 3), 2, SILENT)
    np.testing.assert_allclose(result, np.broadcast_to(flat[0, 0], result.shape), atol=1e-5)


def test_colours_stay_bicubic(mosaic: RefinedRetrieval, cat: Image) -> None:
    lr = downscale(cat, 4)
    bicubic = resize(lr, cat.shape[:2])
    change = mosaic.upscale(lr, MosaicOptions(), SILENT) - bicubic
    inside = (bicubic + change > 0.01).all(axis=2) & (bicubic + change < 0.99).all(axis=2)
    np.testing.assert_allclose(np.ptp(change[inside], axis=1), 0, atol=1e-5)


def test_stop_ends_the_refinement(mosaic: RefinedRetrieval, cat: Image) -> None:
    stop = Event()

    def press(fraction: float, note: str) -> None:
        if fraction > 0.5:
            stop.set()

    with pytest.raises(Cancelled):
        mosaic.upscale(downscale(cat, 4), MosaicOptions(), Progress(press, stop))


def test_the_gradient_matrix_gives_the_gradients_of_the_bicubic_enlargement() -> None:
    """Compared with Pillow's bicubic and finite differences."""
    plane = np.random.default_rng(0).random((7, 7), np.float32)
    up = np.asarray(Pillow.fromarray(plane).resize((28, 28), Pillow.Resampling.BICUBIC), np.float64)
    inner = slice(8, 20)
    across = up[inner, 9:21] - up[inner, 7:19]
    down = up[9:21, inner] - up[7:19, inner]
    bend_across = (up[inner, 10:22] - 2 * up[inner, inner] + up[inner, 6:18]) / 2
    bend_down = (up[10:22, inner] - 2 * up[inner, inner] + up[6:18, inner]) / 2
    expected = np.concatenate([part.ravel() for part in (across, down, bend_across, bend_down)])
    np.testing.assert_allclose(windows.gradient_matrix() @ plane.ravel(), expected, atol=1e-5)


def test_overlapping_windows_with_equal_predictions_rebuild_the_plane() -> None:
    """Every window predicts the HR pixels of the plane itself: their mean must be the plane."""
    height, width = 5, 6
    hr = np.random.default_rng(0).random((height * 4, width * 4), np.float32)
    extended = np.pad(hr, 8)
    total = windows.OverlapMean(height, width)
    for rows in windows.window_rows(np.zeros((height, width), np.float32), most=20):
        r, c = np.divmod(np.arange(rows.count * (width + 2)), width + 2)
        views = np.lib.stride_tricks.sliding_window_view(extended, (12, 12))
        total.add(rows, views[(r + rows.top) * 4, c * 4].reshape(-1, 144))
    np.testing.assert_allclose(total.mean(), hr, atol=1e-6)


def test_a_sampled_window_has_the_residual_of_its_centre() -> None:
    """An edge that bicubic blurs: the residual, transformed as its window, must lie where the window's edge is."""
    hr = np.zeros((80, 80), np.float32)
    hr[:, 41:] = 0.8
    sample = retrieval._sample_at_scale(hr, 0, 16, np.random.default_rng(0))
    lr = downscale(hr, 4)
    missed = hr - windows.upsample(lr, 80, 80)
    for window, residual, (size, y, x) in zip(sample.windows, sample.residuals, sample.places, strict=True):
        own = lr[y : y + 7, x : x + 7].reshape(1, 49)
        canonical, transforms = dihedral.to_canonical(own)
        assert size == 0
        np.testing.assert_allclose(window, canonical[0], atol=1e-6)
        middle = missed[(y + 2) * 4 : (y + 5) * 4, (x + 2) * 4 : (x + 5) * 4].reshape(1, 144)
        np.testing.assert_allclose(transforms.undo(residual[None]), middle, atol=1e-6)
    assert np.abs(sample.residuals).max() > 0.05


def test_a_database_of_tiny_photos_works(tmp_path: Path) -> None:
    Pillow.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(tmp_path / "a.png")
    tiny = RefinedRetrieval(
        patch_database.build_database([tmp_path / "a.png"], tmp_path / "memories", SILENT), windows=1000
    )
    result = tiny.upscale(readonly(np.zeros((4, 4, 3), np.float32)), MosaicOptions(), SILENT)
    assert result.shape == (16, 16, 3)
