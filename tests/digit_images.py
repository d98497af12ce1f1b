"""Digits for tests, written with OpenCV's font: nothing of MNIST lies in this repository."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def written_digits(count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """`count` digits (count, 28, 28) uint8, white on black, and which they are: 0, 1, 2 …, a little different each time."""
    images = np.zeros((count, 28, 28), np.uint8)
    for index in range(count):
        image = np.zeros((28, 28), np.uint8)
        place = (6 + index // 10 % 3, 22 - index // 30 % 3)
        cv2.putText(image, str(index % 10), place, cv2.FONT_HERSHEY_SIMPLEX, 0.75, 255, 2, cv2.LINE_AA)
        images[index] = image
    return images, (np.arange(count) % 10).astype(np.uint8)


_FIVE = (
    (0.68, 0.15), (0.36, 0.15), (0.33, 0.46), (0.5, 0.42), (0.66, 0.52), (0.69, 0.66), (0.6, 0.82), (0.45, 0.85), (0.3, 0.78),
)  # fmt: skip
"""The stroke of a 5, as fractions of a square."""


def five(height: int, width: int, ink: tuple[float, float, float], paper: tuple[float, float, float],
         thick: float = 0.1) -> NDArray[np.float32]:  # fmt: skip
    """A large 5 in the middle of (height, width, 3), float32 in [0, 1]; `thick` is relative to the shorter side."""
    side = min(height, width)
    corner = np.array([(width - side) / 2, (height - side) / 2])
    line = np.rint(corner + np.array(_FIVE) * side).astype(np.int32)
    covered = np.zeros((height, width), np.uint8)
    cv2.polylines(covered, [line], False, 255.0, max(1, round(side * thick)), cv2.LINE_AA)
    share = covered[..., None].astype(np.float32) / np.float32(255)
    return np.asarray(share * np.array(ink, np.float32) + (1 - share) * np.array(paper, np.float32), np.float32)
