"""Preservation of faces: limits on invented detail inside the faces of a photo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sr_demo.faces.detection import Face
from sr_demo.faces.mask import face_mask
from sr_demo.image import Size

FACE_DETAIL = 0.3
"""Default share of invented detail that is allowed inside faces."""


class FaceDetailLimit(NamedTuple):
    """The allowed detail, and the number of faces."""

    allowed: NDArray[np.float32]
    """(H, W) in [0, 1], the size of the photo: 1 away from faces, with a soft edge around each face."""
    faces: int
    """Number of faces."""


def face_detail_limit(faces: Sequence[Face], size: Size, detail: float) -> FaceDetailLimit:
    """Return the share of invented detail that is allowed at each pixel of a photo.

    Args:
        faces: Faces in the photo.
        size: Size of the photo.
        detail: Largest share inside faces: 0 for the faithful result, 1 for the result of the method.
    """
    mask = face_mask(faces, size)
    return FaceDetailLimit(1 - np.float32(1 - detail) * mask, len(faces))
