"""Detection of faces in an image: boxes, and five landmarks if the network YuNet is stored.

YuNet (Wu, Peng and Yu 2023, "YuNet: A Tiny Millisecond-level Face Detector") runs through OpenCV; it is fetched with the
recommended checkpoints. Without it, the cascade of scikit-image finds upright frontal faces only. Detected faces are only
returned to the caller, and neither stored nor sent.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sr_demo.codecs.libraries import opencv
from sr_demo.errors import SRError
from sr_demo.hub import checkpoints
from sr_demo.hub.face_detector import YUNET
from sr_demo.image import Image
from sr_demo.imaging.thumbnail import thumbnail

log = logging.getLogger("sr_demo")

_MOST_SIDE = 1024
"""Longer side in pixels of the detector's input; larger images are downscaled."""
_LEAST_SIDE = 16
_LEAST_SCORE, _OVERLAP, _MOST_FACES = 0.8, 0.3, 100
_CASCADE_SIDE, _CASCADE_LEAST = 320, 40
"""Longer side in pixels of the cascade's input, and the smallest face in pixels that it searches for. With larger inputs it
takes seconds and mistakes texture for faces."""


class Point(NamedTuple):
    """A position in pixels from the top left corner of the image."""

    x: float
    y: float


@dataclass(frozen=True)
class Face:
    """One face, in pixels of the image. Its box may extend beyond the border."""

    left: float
    top: float
    width: float
    height: float
    score: float
    """Confidence from 0 to 1; always 1 for the cascade, which has no scores."""
    landmarks: tuple[Point, ...] = ()
    """Right eye, left eye, tip of the nose, right and left corner of the mouth, from the person's point of view; empty for
    the cascade."""


Detector = Literal["yunet", "cascade", "none"]


def available() -> Detector:
    """Return the available detector; "none" if neither YuNet is stored nor scikit-image has its cascade."""
    if checkpoints.is_available(YUNET):
        return "yunet"
    return "cascade" if _cascade_file() is not None else "none"


def detect(image: Image, most_side: int = _MOST_SIDE) -> tuple[Face, ...]:
    """Return the faces in an image, the largest first.

    Args:
        image: (H, W, 3) in [0, 1].
        most_side: Longer side in pixels that the image is downscaled to; faces smaller than about 10 pixels at this size
            are missed.

    Returns:
        At most 100 faces.
    """
    detector = available()
    if detector == "none":
        return ()
    small, ratio = thumbnail(image, most_side if detector == "yunet" else min(most_side, _CASCADE_SIDE))
    if min(small.shape[:2]) < _LEAST_SIDE:
        return ()
    found = _by_yunet(small) if detector == "yunet" else _by_cascade(small)
    return tuple(sorted((_scaled(face, ratio) for face in found), key=lambda face: -face.width * face.height))


def _by_yunet(rgb: NDArray[np.uint8]) -> list[Face]:
    try:
        (path,) = checkpoints.fetch(YUNET)
    except SRError as exc:  # the file is damaged and cannot be fetched again
        log.warning("faces are not looked for: %s", exc)
        return []
    cv2 = opencv()
    size = (rgb.shape[1], rgb.shape[0])
    detector = cv2.FaceDetectorYN.create(str(path), "", size, _LEAST_SCORE, _OVERLAP, _MOST_FACES)
    _, rows = detector.detect(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    found = np.asarray([] if rows is None else rows, np.float64)  # pyright: ignore[reportUnnecessaryComparison] - it is None
    return [_face(row) for row in found.tolist()]


def _face(row: list[float]) -> Face:
    """Return the face of one row of YuNet's results: a box, five landmarks, a score."""
    marks = tuple(Point(row[i], row[i + 1]) for i in range(4, 14, 2))
    return Face(row[0], row[1], row[2], row[3], min(row[14], 1.0), marks)


def _by_cascade(rgb: NDArray[np.uint8]) -> list[Face]:
    cascade = _cascade()
    if cascade is None:
        return []
    largest = min(rgb.shape[:2])
    if largest < _CASCADE_LEAST:
        return []
    found = cascade.detect_multi_scale(
        img=rgb, scale_factor=1.2, step_ratio=1, min_size=(_CASCADE_LEAST, _CASCADE_LEAST), max_size=(largest, largest)
    )
    return [Face(one["c"], one["r"], one["width"], one["height"], 1.0) for one in found]


@lru_cache(1)
def _cascade() -> Any:  # scikit-image has no types
    path = _cascade_file()
    if path is None:
        return None
    from skimage.feature import Cascade

    return Cascade(str(path))


def _cascade_file() -> Path | None:
    """Return the path of scikit-image's cascade without importing the package."""
    spec = find_spec("skimage")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, "data", "lbpcascade_frontalface_opencv.xml")
        if path.is_file():
            return path
    return None


def _scaled(face: Face, ratio: float) -> Face:
    marks = tuple(Point(mark.x * ratio, mark.y * ratio) for mark in face.landmarks)
    return Face(face.left * ratio, face.top * ratio, face.width * ratio, face.height * ratio, face.score, marks)
