"""Metrics against values worked out by hand, a second implementation, and published results."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from sr_demo.errors import BadInput
from sr_demo.image import quantize, read, readonly
from sr_demo.imaging.resize import downscale, resize
from sr_demo.metrics.full_reference import lr_consistency, psnr_rgb, psnr_y, ssim_y
from sr_demo.metrics.scores import score
from tests.conftest import noise


def test_equal_images_have_infinite_psnr() -> None:
    image = noise(32, 40)
    assert psnr_y(image, image) == inf
    assert psnr_rgb(image, image) == inf
    assert ssim_y(image, image) == pytest.approx(1.0)


def test_one_level_everywhere_is_48_13_db() -> None:
    """10 log10(255^2 / 1) = 48.1308."""
    a = readonly(np.full((20, 20, 3), 100 / 255, np.float32))
    b = readonly(np.full((20, 20, 3), 101 / 255, np.float32))
    assert psnr_rgb(a, b) == pytest.approx(48.1308, abs=1e-4)
    # On Y one level in all three colours is (65.481 + 128.553 + 24.966) / 255 = 0.85882 levels: 1.322 dB more.
    assert psnr_y(a, b) == pytest.approx(48.1308 + 1.3219, abs=1e-3)


def test_the_border_is_cut() -> None:
    a = noise(24, 24)
    spoiled = np.array(a)
    spoiled[:4] = 1 - spoiled[:4]
    assert psnr_y(a, readonly(spoiled), 4) == inf
    assert psnr_y(a, readonly(spoiled), 3) < 40


def test_values_are_rounded_not_truncated() -> None:
    a = readonly(np.full((16, 16, 3), 0.5, np.float32))
    assert int(quantize(a)[0, 0, 0]) == 128
    assert psnr_rgb(a, readonly(np.full((16, 16, 3), 128 / 255, np.float32))) == inf


@pytest.mark.parametrize("size", [(32, 40), (1100, 24)])
def test_ssim_agrees_with_scikit_image(size: tuple[int, int]) -> None:
    """1100 rows cross the border between two bands."""
    a, b = noise(*size), noise(*size, seed=1)

    def luma(image: np.ndarray) -> np.ndarray:
        return 16 + quantize(image)[4:-4, 4:-4].astype(float) @ (np.array([65.481, 128.553, 24.966]) / 255)

    compared: Any = structural_similarity(
        luma(a), luma(b), data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True,
        truncate=3.5,
    )  # fmt: skip
    assert ssim_y(a, b) == pytest.approx(compared[1][5:-5, 5:-5].mean(), abs=1e-6)


def test_ssim_of_tiny_images_is_defined() -> None:
    assert ssim_y(noise(1, 1), noise(1, 1), 4) == pytest.approx(1.0)
    assert -1 < ssim_y(noise(8, 8), noise(8, 8, seed=3), 0) < 0.5


def test_different_sizes_are_refused() -> None:
    with pytest.raises(BadInput, match=r"cannot be compared: 8 x 6 and 8 x 8"):
        psnr_y(noise(6, 8), noise(8, 8))


def test_lr_consistency_falls_with_a_change_of_colour() -> None:
    hr = noise(64, 64)
    small = downscale(hr, 4)
    faithful = resize(small, (64, 64))
    shifted = readonly(np.clip(faithful + np.float32(0.1), 0, 1))
    assert lr_consistency(faithful, small) > lr_consistency(shifted, small) + 5


def test_without_a_reference_there_is_no_psnr() -> None:
    scores = score(noise(64, 64), noise(16, 16), None, 4)
    assert scores.psnr_y is scores.ssim_y is scores.psnr_rgb is None
    assert scores.lr_consistency is not None


def test_published_rdn_results_get_their_published_scores(shared_data: Path) -> None:
    """Zhang et al. 2018, table 2: RDN x4 on Set5 is 32.47 dB / 0.8990."""
    folder = shared_data / "rdn_published"
    pairs = [(read(p).rgb, read(folder / "HR" / p.name).rgb) for p in sorted((folder / "SR_x4").glob("*.png"))]
    assert len(pairs) == 5
    assert np.mean([psnr_y(a, b, 4) for a, b in pairs]) == pytest.approx(32.47, abs=0.005)
    assert np.mean([ssim_y(a, b, 4) for a, b in pairs]) == pytest.approx(0.8990, abs=0.0001)


def test_bicubic_reaches_its_known_score(shared_data: Path) -> None:
    """Set5 x4: 28.43 dB with MATLAB's kernel; Pillow's agrees within 0.01 dB."""
    folder = shared_data / "testsets" / "Set5"
    found = []
    for path in sorted((folder / "LRx4").glob("*.png")):
        small = read(path).rgb
        big = resize(small, (small.shape[0] * 4, small.shape[1] * 4))
        found.append(psnr_y(big, read(folder / "HR" / path.name).rgb[: big.shape[0], : big.shape[1]], 4))
    assert np.mean(found) == pytest.approx(28.43, abs=0.01)
