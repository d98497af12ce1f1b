"""Faces cut out and pasted back: exact wherever the face lies, however it is turned."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sr_demo.faces.alignment import SIDE, align_face, paste, transform_of
from sr_demo.faces.detection import Face, Point
from sr_demo.image import Image, readonly
from sr_demo.imaging.resize import resize
from tests.conftest import noise

LEVEL = 1 / 255
MARKS = np.array([[0.377, 0.469], [0.623, 0.469], [0.501, 0.613], [0.393, 0.725], [0.611, 0.725]]) - 0.5
"""About those of the template, from the middle of the face."""


def face_at(x: float, y: float, side: float, degrees: float = 0.0) -> Face:
    """A face whose aligned square has its middle and side there, turned by that angle."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    marks = tuple(Point(*(turn @ mark * side + (x, y))) for mark in MARKS)
    return Face(x - side / 4, y - side / 4, side / 2, side / 2, 1.0, marks)


def smooth(height: int, width: int, seed: int) -> Image:
    return resize(noise(height // 32, width // 32, seed), (height, width))


@pytest.mark.parametrize(
    "face",
    [
        face_at(150, 120, 130),
        face_at(150, 120, 130, 33),
        face_at(150, 120, 130, 180),
        face_at(8, 230, 140, -20),
        face_at(290, 10, 90),
        face_at(150, 120, 900),
        face_at(150, 120, 20, 45),
    ],
    ids=["upright", "tilted", "upside down", "corner", "other corner", "larger than the image", "tiny"],
)
def test_a_face_is_pasted_back_where_it_was(face: Face) -> None:
    photo, other = smooth(240, 300, 1), smooth(240, 300, 2)
    transform = transform_of(face)
    assert transform is not None
    mask = np.zeros((240, 300, 3), np.float32)
    paste(mask, transform, np.ones((SIDE, SIDE, 3), np.float32))
    # Without the pixels next to those that change, where the kernel overshoots.
    inside = cv2.erode((mask[..., 0] > 0.999).astype(np.uint8), np.ones((3, 3))) > 0
    outside = cv2.dilate((mask[..., 0] > 0).astype(np.uint8), np.ones((5, 5))) == 0
    assert inside.sum() > 60

    unrestored = photo.copy()
    paste(unrestored, transform, align_face(photo, transform))
    np.testing.assert_array_equal(unrestored, photo)

    replaced = photo.copy()
    paste(replaced, transform, align_face(other, transform))
    assert np.abs(replaced - other)[inside].max() < LEVEL
    np.testing.assert_array_equal(replaced[outside], photo[outside])


def test_the_strength_mixes_in_proportion() -> None:
    photo, transform = smooth(120, 120, 1), transform_of(face_at(60, 60, 80))
    assert transform is not None
    half, whole, white = photo.copy(), photo.copy(), readonly(np.ones((SIDE, SIDE, 3), np.float32))
    paste(half, transform, white, 0.5)
    paste(whole, transform, white)
    np.testing.assert_allclose(half - photo, (whole - photo) / 2, atol=1e-3)
    none = photo.copy()
    paste(none, transform, white, 0.0)
    np.testing.assert_array_equal(none, photo)


def test_landmarks_come_to_lie_on_the_template_at_any_scale() -> None:
    photo = smooth(200, 200, 3)
    one, four = (transform_of(face_at(90, 110, 100, 15), scale) for scale in (1, 4))
    assert one is not None and four is not None
    np.testing.assert_allclose(four[:, :2] * 4, one[:, :2], atol=1e-6)
    np.testing.assert_allclose(four[:, 2], one[:, 2], atol=1e-4)
    np.testing.assert_allclose(align_face(resize(photo, (800, 800)), four), align_face(photo, one), atol=4 * LEVEL)


def test_without_landmarks_or_with_all_in_one_place_there_is_no_transform() -> None:
    assert transform_of(Face(0, 0, 10, 10, 1.0)) is None
    assert transform_of(Face(0, 0, 10, 10, 1.0, (Point(5.0, 5.0),) * 5)) is None


def test_a_face_beside_the_image_changes_nothing() -> None:
    photo = smooth(100, 100, 1)
    transform = transform_of(face_at(-500, -500, 60))
    assert transform is not None
    out = photo.copy()
    paste(out, transform, readonly(np.ones((SIDE, SIDE, 3), np.float32)))
    np.testing.assert_array_equal(out, photo)
