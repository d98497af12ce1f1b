"""Alignment of another tool's result with the LR image that it was computed from: similarity, shift, and its correction.

Tools place pixels differently: a result may be shifted by half a pixel of the input against ours, which costs several dB of
PSNR without being visible. The shift is found by phase correlation and refined by maximising the correlation coefficient
(Evangelidis and Psarakis 2008), both from OpenCV.
"""

from __future__ import annotations

from math import ceil, hypot
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy import ndimage

from sr_demo.image import Image, Size, bt601_luma, readonly
from sr_demo.imaging.resize import resize
from sr_demo.system import large_array

NOTICEABLE = 0.25
"""Shift in pixels below which an image counts as unshifted. The error of estimates on results of bicubic, RDN and GANs, from
clean and degraded photos, is 0.01 px in the median and 0.24 px at most."""
_SIDE = 1024
"""Side in pixels of the central square on which the shift is estimated."""
_BLUR, _FLAT = 2.0, 1e-3
"""Sigma in pixels of the blur that removes detail which only one of the images may have; standard deviation below which an
image is too flat to be aligned."""
_LIKENESS_SIDE, _LIKENESS_SIGMA, _NOISE = 64, 4.0, 0.01
"""Longer side of the downscaled copies on which `similarity` is computed, sigma of their high-pass, and contrast that
counts as noise."""
_REACH = 16
"""Rows beyond a band that are read for the spline of `undo_shift`; their influence falls by a factor of 3.7 per row."""

Plane = NDArray[np.float32]
"""(H, W) float32 in [0, 1]."""


class Shift(NamedTuple):
    """Displacement of an image against another one, in its own pixels; negative values are up and left."""

    down: float
    right: float

    @property
    def length(self) -> float:
        """Length in pixels."""
        return hypot(self.down, self.right)


NONE = Shift(0.0, 0.0)


def similarity(image: Image, lr: Image) -> float:
    """Return the similarity of two images of any size: about 0 for different photos, 1 for equal ones.

    It is the contrast-structure term of SSIM, computed once over small, high-passed copies. It was above 0.9 for the results
    of all kinds of methods, and below 0.1 for all pairs of different photos.

    Args:
        image: (H, W, 3) in [0, 1].
        lr: (h, w, 3) in [0, 1].
    """
    ratio = min(_LIKENESS_SIDE / max(lr.shape[:2]), 1.0)
    size = Size(max(round(lr.shape[0] * ratio), 1), max(round(lr.shape[1] * ratio), 1))
    a, b = (_high_passed(resize(one, size, "area")) for one in (image, lr))
    return float((2 * (a * b).mean() + _NOISE**2) / ((a * a).mean() + (b * b).mean() + _NOISE**2))


def _high_passed(image: Image) -> Plane:
    luma = np.ascontiguousarray(bt601_luma(image))
    fine = luma - cv2.GaussianBlur(luma, (0, 0), _LIKENESS_SIGMA)
    return fine - fine.mean()


def shift_of(image: Image, lr: Image) -> Shift:
    """Return the shift of `image` against the upscaled `lr` in pixels of `image`, rounded to tenths; `NONE` if it is small.

    Args:
        image: (H, W, 3) in [0, 1], an upscaled version of `lr`.
        lr: (h, w, 3) in [0, 1], with H / h = W / w.
    """
    height, width = (min(side, _SIDE) for side in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    middle = np.ascontiguousarray(bt601_luma(image[top : top + height, left : left + width]))
    down, across = lr.shape[0] / image.shape[0], lr.shape[1] / image.shape[1]
    box = (left * across, top * down, (left + width) * across, (top + height) * down)
    luma = Pillow.fromarray(np.ascontiguousarray(bt601_luma(lr)))
    guide = np.asarray(luma.resize((width, height), Pillow.Resampling.BICUBIC, box), np.float32)
    found = _estimate(_without_detail(guide), _without_detail(middle))
    if found.length < NOTICEABLE:
        return NONE
    return Shift(round(found.down, 1) + 0.0, round(found.right, 1) + 0.0)  # -0.0 becomes 0.0


def _without_detail(luma: Plane) -> Plane:
    return np.asarray(cv2.GaussianBlur(luma, (0, 0), _BLUR), np.float32)


def _estimate(guide: Plane, image: Plane) -> Shift:
    """Return the shift of `image` against `guide`; both have the same size and no fine detail."""
    if min(guide.std(), image.std()) < _FLAT or min(guide.shape) < 2 * _REACH:
        return NONE  # too flat or too small to be aligned
    window = cv2.createHanningWindow((guide.shape[1], guide.shape[0]), cv2.CV_32F)
    (right, down), _ = cv2.phaseCorrelate(guide - guide.mean(), image - image.mean(), window)
    warp = np.array([[1, 0, right], [0, 1, down]], np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
    try:
        _, refined = cv2.findTransformECC(guide, image, warp, cv2.MOTION_TRANSLATION, stop)
    except cv2.error:  # no convergence, since the overlap is small or the images differ; the coarse shift is used
        return Shift(down, right)
    return Shift(float(refined[1, 2]), float(refined[0, 2]))


def undo_shift(planes: Image, shift: Shift) -> Image:
    """Undo a shift with a cubic spline; shifts by whole pixels are exact. Uncovered borders replicate the edge.

    Args:
        planes: (H, W) or (H, W, C) in [0, 1].
        shift: The shift to undo, from `shift_of`.

    Returns:
        The same shape, clipped to [0, 1], read-only.
    """
    back = (-shift.down, -shift.right, *(0.0,) * (planes.ndim - 2))
    reach = ceil(abs(shift.down)) + _REACH
    out = large_array.zeros(*planes.shape)
    for rows in large_array.bands(planes, out, least=4 * reach):
        low, high = max(rows.start - reach, 0), min(rows.stop + reach, len(planes))
        band = ndimage.shift(planes[low:high], back, order=3, mode="nearest")
        out[rows] = np.clip(band[rows.start - low : rows.stop - low], 0, 1)
    return readonly(out)
