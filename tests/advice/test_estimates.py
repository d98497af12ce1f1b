"""Estimates on made cases: photos that come with scikit-image, degraded by a known amount."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from sr_demo.advice.content import is_drawing
from sr_demo.advice.estimates import Certainty, Estimate, _noise, estimate
from sr_demo.advice.jpeg_quality import traces_in
from sr_demo.advice.noise import noise_of
from sr_demo.advice.spectrum import detail_end
from sr_demo.codecs.jpeg import luma_steps
from sr_demo.image import Image, bt601_luma, quantize, read, readonly
from sr_demo.imaging.resolution_chart import resolution_chart
from tests.bundled_photos import bundled

VAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "photos" / "val"
PHOTOS = ("astronaut.png", "coffee.png", "chelsea.png", "motorcycle_left.png")


@cache
def photo(name: str) -> Image:
    return readonly(np.ascontiguousarray(bundled(name)[:256, :384]))


def saved(image: Image, quality: int) -> bytes:
    file = BytesIO()
    Pillow.fromarray(quantize(image)).save(file, "JPEG", quality=quality)
    return file.getvalue()


def compressed(image: Image, quality: int) -> Image:
    """What a JPEG of that quality, with 4:2:0 colours, decodes to."""
    with Pillow.open(BytesIO(saved(image, quality))) as decoded:
        return readonly(np.divide(np.asarray(decoded.convert("RGB")), 255, dtype=np.float32))


def noisy(image: Image, sigma: float) -> Image:
    grain = np.random.default_rng(0).standard_normal(image.shape, np.float32) * np.float32(sigma / 255)
    return readonly(np.divide(quantize(image + grain), 255, dtype=np.float32))


def luma(image: Image) -> np.ndarray:
    return (255 * bt601_luma(image)).astype(np.float32)


@pytest.mark.parametrize("name", PHOTOS)
def test_the_jpeg_quality_of_pixels_is_within_3(name: str) -> None:
    found = {quality: traces_in(luma(compressed(photo(name), quality))).quality for quality in (15, 40, 60, 75, 90)}
    assert all(found.values())
    assert {quality: value for quality, value in found.items() if abs(quality - (value or 0)) > 3} == {}


@pytest.mark.parametrize("name", PHOTOS)
def test_without_jpeg_or_resized_since_no_quality_is_found(name: str) -> None:
    assert traces_in(luma(photo(name))) == (None, True)
    resized = cv2.resize(compressed(photo(name), 50), (301, 203), interpolation=cv2.INTER_CUBIC)
    assert traces_in(luma(readonly(np.clip(resized, 0, 1, dtype=np.float32)))).quality is None


def test_the_grid_of_a_cropped_jpeg_is_found() -> None:
    assert traces_in(luma(compressed(photo("coffee.png"), 60)[3:, 5:])).quality == pytest.approx(60, abs=3)


def test_the_table_of_a_file_decides_unless_the_pixels_show_an_earlier_jpeg(tmp_path: Path) -> None:
    image, path = photo("astronaut.png"), tmp_path / "photo.jpg"
    path.write_bytes(saved(image, 90))
    found = estimate(compressed(image, 90), path).jpeg_quality
    assert found.value == pytest.approx(90, abs=1) and found.certainty is Certainty.SURE
    again = compressed(image, 40)
    path.write_bytes(saved(again, 96))
    found = estimate(compressed(again, 96), path).jpeg_quality
    assert found.value == pytest.approx(40, abs=10) and found.certainty is Certainty.LIKELY


def test_files_without_a_table_are_no_error(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(saved(photo("coffee.png"), 90)[:40])
    assert luma_steps(path) is None
    path.write_text("no image")
    assert luma_steps(path) is None
    assert luma_steps(tmp_path / "absent.jpg") is None


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("sigma", [5, 10, 20])
def test_noise_is_within_30_percent(name: str, sigma: float) -> None:
    found = noise_of(noisy(photo(name), sigma))
    assert found is not None and found.sigma == pytest.approx(sigma, rel=0.3)
    assert sigma < 8 or not found.may_be_texture


def test_only_of_an_oversampled_image_with_noise_is_the_end_of_the_signal_estimated() -> None:
    soft = readonly(np.asarray(cv2.GaussianBlur(bundled("coffee.png"), (0, 0), 2), np.float32))
    assert estimate(noisy(soft, 4)).signal_end.value == pytest.approx(0.39, abs=0.06)
    others = (soft, noisy(bundled("coffee.png"), 4), compressed(noisy(soft, 4), 60), noisy(soft, 20))
    assert [estimate(image).signal_end.value for image in others] == [None] * 4


GRID = (*PHOTOS, "brick.png", "gravel.png", "camera.png")


def crops() -> Iterator[Image]:
    """The middles of bundled photos, and of others where they lie beside the project, at two sizes."""
    others = sorted(VAL.glob("*.png"))[:4]
    for image in (*map(bundled, GRID), *(read(path).rgb for path in others)):
        for side in (96, 384):
            top, left = (max(length - side, 0) // 16 * 8 for length in image.shape[:2])
            if min(image.shape[:2]) >= 0.8 * side:
                yield readonly(np.ascontiguousarray(image[top : top + side, left : left + side]))


def test_over_sizes_and_contents_what_is_not_called_unsure_is_right() -> None:
    """JPEG quality within 10; noise within 30 % in all but one case of fifty, where fine texture looks like noise."""
    wrong: list[tuple[float, object]] = []
    noises = 0
    for image in crops():
        for quality in (20, 75):
            found = traces_in(luma(compressed(image, quality)))
            if found.conclusive and abs((found.quality or 0) - quality) > 10:
                wrong.append((quality, found))
        for sigma in (5, 12, 25):
            seen = _noise(noisy(image, sigma), Certainty.LIKELY)
            noises += 1
            if seen.certainty is not Certainty.UNSURE and abs((seen.value or 0) / sigma - 1) > 0.3:
                wrong.append((sigma, seen))
    assert len(wrong) <= noises / 50, wrong
    assert all(isinstance(found, Estimate) for _, found in wrong), wrong


def test_texture_is_not_certain_to_be_noise() -> None:
    found = noise_of(bundled("gravel.png")[:256, :256])
    assert found is not None and found.may_be_texture


def test_a_flat_image_has_no_estimate_of_noise() -> None:
    assert noise_of(np.full((64, 64, 3), 0.5, np.float32)) is None
    assert noise_of(np.ones((4, 4, 3), np.float32)) is None


@pytest.mark.parametrize("name", PHOTOS)
def test_detail_ends_where_blur_ends_it(name: str) -> None:
    sharp = luma(photo(name))
    ends = [detail_end(np.rint(sharp if s == 0 else cv2.GaussianBlur(sharp, (0, 0), s)), 0) for s in (0, 1, 2, 3)]
    assert ends == pytest.approx([1.0, 0.62, 0.38, 0.28], abs=0.1)


def test_an_enlarged_photo_has_detail_up_to_what_it_was_before() -> None:
    small = cv2.resize(photo("astronaut.png"), (96, 64), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (384, 256), interpolation=cv2.INTER_CUBIC)
    assert detail_end(np.rint(luma(readonly(np.asarray(large, np.float32)))), 0) == pytest.approx(0.45, abs=0.1)


def test_charts_are_drawings_and_photos_are_not() -> None:
    assert is_drawing(resolution_chart(512))
    assert is_drawing(compressed(resolution_chart(512), 60))
    assert not any(is_drawing(photo(name)) for name in (*PHOTOS, "brick.png", "moon.png", "page.png"))
    assert not is_drawing(np.full((64, 64, 3), 0.5, np.float32))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 300), (40, 30)])
def test_tiny_images_give_unsure_estimates(height: int, width: int) -> None:
    found = estimate(readonly(np.full((height, width, 3), 0.5, np.float32)))
    named = (found.jpeg_quality, found.noise, found.detail_end, found.drawing, found.letters, found.faces)
    assert {one.certainty for one in named} == {Certainty.UNSURE}
