"""Large arrays lie on the disk and are released from memory; results in bands are those of the whole array."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sr_demo.catalogue import APPROACHES
from sr_demo.errors import StorageError
from sr_demo.image import Image, ImageData, encode_png, read, readonly, write_png
from sr_demo.imaging import resize as resizing
from sr_demo.imaging.degradation import Realistic, degrade
from sr_demo.imaging.resize import Kernel, resize
from sr_demo.inference.jobs import job_for
from sr_demo.inference.runner import Runner
from sr_demo.metrics import full_reference, niqe, scores
from sr_demo.system import large_array, storage
from tests.conftest import noise

LINUX = pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux says what is in memory")


@pytest.fixture
def tiny_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is large: arrays lie on the disk, bands have few rows."""
    monkeypatch.setattr(large_array, "IN_MEMORY", 1000)
    monkeypatch.setattr(large_array, "BAND", 30_000)
    monkeypatch.setattr(resizing, "_BAND", 30_000)


def resident(array: np.ndarray) -> int:
    """Bytes of the file behind `array` that are in this process's memory."""
    entry = Path("/proc/self/smaps").read_text().split(str(storage.cache_folder() / "results"), 1)[1]
    return int(next(line for line in entry.splitlines() if line.startswith("Rss:")).split()[1]) * 1024


@LINUX
def test_a_released_array_is_not_in_memory_and_keeps_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_array, "IN_MEMORY", 1000)
    array = large_array.zeros(1000, 500, 3)
    array[:] = 0.5
    assert resident(array) >= array.nbytes
    large_array.release(array[100:900])
    assert resident(array) < 0.3 * array.nbytes
    assert (array == 0.5).all()
    for rows in large_array.bands(array):
        assert (array[rows] == 0.5).all()
    assert resident(array) <= 2 * 2**20, "what `bands` read is let go"


@LINUX
def test_a_tile_of_a_wide_result_does_not_bring_in_the_rows_beside_it() -> None:
    array = large_array.zeros(600, 40_000, 3)
    assert isinstance(array, np.memmap)
    array[:, 5000:6000] = 0.5
    assert resident(array) < 0.1 * array.nbytes


@LINUX
def test_tiles_are_written_without_reading_ahead_and_rows_are_read_with_it() -> None:
    array = large_array.zeros(600, 40_000, 3)

    def flags() -> list[str]:
        entry = Path("/proc/self/smaps").read_text().split(str(storage.cache_folder() / "results"), 1)[1]
        return next(line for line in entry.splitlines() if line.startswith("VmFlags:")).split()

    with large_array.written_in_tiles(array):
        assert "rr" in flags()
    assert "rr" not in flags()
    with large_array.written_in_tiles(np.zeros((4, 4, 3), np.float32)):
        pass


def test_releasing_arrays_in_memory_or_private_mappings_changes_nothing(tmp_path: Path) -> None:
    plain = np.ones((10, 10, 3), np.float32)
    np.zeros(10_000, np.float32).tofile(tmp_path / "f")
    private = np.memmap(tmp_path / "f", np.float32, "c")
    private[:] = 1
    large_array.release(plain, private, private[5:], np.broadcast_to(plain[:1], (5, 10, 3)))
    assert (plain == 1).all() and (private == 1).all()


def test_room_for_a_large_array_is_reserved_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a disk that fills up kills the process when a page is touched."""
    monkeypatch.setattr(large_array, "IN_MEMORY", 1000)
    before = os.statvfs(storage.ensure_folder(storage.cache_folder())).f_bfree
    array = large_array.zeros(3000, 3000, 3)
    after = os.statvfs(storage.cache_folder()).f_bfree
    assert (before - after) * os.statvfs(storage.cache_folder()).f_frsize > 0.5 * array.nbytes


def test_without_room_on_the_disk_memory_takes_only_what_is_not_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_array, "IN_MEMORY", 1000)
    monkeypatch.setattr(large_array, "AT_MOST", 12_000)
    monkeypatch.setattr(storage, "free_bytes", lambda folder: 0)
    assert not isinstance(large_array.zeros(10, 100, 3), np.memmap)
    with pytest.raises(StorageError, match="Not enough room"):
        large_array.zeros(20, 100, 3)


@pytest.mark.parametrize("overlap", [0, 10])
@pytest.mark.parametrize("height", [1, 9, 64, 100, 101])
def test_bands_cover_all_rows_in_order(height: int, overlap: int, tiny_bands: None) -> None:
    array = np.zeros((height, 100, 3), np.float32)
    found = list(large_array.bands(array, overlap=overlap, least=5))
    assert found[0].start == 0 and found[-1].stop == height
    for one, other in itertools.pairwise(found):
        assert other.start == one.stop - overlap


@pytest.mark.parametrize("kernel", resizing._KERNELS)
@pytest.mark.parametrize(("size", "tolerance"), [((50, 40), 0), ((800, 640), 0), ((77, 59), 1e-6), ((333, 301), 1e-6)])
def test_resizing_in_bands_gives_the_same_result(
    kernel: Kernel, size: tuple[int, int], tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = noise(200, 160)
    whole = resize(image, size, kernel)
    monkeypatch.setattr(resizing, "_BAND", 20_000)
    assert len(list(resizing.resized_bands(image, size, kernel))) > 2
    np.testing.assert_allclose(resize(image, size, kernel), whole, atol=tolerance, rtol=0)


def test_scores_are_the_same_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    hr, lr = noise(300, 400), noise(75, 100)
    result = readonly(np.asarray(np.clip(hr + 0.05 * noise(300, 400, 1), 0, 1), np.float32))
    whole = scores.score(result, lr, hr, 4)
    monkeypatch.setattr(large_array, "BAND", 30_000)
    monkeypatch.setattr(resizing, "_BAND", 30_000)
    monkeypatch.setattr(full_reference, "_LEAST_ROWS", 20)
    assert len(list(large_array.bands(result))) > 5
    banded = scores.score(result, lr, hr, 4)
    for key in ("psnr_y", "psnr_rgb", "ssim_y", "lr_consistency"):
        assert getattr(banded, key) == pytest.approx(getattr(whole, key), rel=1e-9)
    assert banded.niqe == whole.niqe


def test_niqe_of_a_wide_image_is_the_same_in_parts_of_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    image = noise(130, 700)
    whole = niqe.blocks(image)
    monkeypatch.setattr(niqe, "_MOST", 2)
    parts = niqe.blocks(image)
    np.testing.assert_allclose(parts.features, whole.features, rtol=1e-5)
    np.testing.assert_allclose(parts.sharpness, whole.sharpness, rtol=1e-5)


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_files_are_the_same_whether_the_image_lies_on_the_disk_or_not(
    gray: bool, bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rgb, alpha = noise(90, 70), noise(90, 70, 1)[..., 0].copy()
    alpha[20:40] = 0
    if gray:
        rgb = readonly(rgb[..., :1].repeat(3, axis=2))
    file = tmp_path / "a.png"
    write_png(ImageData(rgb, readonly(alpha), gray, bits), file)  # type: ignore[arg-type]
    before = read(file)
    monkeypatch.setattr(large_array, "IN_MEMORY", 1000)
    monkeypatch.setattr(large_array, "BAND", 3000)
    after = read(file)
    assert isinstance(after.rgb, np.memmap) and not after.rgb.flags.writeable
    np.testing.assert_array_equal(after.rgb, before.rgb)
    assert after.alpha is not None and before.alpha is not None
    np.testing.assert_array_equal(after.alpha, before.alpha)
    assert encode_png(after) == encode_png(before)


def test_degrading_is_the_same_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    image = noise(240, 120)
    whole = degrade(image, 4, Realistic(blur=2))
    monkeypatch.setattr(large_array, "BAND", 30_000)
    monkeypatch.setattr(large_array, "IN_MEMORY", 1000)
    np.testing.assert_allclose(degrade(image, 4, Realistic(blur=2)), whole, atol=2 / 255)


@pytest.mark.parametrize("name", ["bicubic", "lanczos"])
@pytest.mark.parametrize("gray", [False, True])
def test_baselines_in_tiles_on_the_disk_are_the_whole_result(
    name: str, gray: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Colours, gray and opacity, to the last bit."""
    rgb, alpha = noise(97, 75), noise(97, 75, 1)[..., 0].copy()
    alpha[10:30], alpha[30:50] = 0, 1
    if gray:
        rgb = readonly(rgb[..., :1].repeat(3, axis=2))
    image = ImageData(rgb, readonly(alpha), gray)
    job = job_for(APPROACHES, name)
    whole = Runner().run(job, image)
    np.testing.assert_array_equal(whole.image.rgb, _gray_of(resize(rgb, (388, 300), job.approach.id), gray))  # type: ignore[arg-type]
    monkeypatch.setattr(large_array, "IN_MEMORY", 1000)
    monkeypatch.setattr(large_array, "BAND", 30_000)
    rule = replace(job.approach.tiling, largest=32, max_aspect=1)
    tiled = Runner().run(replace(job, approach=replace(job.approach, tiling=rule)), image)
    assert (whole.tiles, tiled.tiles) == (1, 12)
    np.testing.assert_array_equal(tiled.image.rgb, whole.image.rgb)
    assert tiled.image.alpha is not None and whole.image.alpha is not None
    np.testing.assert_array_equal(tiled.image.alpha, whole.image.alpha)
    assert isinstance(tiled.image.rgb, np.memmap) and not tiled.image.alpha.flags.writeable


def _gray_of(rgb: Image, gray: bool) -> Image:
    return rgb.mean(axis=2, keepdims=True, dtype=np.float32).repeat(3, axis=2) if gray else rgb
