"""Faces that stay themselves: how much of the detail that a method invents is allowed at each place of a photo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sr_demo.faces.detection import Face
from sr_demo.faces.mask import face_mask
from sr_demo.image import Size

FACE_DETAIL = 0.3
"""Detail that is allowed inside faces where nothing else is requested."""


class Kept(NamedTuple):
    """The most detail that is allowed, and why."""

    allowed: NDArray[np.float32]
    """(H, W) in [0, 1], as large as the photo: 1 away from faces, with a soft edge around each."""
    faces: int
    """How many were found."""


def keep_faces(faces: Sequence[Face], size: Size, detail: float) -> Kept:
    """Return how much invented detail is allowed where in a photo.

    Args:
        faces: that were found in it.
        size: of the photo.
        detail: the most that is allowed inside faces: 0 for a faithful result, 1 for the method's own.
    """
    mask = face_mask(faces, size)
    return Kept(1 - np.float32(1 - detail) * mask, len(faces))
