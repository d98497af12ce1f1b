"""Faces: found by YuNet with landmarks, by the bundled cascade without it, and masked softly."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from sr_demo.codecs.libraries import opencv
from sr_demo.faces import detection
from sr_demo.faces.alignment import refine_landmarks, transform_of
from sr_demo.faces.detail_limit import face_detail_limit
from sr_demo.faces.detection import YUNET, Face, Point, detect
from sr_demo.faces.mask import face_mask
from sr_demo.image import Image, Size, readonly
from sr_demo.imaging.resize import resize
from sr_demo.system.storage import cache_folder
from tests.bundled_photos import bundled


@pytest.fixture
def yunet(shared_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The detector in a cache folder of its own, where a download would put it."""
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))
    (file,) = YUNET.files
    stored = cache_folder() / "weights" / file.sha256 / file.name
    stored.parent.mkdir(parents=True)
    shutil.copy(shared_weights / file.name, stored)


@pytest.fixture
def no_yunet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))


def portrait() -> Image:
    """512 x 512, with one face around (222, 118)."""
    return bundled("astronaut.png")


def middle(face: Face) -> tuple[float, float]:
    return face.left + face.width / 2, face.top + face.height / 2


def test_a_face_is_found_with_its_landmarks(yunet: None) -> None:
    (face,) = detect(portrait())
    assert detection.available() == "yunet"
    assert middle(face) == pytest.approx((223, 119), abs=8)
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
    assert right_eye.x < nose.x < left_eye.x and right_mouth.x < left_mouth.x
    assert right_eye.y < nose.y < right_mouth.y
    assert all(face.left < mark.x < face.left + face.width for mark in face.landmarks)


def test_boxes_are_in_pixels_of_the_image_whatever_the_detector_is_given(yunet: None) -> None:
    (one,), (other,) = detect(portrait()), detect(resize(portrait(), (1536, 1536)))
    assert (other.left, other.top, other.width, other.height) == pytest.approx(
        (3 * one.left, 3 * one.top, 3 * one.width, 3 * one.height), rel=0.1
    )


def test_landmarks_follow_a_tilted_face_once_it_is_seen_large_and_upright(yunet: None) -> None:
    def tilt(degrees: float, size: int) -> float:
        turn = cv2.getRotationMatrix2D((222, 118), degrees, 1)
        turned = cv2.warpAffine(portrait(), turn, (512, 512), borderMode=cv2.BORDER_REFLECT)[:256, 60:380]
        photo = resize(readonly(np.ascontiguousarray(turned, np.float32)), (size, size * 5 // 4))
        (face, *_) = detect(photo)
        transform = transform_of(refine_landmarks(photo, face))
        assert transform is not None
        return float(np.degrees(np.arctan2(transform[1, 0], transform[0, 0])))

    upright = tilt(0, 256)
    assert abs(upright) < 8
    for degrees, size in ((25, 256), (-40, 256), (25, 64), (40, 64)):
        assert tilt(degrees, size) - upright == pytest.approx(degrees, abs=5), (degrees, size)


def test_a_face_that_is_not_found_again_stays_as_it_was_found(yunet: None) -> None:
    found = Face(10, 10, 20, 20, 1.0, tuple(Point(x, y) for x, y in ((12, 14), (20, 14), (16, 19), (13, 23), (19, 23))))
    assert refine_landmarks(bundled("coffee.png"), found) == found


def test_forty_faces_are_found(yunet: None) -> None:
    face = resize(portrait()[40:200, 140:300], (64, 64))
    assert len(detect(readonly(np.tile(face, (5, 8, 1))))) >= 38


def test_no_face_is_found_in_other_photos_and_in_tiny_ones(yunet: None) -> None:
    for name in ("coffee.png", "brick.png", "hubble_deep_field.jpg"):
        assert detect(bundled(name)) == ()
    assert detect(readonly(np.full((1, 1, 3), 0.5, np.float32))) == ()


def test_without_yunet_the_bundled_cascade_finds_the_face(no_yunet: None) -> None:
    assert detection.available() == "cascade"
    (face,) = detect(portrait())
    assert middle(face) == pytest.approx((223, 119), abs=25)
    assert face.landmarks == ()


def test_without_any_detector_there_are_no_faces(no_yunet: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "_cascade_file", lambda: None)
    assert detection.available() == "none"
    assert detect(portrait()) == ()


def test_the_mask_is_1_in_the_face_and_falls_smoothly_to_0() -> None:
    mask = face_mask([Face(40, 30, 20, 30, 1.0)], Size(100, 120))
    assert mask.shape == (100, 120) and mask.dtype == np.float32
    assert mask[45, 50] == 1 and mask[45, 41] == 1 and mask[31, 50] == 1
    assert mask[0].max() == mask[:, 0].max() == mask[-1].max() == 0
    row = mask[45, 50:]
    assert (np.diff(row) <= 0).all() and np.abs(np.diff(row)).max() < 0.4


def test_the_mask_follows_the_scale_and_reaches_over_the_border() -> None:
    faces = [Face(-5, -5, 20, 20, 1.0), Face(500, 500, 10, 10, 1.0), Face(30, 10, 8, 8, 1.0)]
    mask = face_mask(faces, Size(160, 200), scale=4)
    assert mask[4, 4] == 1 and mask[56, 136] == 1 and mask[159, 199] == 0
    assert mask.max() == 1 and mask.min() == 0
    assert face_mask([], Size(3, 4)).max() == 0


def test_invented_detail_is_limited_inside_faces_only(yunet: None) -> None:
    kept = face_detail_limit(detect(portrait()), Size(512, 512), 0.25)
    assert kept.faces == 1
    assert kept.allowed.shape == (512, 512) and kept.allowed.dtype == np.float32
    assert kept.allowed[119, 223] == pytest.approx(0.25) and kept.allowed[400, 60] == 1


@pytest.mark.usefixtures("yunet")
def test_looking_for_faces_leaves_opencv_silenced() -> None:
    cv2 = opencv()
    detect(bundled("astronaut.png"))
    assert cv2.utils.logging.getLogLevel() == cv2.utils.logging.LOG_LEVEL_SILENT
