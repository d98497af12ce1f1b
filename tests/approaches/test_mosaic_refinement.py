"""Refined retrieval, with the real features, index and back-projection at small sizes."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PIL import Image as Pillow
from skimage import data

from sr_demo.approaches.mosaic import anchors, patch_database, photos, refinement, retrieval, windows
from sr_demo.approaches.mosaic.options import MosaicOptions
from sr_demo.approaches.mosaic.retrieval import Nearest
from sr_demo.approaches.mosaic.upscalers import RefinedRetrieval
from sr_demo.errors import Cancelled
from sr_demo.image import Image, readonly
from sr_demo.imaging.resize import downscale, resize
from sr_demo.metrics.full_reference import lr_consistency, psnr_y
from sr_demo.progress import SILENT, Progress


@pytest.fixture(scope="module")
def mosaic(tmp_path_factory: pytest.TempPathFactory) -> RefinedRetrieval:
    """A memory of some bundled photos, the cat not among them."""
    folder = tmp_path_factory.mktemp("memories")
    wanted = {"astronaut.png", "coffee.png", "rocket.jpg", "motorcycle_left.png"}
    files = [path for path in photos.bundled() if path.name in wanted]
    return RefinedRetrieval(patch_database.build(files, folder, SILENT), windows=12_000)


@pytest.fixture(scope="module")
def cat() -> Image:
    return readonly(np.ascontiguousarray(data.chelsea()[60:220, 100:300].astype(np.float32) / 255))


def test_a_held_out_photo_comes_out_closer_than_bicubic(mosaic: RefinedRetrieval, cat: Image) -> None:
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


def test_tiles_give_the_result_of_the_whole(mosaic: RefinedRetrieval, cat: Image) -> None:
    lr = downscale(cat, 4)
    nearest = Nearest(mosaic.examples(SILENT), 5)
    whole = refinement.refine(lr, nearest, 2, SILENT)
    tiled = refinement.refine(lr, nearest, 2, SILENT, largest=17)
    np.testing.assert_allclose(tiled, whole, atol=2e-5)


def test_the_halo_is_needed(mosaic: RefinedRetrieval, cat: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    lr = downscale(cat, 4)
    nearest = Nearest(mosaic.examples(SILENT), 5)
    whole = refinement.refine(lr, nearest, 2, SILENT)
    monkeypatch.setattr(refinement, "halo", lambda steps: 3)
    assert np.abs(refinement.refine(lr, nearest, 2, SILENT, largest=17) - whole).max() > 1e-3


def test_back_projection_brings_the_result_closer_to_the_input(mosaic: RefinedRetrieval, cat: Image) -> None:
    lr = downscale(cat, 4)
    agreement = [lr_consistency(mosaic.upscale(lr, MosaicOptions(steps=n), SILENT), lr) for n in (0, 2, 8)]
    assert agreement[0] + 3 < agreement[1] < agreement[2]


def test_same_memory_same_result(mosaic: RefinedRetrieval, cat: Image) -> None:
    lr = downscale(cat, 4)
    anew = RefinedRetrieval(mosaic.memory, mosaic.windows)
    first = refinement.refine(lr, Nearest(retrieval.learn(mosaic.memory, 8000, 0, SILENT), 3), 1, SILENT)
    again = refinement.refine(lr, Nearest(retrieval.learn(mosaic.memory, 8000, 0, SILENT), 3), 1, SILENT)
    np.testing.assert_array_equal(first, again)
    assert anew.examples(SILENT) is mosaic.examples(SILENT)


def test_a_flat_picture_stays_flat_and_asks_nothing(mosaic: RefinedRetrieval) -> None:
    flat = readonly(np.full((12, 12, 3), (0.2, 0.4, 0.6), np.float32))
    silent = retrieval.Examples(mosaic.examples(SILENT).project, *(None,) * 4)  # type: ignore[arg-type]
    result = refinement.refine(flat, Nearest(silent, 3), 2, SILENT)
    np.testing.assert_allclose(result, np.broadcast_to(flat[0, 0], result.shape), atol=1e-5)


def test_colours_stay_bicubic(mosaic: RefinedRetrieval, cat: Image) -> None:
    lr = downscale(cat, 4)
    bicubic = resize(lr, cat.shape[:2])
    change = mosaic.upscale(lr, MosaicOptions(), SILENT) - bicubic
    inside = (bicubic + change > 0.01).all(axis=2) & (bicubic + change < 0.99).all(axis=2)
    np.testing.assert_allclose(np.ptp(change[inside], axis=1), 0, atol=1e-5)


def test_stop_stops(mosaic: RefinedRetrieval, cat: Image) -> None:
    stop = Event()

    def press(fraction: float, note: str) -> None:
        if fraction > 0.5:
            stop.set()

    with pytest.raises(Cancelled):
        mosaic.upscale(downscale(cat, 4), MosaicOptions(), Progress(press, stop))


def test_the_feature_matrix_is_the_gradient_of_the_enlargement() -> None:
    """Against the long way: enlarge with Pillow, take differences."""
    plane = np.random.default_rng(0).random((7, 7), np.float32)
    up = np.asarray(Pillow.fromarray(plane).resize((28, 28), Pillow.Resampling.BICUBIC), np.float64)
    inner = slice(8, 20)
    across = up[inner, 9:21] - up[inner, 7:19]
    down = up[9:21, inner] - up[7:19, inner]
    bend_across = (up[inner, 10:22] - 2 * up[inner, inner] + up[inner, 6:18]) / 2
    bend_down = (up[10:22, inner] - 2 * up[inner, inner] + up[6:18, inner]) / 2
    expected = np.concatenate([part.ravel() for part in (across, down, bend_across, bend_down)])
    np.testing.assert_allclose(windows.gradients() @ plane.ravel(), expected, atol=1e-5)


def test_overlapping_windows_that_agree_rebuild_the_plane() -> None:
    """Every window answers with the plane's own HR pixels: their mean must be the plane."""
    height, width = 5, 6
    hr = np.random.default_rng(0).random((height * 4, width * 4), np.float32)
    extended = np.pad(hr, 8)
    total = windows.Sum(height, width)
    for rows in windows.rows_of(np.zeros((height, width), np.float32), most=20):
        r, c = np.divmod(np.arange(rows.count * (width + 2)), width + 2)
        views = np.lib.stride_tricks.sliding_window_view(extended, (12, 12))
        total.add(rows, views[(r + rows.top) * 4, c * 4].reshape(-1, 144))
    np.testing.assert_allclose(total.mean(), hr, atol=1e-6)


def test_examples_pair_a_window_with_the_residual_in_its_middle() -> None:
    """A step that bicubic blurs: turned like its window, the residual must stand where the window's edge is."""
    hr = np.zeros((80, 80), np.float32)
    hr[:, 41:] = 0.8
    drawn = retrieval._draw(hr, 0, 16, np.random.default_rng(0))
    lr = downscale(hr, 4)
    missed = hr - windows.enlarge(lr, 80, 80)
    for seen, residual, (size, y, x) in zip(drawn.windows, drawn.residuals, drawn.places, strict=True):
        own = lr[y : y + 7, x : x + 7].reshape(1, 49)
        posed, poses = anchors.pose(own)
        assert size == 0
        np.testing.assert_allclose(seen, posed[0], atol=1e-6)
        middle = missed[(y + 2) * 4 : (y + 5) * 4, (x + 2) * 4 : (x + 5) * 4].reshape(1, 144)
        np.testing.assert_allclose(poses.undo(residual[None]), middle, atol=1e-6)
    assert np.abs(drawn.residuals).max() > 0.05


def test_a_memory_of_tiny_photos_still_works(tmp_path: Path) -> None:
    Pillow.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(tmp_path / "a.png")
    tiny = RefinedRetrieval(patch_database.build([tmp_path / "a.png"], tmp_path / "memories", SILENT), windows=1000)
    result = tiny.upscale(readonly(np.zeros((4, 4, 3), np.float32)), MosaicOptions(), SILENT)
    assert result.shape == (16, 16, 3)
