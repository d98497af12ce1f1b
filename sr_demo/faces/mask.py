"""A soft mask of faces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sr_demo.faces.detection import Face
from sr_demo.image import Size

_WIDER = 1.25
"""Size of the ellipse of full strength, relative to the box, since boxes end at the forehead and at the chin."""
_SOFT = 0.25
"""Width of the transition, relative to the mean of the box's sides."""


def face_mask(faces: Sequence[Face], size: Size, scale: float = 1.0) -> NDArray[np.float32]:
    """Return a mask that is 1 in each face and falls smoothly to 0 around it.

    Args:
        faces: Faces in pixels of the image in which they were found.
        size: Size of the mask in pixels.
        scale: Size of the mask divided by that of the image.

    Returns:
        (H, W) in [0, 1]; the maximum where faces overlap.
    """
    mask = np.zeros(size, np.float32)
    for face in faces:
        half_width, half_height = (max(_WIDER * side * scale / 2, 1.0) for side in (face.width, face.height))
        soft = max(_SOFT * scale * (face.width + face.height) / 2, 1.0)
        middle_x, middle_y = scale * (face.left + face.width / 2), scale * (face.top + face.height / 2)
        # Only the region of the face is computed, since there may be many faces.
        top, bottom = (int(np.clip(middle_y + sign * (half_height + soft + 1), 0, size.height)) for sign in (-1, 1))
        left, right = (int(np.clip(middle_x + sign * (half_width + soft + 1), 0, size.width)) for sign in (-1, 1))
        if bottom <= top or right <= left:
            continue
        y = (np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5 - middle_y) / half_height
        x = (np.arange(left, right, dtype=np.float32)[None] + 0.5 - middle_x) / half_width
        radius = np.sqrt(x * x + y * y)
        beyond = (radius - 1) * min(half_width, half_height) / soft
        inside = np.clip(1 - beyond, 0, 1)
        smooth = inside * inside * (3 - 2 * inside)
        part = mask[top:bottom, left:right]
        np.maximum(part, smooth, out=part)
    return mask
