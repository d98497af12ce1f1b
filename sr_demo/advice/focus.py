"""The place of a photo that visitors look at first: where the part to work on, and the comparison, begin."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.faces import detection
from sr_demo.faces.detection import Face, Point
from sr_demo.image import Image, bt601_luma, readonly
from sr_demo.imaging.thumbnail import thumbnail

_SIDE = 320
"""Longer side in pixels of the image that is analysed: 20 to 50 ms for a photo of any size."""
_WINDOW = 4
"""A place is as high and wide as the shorter side divided by this."""
_SEEN = 72
"""Side in pixels of what a small pane shows of a photo at 1:1 of its 4x result: of a large face only an eye."""
_CENTRAL = 0.5
"""Weight of a place at the border, relative to one at the centre: borders hold what was cut off."""


def focus(image: Image) -> Point:
    """Return the centre of the largest face, or else of the place with the most detail.

    Args:
        image: (H, W, 3) in [0, 1].

    Returns:
        Fractions of width and height; the centre for an image without detail.
    """
    small, ratio = thumbnail(image, _SIDE)
    height, width = small.shape[:2]
    faces = detection.detect(readonly(np.divide(small, 255, dtype=np.float32)), _SIDE)
    if faces:
        x, y = _in_face(small, faces[0], _SEEN / ratio)
    else:
        x, y = _most_detailed(small, min(height, width) / _WINDOW)
    return Point(min(max(x / width, 0.0), 1.0), min(max(y / height, 0.0), 1.0))


def _in_face(rgb: NDArray[np.uint8], face: Face, seen: float) -> Point:
    """Return the centre of a face, or of the most detailed `seen` x `seen` pixels of a face much larger than that."""
    left, top = max(round(face.left), 0), max(round(face.top), 0)
    part = rgb[top : round(face.top + face.height), left : round(face.left + face.width)]
    if min(part.shape[:2]) < 2 * seen:
        return Point(face.left + face.width / 2, face.top + face.height / 2)
    x, y = _most_detailed(part, seen)
    return Point(left + x, top + y)


def _most_detailed(rgb: NDArray[np.uint8], side: float) -> Point:
    """Return the centre of the `side` x `side` pixels with the largest differences of neighbouring pixels."""
    luma = bt601_luma(rgb.astype(np.float32))
    height, width = luma.shape
    detail = np.zeros_like(luma)
    detail[:, 1:] += np.abs(np.diff(luma, axis=1))
    detail[1:] += np.abs(np.diff(luma, axis=0))
    window = max(round(side), 1)
    places = cv2.blur(detail, (window, window), borderType=cv2.BORDER_CONSTANT)
    if places.max() < 1:  # less than a level per pixel
        return Point(width / 2, height / 2)
    y, x = np.unravel_index(np.argmax(places * _weights(height, width)), places.shape)
    return Point(float(x) + 0.5, float(y) + 0.5)


def _weights(height: int, width: int) -> NDArray[np.float32]:
    """Return (height, width) weights that fall linearly from 1 at the centre to `_CENTRAL` at the middle of a border."""
    rows, columns = (np.abs(np.linspace(-1, 1, side, dtype=np.float32)) for side in (height, width))
    return 1 - np.float32(1 - _CENTRAL) * np.maximum(rows[:, None], columns[None])
