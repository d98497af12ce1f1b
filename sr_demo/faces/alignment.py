"""Faces cut out upright at one size, and pasted back: what networks that know only faces are given and return.

A similarity transform takes the five landmarks of a face to those of a template. Positions here are distances from the top
left corner of an image, so that the middle of its first pixel lies at (0.5, 0.5): they scale with the image by one factor.

A face is pasted back as the difference that it makes to what was there. So nothing is lost by resampling it twice: a face
that was not changed changes nothing, and detail finer than the template's pixels stays.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, hypot, sqrt
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.faces import detection
from sr_demo.faces.detection import Face, Point
from sr_demo.image import Image, Size, readonly

SIDE = 512
"""Side of an aligned face in pixels."""
_TEMPLATE = (
    (192.98138, 239.94708), (318.90277, 240.1936), (256.63416, 314.01935), (201.26117, 371.41043), (313.08905, 371.15118),
)  # fmt: skip
"""Landmarks in the order of `Face`: the mean ones of FFHQ's faces at 512 pixels, as `face_restoration_helper.py` of facexlib
0.3 has them, with which GFPGAN was published."""
_FEATHER = 64
"""Width in pixels of an aligned face's border, in which it fades into the image."""
_CONTEXT = 4
"""Pixels around a resampled region that the kernel reads, and the rounding of its position."""

_LOOKS, _WIDER = 3, 1.5
"""How often landmarks are looked for again, in a view that is this many times as wide as an aligned face."""
_MOST_OFF = SIDE / 6
"""Distance in pixels of such a view from which a face is another one."""

Transform = NDArray[np.float64]
"""(2, 3): from positions in an image to positions in an aligned face."""


class _Box(NamedTuple):
    """A part of an image in whole pixels."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def is_empty(self) -> bool:
        return self.bottom <= self.top or self.right <= self.left


def transform_of(face: Face, scale: float = 1.0) -> Transform | None:
    """Return the transform that aligns a face.

    Args:
        face: with its landmarks.
        scale: size of the image that is meant, divided by that of the image in which the face was found.

    Returns:
        None where it has no landmarks, or these are no face's.
    """
    if len(face.landmarks) != len(_TEMPLATE):
        return None
    # As complex numbers, the least squares of target = turn * mark + shift have one solution.
    marks, targets = (np.asarray(points, np.float64) @ (1, 1j) for points in (face.landmarks, _TEMPLATE))
    marks = scale * marks
    from_middle = marks - marks.mean()
    spread = float((np.abs(from_middle) ** 2).sum())
    if not 0 < spread < np.inf:
        return None
    turn = (from_middle.conj() @ targets) / spread
    shift = targets.mean() - turn * marks.mean()
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return matrix if _zoom(matrix) > 0 else None


def refined(image: Image, face: Face) -> Face:
    """Return a face with the landmarks that are found in it when it is seen large and upright, with what is around it.

    In a photo, YuNet takes faces for more upright than they are: the smaller, the more. Each look takes most of that back.

    Args:
        image: (H, W, 3) in [0, 1], in which the face was found.
        face: as it was found; it is returned where it is not found again.
    """
    for _ in range(_LOOKS):
        transform = transform_of(face)
        if transform is None:
            return face
        view = transform / _WIDER
        view[:, 2] += SIDE / 2 * (1 - 1 / _WIDER)
        again = [(_off_centre(one), one.landmarks) for one in detection.detect(aligned(image, view))]
        off, landmarks = min(again, default=(SIDE, ()))
        if off > _MOST_OFF:
            return face
        back = np.asarray(cv2.invertAffineTransform(view), np.float64)
        face = replace(face, landmarks=tuple(Point(*(back @ (*mark, 1.0)).tolist()) for mark in landmarks))
    return face


def _off_centre(face: Face) -> float:
    """Return how far the middle of a face in an aligned view lies from that of the view."""
    return hypot(face.left + face.width / 2 - SIDE / 2, face.top + face.height / 2 - SIDE / 2)


def aligned(image: Image, transform: Transform) -> Image:
    """Return a face, upright, (512, 512, 3) in [0, 1]. Beyond the border of the image, its last pixels are repeated.

    Args:
        image: (H, W, 3) in [0, 1].
        transform: of the face in this image.
    """
    box = _box(transform, Size.of(image))
    if box.is_empty:
        return readonly(np.zeros((SIDE, SIDE, 3), np.float32))
    part, local = image[box.top : box.bottom, box.left : box.right], _after(transform, box)
    face = _resampled(part, local, Size(SIDE, SIDE), cv2.BORDER_REPLICATE)
    return readonly(np.clip(face, 0, 1))


def paste(image: NDArray[np.float32], transform: Transform, face: Image, strength: float = 1.0) -> None:
    """Paste an aligned face into an image, in place, with a soft border.

    Args:
        image: (H, W, 3) in [0, 1], writeable.
        transform: of the face in this image.
        face: (512, 512, 3) in [0, 1].
        strength: 0 leaves the image as it is, 1 replaces the face.
    """
    box = _box(transform, Size.of(image))
    if box.is_empty:
        return
    change = np.float32(strength) * _weights()[..., None] * (face - aligned(readonly(image.view()), transform))
    back = np.asarray(cv2.invertAffineTransform(_after(transform, box)), np.float64)
    part = image[box.top : box.bottom, box.left : box.right]
    part += _resampled(change, back, Size(*part.shape[:2]), cv2.BORDER_CONSTANT)
    np.clip(part, 0, 1, out=part)


def _weights() -> NDArray[np.float32]:
    """Return (512, 512): 1 in the face, falling smoothly to 0 at the border."""
    inside = np.minimum(np.arange(SIDE) + 0.5, SIDE - np.arange(SIDE) - 0.5)
    ramp = np.clip(inside / _FEATHER, 0, 1).astype(np.float32)
    smooth = ramp * ramp * (3 - 2 * ramp)
    return np.minimum(smooth[:, None], smooth[None])


def _box(transform: Transform, size: Size) -> _Box:
    """Return the part of an image that holds an aligned face, with what resampling reads around it."""
    back = np.asarray(cv2.invertAffineTransform(transform), np.float64)
    corners = back @ np.array([[0, SIDE, SIDE, 0], [0, 0, SIDE, SIDE], [1, 1, 1, 1]], np.float64)
    around = ceil(_CONTEXT * max(1 / _zoom(transform), 1))
    (left, top), (right, bottom) = np.floor(corners.min(axis=1)), np.ceil(corners.max(axis=1))
    rows = np.clip((top - around, bottom + around), 0, size.height)
    columns = np.clip((left - around, right + around), 0, size.width)
    return _Box(int(rows[0]), int(rows[1]), int(columns[0]), int(columns[1]))


def _after(transform: Transform, box: _Box) -> Transform:
    """Return the transform for positions in a part of the image."""
    shifted = transform.copy()
    shifted[:, 2] += transform[:, :2] @ (box.left, box.top)
    return shifted


def _zoom(transform: Transform) -> float:
    return sqrt(abs(float(np.linalg.det(transform[:, :2]))))


def _resampled(planes: NDArray[np.float32], transform: Transform, size: Size, border: int) -> NDArray[np.float32]:
    """Return `planes` (H, W, 3) transformed to `size`, without aliasing where they become smaller."""
    zoom, (height, width) = _zoom(transform), planes.shape[:2]
    if zoom < 1:
        smaller = max(round(width * zoom), 1), max(round(height * zoom), 1)
        planes = np.asarray(cv2.resize(planes, smaller, interpolation=cv2.INTER_AREA), np.float32)
        transform = transform @ np.diag([width / smaller[0], height / smaller[1], 1.0])
    # OpenCV counts from the middle of the first pixel.
    of_pixels = transform.copy()
    of_pixels[:, 2] += transform[:, :2] @ (0.5, 0.5) - 0.5
    out = cv2.warpAffine(planes, of_pixels, (size.width, size.height), flags=cv2.INTER_CUBIC, borderMode=border)
    return np.asarray(out, np.float32)
