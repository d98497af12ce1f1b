"""Where the part of a photo, and the comparison of its results, begin."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from sr_demo.advice.focus import focus
from sr_demo.faces import detection
from sr_demo.faces.detection import Face
from sr_demo.image import Image, readonly
from tests.conftest import noise


def flat(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 0.5, np.float32)


@pytest.mark.parametrize(("top", "left"), [(40, 60), (40, 400), (250, 60), (250, 400)])
@pytest.mark.parametrize("factor", [1, 4])
def test_the_place_with_the_most_detail_is_found_in_photos_of_any_size(top: int, left: int, factor: int) -> None:
    image = flat(400 * factor, 600 * factor)
    image[top * factor : (top + 100) * factor, left * factor : (left + 100) * factor] = noise(
        100 * factor, 100 * factor
    )
    x, y = focus(readonly(image))
    assert abs(x - (left + 50) / 600) < 0.05 and abs(y - (top + 50) / 400) < 0.05


@pytest.mark.parametrize("image", [flat(1, 1), flat(3, 200), flat(300, 300)], ids=["1x1", "200x3", "flat"])
def test_an_image_without_detail_begins_at_its_centre(image: np.ndarray) -> None:
    assert focus(readonly(image)) == (0.5, 0.5)


@pytest.mark.parametrize("size", [(1, 2), (2, 1), (9, 9), (1, 5000)])
def test_images_of_a_few_pixels_have_a_place_inside_them(size: tuple[int, int]) -> None:
    x, y = focus(noise(*size))
    assert 0 <= x <= 1 and 0 <= y <= 1


def test_a_face_comes_before_detail() -> None:
    image: Image = readonly(data.astronaut().astype(np.float32) / 255)
    x, y = focus(image)
    assert abs(x - 0.44) < 0.05 and abs(y - 0.22) < 0.05, "the face, not the flag or the badges"


def test_of_a_large_face_the_part_with_the_most_detail_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    image = flat(300, 300)
    image[90:120, 180:220] = noise(30, 40)  # an eye
    image[:60, :60] = noise(60, 60)  # more detail, outside the face
    faces = {"large": Face(40, 40, 220, 220, 1.0), "small": Face(160, 160, 60, 60, 1.0)}
    for size, expected in {"large": (200 / 300, 105 / 300), "small": (190 / 300, 190 / 300)}.items():
        monkeypatch.setattr(detection, "detect", lambda *_, face=faces[size]: (face,))
        assert focus(readonly(image)) == pytest.approx(expected, abs=0.1), size
