"""Areas with less detail than the slider selects: a mask that the visitor paints, and faces.

The browser sends the mask as a PNG file in a `data:` URL, white where no detail may be invented. It is written into the
comparison's folder as `mask-1a2b3c4d.png`; the limits in faces are written as `faces.png`, brighter where more detail is
allowed. The viewer mixes images by both (`viewer/mask.js`), and saved files follow the same rule: see
`inference/faithful.py`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import BadInput, SRError
from sr_demo.image import Image, ImageData, Limits, Size, read, write_png
from sr_demo.inference.faithful import allowed_detail, face_limit_of
from sr_demo.inference.jobs import Result
from sr_demo.inference.shared_work import SharedWork
from sr_demo.reports.bundle import disk_errors_translated
from sr_demo.system.storage import write_atomically
from sr_demo.ui.compare.view import gray_image

SIDE = 512
"""Longer side of a mask from `viewer/mask.js`, in pixels."""
_START = "data:image/png;base64,"
_LIMITS = Limits(max_bytes=2**20, max_pixels=SIDE**2, max_side=SIDE)
_REFUSED = "The mask could not be read. Paint it again."
_NAME = "mask-"
_MARK = "_masked-"


class Mask(NamedTuple):
    """A mask that the browser has sent."""

    content: bytes
    """Content of a PNG file, which is checked when it is read."""

    @property
    def digest(self) -> str:
        """A short hash of the mask, so that results with another mask have another address."""
        return hashlib.sha256(self.content).hexdigest()[:8]

    @property
    def ending(self) -> str:
        """The ending of the names of results with this mask."""
        return f"{_MARK}{self.digest}"

    @property
    def name(self) -> str:
        """Name of the mask's file in the folder of a comparison."""
        return f"{_NAME}{self.digest}.png"


def mask_of(sent: object) -> Mask | None:
    """Return the mask that a browser has sent as a `data:` URL; None if nothing is painted. Raises BadInput."""
    if sent is None or sent == "":
        return None
    try:
        if isinstance(sent, str) and sent.startswith(_START) and len(sent) < 4 / 3 * _LIMITS.max_bytes:
            return Mask(base64.b64decode(sent[len(_START) :], validate=True))
    except binascii.Error:
        pass
    raise BadInput(_REFUSED)


def written(mask: Mask, folder: Path) -> Path:
    """Decode a mask, write it as a PNG file into the folder of a comparison, and return the path. Raises BadInput."""
    path = folder / mask.name
    if not path.is_file():
        received = folder / f"{_NAME}received.png"
        with disk_errors_translated():
            write_atomically(received, mask.content)
        try:
            image = read(received, _LIMITS)
        except SRError as exc:
            raise BadInput(_REFUSED) from exc
        finally:
            received.unlink(missing_ok=True)
        write_png(ImageData(image.rgb), path)
    return path


def delete_other_masks(mask: Mask | None, folder: Path) -> None:
    """Remove files that belong to other masks: each stroke of the brush creates a new mask."""
    for path in (*folder.glob(f"*{_MARK}*"), *folder.glob(f"{_NAME}*.png")):
        if mask is None or mask.digest not in path.name:
            with suppress(OSError):
                path.unlink()


def mask_limits(path: Path) -> NDArray[np.float32]:
    """Return the largest detail that a mask from `written` allows at each pixel, (h, w) in [0, 1]."""
    return allowed_detail(read(path, _LIMITS).rgb)


def face_limits(result: Result, lr: Image) -> NDArray[np.float32] | None:
    """Return the largest detail at each pixel of a result's LR input, (h, w); None if the result has no limits in faces."""
    kept = face_limit_of(result.job, lr, SharedWork()) if result.kept_faces else None
    return None if kept is None else kept.allowed


def write_faces(allowed: NDArray[np.float32], folder: Path) -> Path:
    """Write the limits in faces as an image for the viewer, at most `SIDE` pixels wide and high; return its path."""
    path = folder / "faces.png"
    if not path.is_file():
        height, width = allowed.shape
        ratio = min(1.0, SIDE / max(height, width))
        size = Size(max(round(height * ratio), 1), max(round(width * ratio), 1))
        small = cv2.resize(allowed, (size.width, size.height), interpolation=cv2.INTER_AREA)
        write_png(gray_image(np.asarray(small, np.float32)), path)
    return path
