"""Alignment of a result that another tool made with the LR image that it was made from: likeness, shift, and its undoing.

Tools differ in where they place pixels: a result may lie half a pixel of the input beside ours, which costs several dB of
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
"""Pixels: a smaller shift is none. Estimates on results of bicubic, RDN and GANs, from clean and from degraded photos, are
off by 0.01 px in the median and by 0.24 px at most."""
_SIDE = 1024
"""The shift is estimated on the central square of this many pixels."""
_BLUR, _FLAT = 2.0, 1e-3
"""Sigma in pixels of what is left out of the estimate, as too fine to be in both images; standard deviation below which an
image has nothing to align."""
_LIKENESS_SIDE, _LIKENESS_SIGMA, _NOISE = 64, 4.0, 0.01
"""Likeness is judged on copies of at most this longer side, without what is coarser than sigma; contrasts below `_NOISE`
count as none."""
_REACH = 16
"""Rows beyond a band that the spline of `moved` reads: it fades by a factor of 3.7 with each."""

Plane = NDArray[np.float32]
"""(H, W) float32 in [0, 1]."""


class Shift(NamedTuple):
    """How far an image lies beside another, in its own pixels; the other way with a minus."""

    down: float
    right: float

    @property
    def length(self) -> float:
        """Length in pixels."""
        return hypot(self.down, self.right)


NONE = Shift(0.0, 0.0)


def likeness(image: Image, lr: Image) -> float:
    """Return how much two images show the same, whatever their sizes: about 0 for different photos, 1 for equal ones.

    That is SSIM's contrast and structure over the whole of small, high-passed copies. For results of all kinds of methods
    it was above 0.9, and below 0.1 for all pairs of different photos.

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
    """Return how far `image` lies beside an enlarged `lr`, in tenths of a pixel; `NONE` where that is not noticeable.

    Args:
        image: (H, W, 3) in [0, 1].
        lr: (h, w, 3) in [0, 1], which `image` shows enlarged by H / h = W / w.
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
    """Return how far `image` lies beside `guide`, both of one size and free of what is not in both."""
    if min(guide.std(), image.std()) < _FLAT or min(guide.shape) < 2 * _REACH:
        return NONE  # nothing to go by
    window = cv2.createHanningWindow((guide.shape[1], guide.shape[0]), cv2.CV_32F)
    (right, down), _ = cv2.phaseCorrelate(guide - guide.mean(), image - image.mean(), window)
    warp = np.array([[1, 0, right], [0, 1, down]], np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
    try:
        _, refined = cv2.findTransformECC(guide, image, warp, cv2.MOTION_TRANSLATION, stop)
    except cv2.error:  # it does not converge where the overlap is small or the images differ: the coarse shift stands
        return Shift(down, right)
    return Shift(float(refined[1, 2]), float(refined[0, 2]))


def moved(planes: Image, shift: Shift) -> Image:
    """Undo a shift by a cubic spline; whole pixels are copied. What is uncovered at the border repeats its edge.

    Args:
        planes: (H, W) or (H, W, C) in [0, 1].
        shift: how far it lies beside its place.

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
