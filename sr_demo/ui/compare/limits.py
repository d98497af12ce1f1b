"""Where a finished comparison may show less detail than its slider says: a mask that a visitor paints, and kept faces.

The browser sends the mask as a PNG file inside a `data:` address, white where nothing may be invented; in the folder of the
comparison it becomes `mask-1a2b3c4d.png`, and limits of faces `faces.png`, brighter where more is allowed. The viewer mixes
by both (`viewer/mask.js`), and what is saved follows the same rule: see `inference/faithful.py`.
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
from sr_demo.inference.faithful import allowed_by, kept_faces
from sr_demo.inference.jobs import Result
from sr_demo.inference.shared_work import SharedWork
from sr_demo.reports.bundle import disk_refusals
from sr_demo.system.storage import write_atomically
from sr_demo.ui.compare.view import gray_image

SIDE = 512
"""Longer side of a mask in pixels, as `viewer/mask.js` makes it."""
_START = "data:image/png;base64,"
_LIMITS = Limits(max_bytes=2**20, max_pixels=SIDE**2, max_side=SIDE)
_REFUSED = "The mask could not be read. Paint it again."
_NAME = "mask-"
_MARK = "_masked-"


class Mask(NamedTuple):
    """A mask as the browser sent it."""

    content: bytes
    """A PNG file; checked when it is read."""

    @property
    def digest(self) -> str:
        """A short name, equal for equal masks: what was made with another mask has another address."""
        return hashlib.sha256(self.content).hexdigest()[:8]

    @property
    def ending(self) -> str:
        """What the names of results with this mask end in."""
        return f"{_MARK}{self.digest}"

    @property
    def name(self) -> str:
        """Of its file in the folder of a comparison."""
        return f"{_NAME}{self.digest}.png"


def mask_of(sent: object) -> Mask | None:
    """Return the mask that a browser has sent as a `data:` address; None where nothing is painted. Raises BadInput."""
    if sent is None or sent == "":
        return None
    try:
        if isinstance(sent, str) and sent.startswith(_START) and len(sent) < 4 / 3 * _LIMITS.max_bytes:
            return Mask(base64.b64decode(sent[len(_START) :], validate=True))
    except binascii.Error:
        pass
    raise BadInput(_REFUSED)


def written(mask: Mask, folder: Path) -> Path:
    """Write a mask into the folder of a comparison, as our own PNG file. Raises BadInput where it is none."""
    path = folder / mask.name
    if not path.is_file():
        received = folder / f"{_NAME}received.png"
        with disk_refusals():
            write_atomically(received, mask.content)
        try:
            image = read(received, _LIMITS)
        except SRError as exc:
            raise BadInput(_REFUSED) from exc
        finally:
            received.unlink(missing_ok=True)
        write_png(ImageData(image.rgb), path)
    return path


def forget_others(mask: Mask | None, folder: Path) -> None:
    """Remove what was made with other masks: each stroke of the brush makes a mask."""
    for path in (*folder.glob(f"*{_MARK}*"), *folder.glob(f"{_NAME}*.png")):
        if mask is None or mask.digest not in path.name:
            with suppress(OSError):
                path.unlink()


def allowed_in(path: Path) -> NDArray[np.float32]:
    """Return the most detail that a mask from `written` allows at each place, (h, w) in [0, 1]."""
    return allowed_by(read(path, _LIMITS).rgb)


def faces_of(result: Result, lr: Image) -> NDArray[np.float32] | None:
    """Return the detail that a result shows at each place of its input, (h, w), where faces were kept; None without any."""
    kept = kept_faces(result.job, lr, SharedWork()) if result.kept_faces else None
    return None if kept is None else kept.allowed


def write_faces(allowed: NDArray[np.float32], folder: Path) -> Path:
    """Write the limits of faces as the viewer reads them, at most `SIDE` pixels wide and high."""
    path = folder / "faces.png"
    if not path.is_file():
        height, width = allowed.shape
        ratio = min(1.0, SIDE / max(height, width))
        size = Size(max(round(height * ratio), 1), max(round(width * ratio), 1))
        small = cv2.resize(allowed, (size.width, size.height), interpolation=cv2.INTER_AREA)
        write_png(gray_image(np.asarray(small, np.float32)), path)
    return path
