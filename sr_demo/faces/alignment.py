"""Alignment of faces: upright crops of one size, as networks trained on faces expect them, and pasting them back.

A similarity transform maps the five landmarks of a face to those of a template. Positions are distances from the top left
corner of an image, so that the centre of its first pixel is (0.5, 0.5); they scale with the image.

A face is pasted back as the difference between the changed and the original aligned face. Resampling twice therefore loses
nothing: an unchanged face leaves the image unchanged, and detail finer than the template's pixels is preserved.
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
"""Landmarks in the order of `Face`: the means over the faces of FFHQ at 512 pixels, from `face_restoration_helper.py` of
facexlib 0.3, with which GFPGAN was published."""
_FEATHER = 64
"""Width in pixels of the border of an aligned face in which it blends into the image."""
_CONTEXT = 4
"""Margin of a resampled region in pixels, for the kernel and the rounding of positions."""

_LOOKS, _WIDER = 3, 1.5
"""Number of repetitions of the landmark detection, and width of the view for it relative to an aligned face."""
_MOST_OFF = SIDE / 6
"""Largest distance, in pixels of this view, between its centre and a face for it to count as the same face."""

Transform = NDArray[np.float64]
"""(2, 3) affine matrix from positions in an image to positions in an aligned face."""


class _Box(NamedTuple):
    """A region of an image in whole pixels."""

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
        face: The face.
        scale: Size of the image to transform, divided by that of the image in which the face was found.

    Returns:
        The transform; None if the face has no landmarks, or degenerate ones.
    """
    if len(face.landmarks) != len(_TEMPLATE):
        return None
    # With complex numbers, the least-squares problem target = turn * mark + shift has a closed solution.
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


def refine_landmarks(image: Image, face: Face) -> Face:
    """Return a face with landmarks that are detected again in an enlarged, upright view of the face and its surroundings.

    YuNet estimates faces as more upright than they are, especially small ones. Each repetition corrects most of this error.

    Args:
        image: (H, W, 3) in [0, 1], in which the face was found.
        face: The detected face; if it is not found again, it is returned with its latest landmarks.
    """
    for _ in range(_LOOKS):
        transform = transform_of(face)
        if transform is None:
            return face
        view = transform / _WIDER
        view[:, 2] += SIDE / 2 * (1 - 1 / _WIDER)
        again = [(_off_centre(one), one.landmarks) for one in detection.detect(align_face(image, view))]
        off, landmarks = min(again, default=(SIDE, ()))
        if off > _MOST_OFF:
            return face
        back = np.asarray(cv2.invertAffineTransform(view), np.float64)
        face = replace(face, landmarks=tuple(Point(*(back @ (*mark, 1.0)).tolist()) for mark in landmarks))
    return face


def _off_centre(face: Face) -> float:
    """Return the distance in pixels between the centre of a face in an aligned view and the centre of the view."""
    return hypot(face.left + face.width / 2 - SIDE / 2, face.top + face.height / 2 - SIDE / 2)


def align_face(image: Image, transform: Transform) -> Image:
    """Return an aligned face, (512, 512, 3) in [0, 1]. Beyond the border of the image, edge pixels are replicated.

    Args:
        image: (H, W, 3) in [0, 1].
        transform: Transform of the face in this image.
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
        transform: Transform of the face in this image.
        face: (512, 512, 3) in [0, 1].
        strength: 0 leaves the image unchanged, 1 replaces the face.
    """
    box = _box(transform, Size.of(image))
    if box.is_empty:
        return
    change = np.float32(strength) * _weights()[..., None] * (face - align_face(readonly(image.view()), transform))
    back = np.asarray(cv2.invertAffineTransform(_after(transform, box)), np.float64)
    part = image[box.top : box.bottom, box.left : box.right]
    part += _resampled(change, back, Size(*part.shape[:2]), cv2.BORDER_CONSTANT)
    np.clip(part, 0, 1, out=part)


def _weights() -> NDArray[np.float32]:
    """Return the blending weights (512, 512): 1 inside, falling smoothly to 0 at the border."""
    inside = np.minimum(np.arange(SIDE) + 0.5, SIDE - np.arange(SIDE) - 0.5)
    ramp = np.clip(inside / _FEATHER, 0, 1).astype(np.float32)
    smooth = ramp * ramp * (3 - 2 * ramp)
    return np.minimum(smooth[:, None], smooth[None])


def _box(transform: Transform, size: Size) -> _Box:
    """Return the region of an image that contains an aligned face, with the margin that resampling reads."""
    back = np.asarray(cv2.invertAffineTransform(transform), np.float64)
    corners = back @ np.array([[0, SIDE, SIDE, 0], [0, 0, SIDE, SIDE], [1, 1, 1, 1]], np.float64)
    around = ceil(_CONTEXT * max(1 / _zoom(transform), 1))
    (left, top), (right, bottom) = np.floor(corners.min(axis=1)), np.ceil(corners.max(axis=1))
    rows = np.clip((top - around, bottom + around), 0, size.height)
    columns = np.clip((left - around, right + around), 0, size.width)
    return _Box(int(rows[0]), int(rows[1]), int(columns[0]), int(columns[1]))


def _after(transform: Transform, box: _Box) -> Transform:
    """Return the transform for positions within the region `box` of the image."""
    shifted = transform.copy()
    shifted[:, 2] += transform[:, :2] @ (box.left, box.top)
    return shifted


def _zoom(transform: Transform) -> float:
    return sqrt(abs(float(np.linalg.det(transform[:, :2]))))


def _resampled(planes: NDArray[np.float32], transform: Transform, size: Size, border: int) -> NDArray[np.float32]:
    """Return `planes` (H, W, 3) transformed to `size`; downscaling is antialiased."""
    zoom, (height, width) = _zoom(transform), planes.shape[:2]
    if zoom < 1:
        smaller = max(round(width * zoom), 1), max(round(height * zoom), 1)
        planes = np.asarray(cv2.resize(planes, smaller, interpolation=cv2.INTER_AREA), np.float32)
        transform = transform @ np.diag([width / smaller[0], height / smaller[1], 1.0])
    # In OpenCV, the centre of the first pixel is the origin.
    of_pixels = transform.copy()
    of_pixels[:, 2] += transform[:, :2] @ (0.5, 0.5) - 0.5
    out = cv2.warpAffine(planes, of_pixels, (size.width, size.height), flags=cv2.INTER_CUBIC, borderMode=border)
    return np.asarray(out, np.float32)
