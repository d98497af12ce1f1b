"""MS-SSIM against scikit-image's SSIM at each scale, GMSD against a slow one, Fourier ring correlation on known spectra."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import convolve2d
from skimage.metrics import structural_similarity

from sr_demo.errors import BadInput
from sr_demo.image import Image, quantize, readonly
from sr_demo.imaging.resize import downscale, resize
from sr_demo.metrics.ring_correlation import frc_cutoff, ring_correlation, signal_end
from sr_demo.metrics.scores import score
from sr_demo.metrics.structure import gmsd, ms_ssim_y
from sr_demo.system import large_array
from tests.bundled_photos import bundled

PHOTO = readonly(np.ascontiguousarray(bundled("astronaut.png")[:301, :263]))


def blurred() -> Image:
    return resize(downscale(readonly(PHOTO[:300, :260]), 4), PHOTO.shape[:2])


def noisy() -> Image:
    grain = np.random.default_rng(0).standard_normal(PHOTO.shape, np.float32) * np.float32(0.05)
    return readonly(np.clip(PHOTO + grain, 0, 1))


DEGRADED = {"blurred": blurred, "noisy": noisy}


def means_of_4(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width = (side // 2 for side in plane.shape)
    return plane[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3))


def reference_ms_ssim(a: Image, b: Image) -> float:
    """By scikit-image's SSIM; a huge K1 makes its luminance term 1, which leaves contrast and structure."""
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
    x, y = (16 + quantize(image)[4:-4, 4:-4] @ np.array([65.481, 128.553, 24.966]) / 255 for image in (a, b))
    values = []
    for number in range(5):
        values.append(
            structural_similarity(
                x, y, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
                K1=0.01 if number == 4 else 1e6,
            )
        )  # fmt: skip
        x, y = means_of_4(x), means_of_4(y)
    return float(np.prod(np.array(values) ** weights))


def reference_gmsd(a: Image, b: Image) -> float:
    magnitudes = []
    for image in (a, b):
        plane = means_of_4(np.asarray(quantize(image)[4:-4, 4:-4] @ np.array([0.299, 0.587, 0.114]), np.float64))
        kernel = np.array([[1, 0, -1]] * 3) / 3
        magnitudes.append(np.sqrt(sum(convolve2d(plane, k, mode="same") ** 2 for k in (kernel, kernel.T))))
    first, second = magnitudes
    return float(np.std((2 * first * second + 170) / (first**2 + second**2 + 170), ddof=1))


@pytest.mark.parametrize("sigma", [2, 8, 20])
def test_the_signal_of_an_input_ends_where_that_of_two_exposures_does(sigma: float) -> None:
    """Two images of one scene with independent noise, the direct way, need two exposures; one image is enough."""
    scene = cv2.GaussianBlur(np.asarray(bundled("coffee.png")[:512, :512]), (0, 0), 2)
    rng = np.random.default_rng(0)
    first, second = (
        readonly(np.clip(scene + rng.standard_normal(scene.shape).astype(np.float32) * np.float32(sigma / 255), 0, 1))
        for _ in range(2)
    )
    assert signal_end(first) == pytest.approx(frc_cutoff(first, second), abs=6)
    assert signal_end(readonly(first[:100, :100])) is None


@pytest.mark.parametrize("kind", DEGRADED)
def test_ms_ssim_is_that_of_an_independent_one(kind: str) -> None:
    other = DEGRADED[kind]()
    assert ms_ssim_y(other, PHOTO) == pytest.approx(reference_ms_ssim(other, PHOTO), abs=1e-6)


@pytest.mark.parametrize("kind", DEGRADED)
def test_gmsd_is_that_of_a_slow_one(kind: str) -> None:
    other = DEGRADED[kind]()
    assert gmsd(other, PHOTO) == pytest.approx(reference_gmsd(other, PHOTO), abs=1e-6)


def test_bands_do_not_change_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ms_ssim_y(noisy(), PHOTO), gmsd(noisy(), PHOTO)
    monkeypatch.setattr(large_array, "BAND", 40_000)
    assert (ms_ssim_y(noisy(), PHOTO), gmsd(noisy(), PHOTO)) == pytest.approx(whole, abs=1e-9)


def test_equal_images_have_the_best_values_and_small_ones_none() -> None:
    assert (ms_ssim_y(PHOTO, PHOTO), gmsd(PHOTO, PHOTO), frc_cutoff(PHOTO, PHOTO)) == pytest.approx((1, 0, 100))
    small = readonly(PHOTO[:40, :40])
    flat = np.full((72, 72, 3), 0.4, np.float32)
    assert (frc_cutoff(flat, flat), frc_cutoff(flat, PHOTO[:72, :72])) == (None, 0), "nothing is there to be right"
    assert (ms_ssim_y(small, small), gmsd(small, small), frc_cutoff(small, small)) == (None, 0, None)
    tiny = readonly(PHOTO[:3, :3])
    assert (ms_ssim_y(tiny, tiny), gmsd(tiny, tiny), frc_cutoff(tiny, tiny)) == (None, None, None)


@pytest.mark.parametrize("measure", [ms_ssim_y, gmsd, frc_cutoff])
def test_images_of_different_size_are_refused(measure) -> None:
    with pytest.raises(BadInput, match="different size"):
        measure(PHOTO, readonly(PHOTO[:-1]))


@pytest.mark.parametrize("end", [0.25, 0.5])
def test_rings_correlate_up_to_where_the_detail_is_right(end: float) -> None:
    rng = np.random.default_rng(0)
    reference, other = (rng.standard_normal((256, 256)) for _ in range(2))
    radius = 2 * np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None])
    mixed = np.fft.ifft2(np.where(radius < end, np.fft.fft2(reference), np.fft.fft2(other))).real
    x, y = (readonly(np.repeat((0.5 + plane / 12)[..., None], 3, 2).astype(np.float32)) for plane in (reference, mixed))
    assert frc_cutoff(x, y) == pytest.approx(100 * end, abs=5)
    correlation = ring_correlation(x, y)
    assert correlation is not None and correlation[2] > 0.9 and abs(correlation[-1]) < 0.1


def test_large_images_are_sampled_in_tiles() -> None:
    large = readonly(np.tile(PHOTO, (6, 2, 1)))
    assert frc_cutoff(large, large) == 100


def test_scores_have_them_with_an_original_only() -> None:
    lr = downscale(readonly(PHOTO[:300, :260]), 4)
    hr = readonly(PHOTO[:300, :260])
    scores = score(resize(lr, (300, 260)), lr, hr, 4)
    assert scores.ms_ssim is not None and 0.8 < scores.ms_ssim < 1
    assert scores.gmsd is not None and 0.02 < scores.gmsd < 0.3
    assert scores.frc_cutoff is not None and 15 < scores.frc_cutoff < 60
    alone = score(hr, lr, None, 4)
    assert (alone.ms_ssim, alone.gmsd, alone.frc_cutoff) == (None, None, None)
