"""A map of the detail in a result that neither its input nor a faithful method supports; it needs no reference.

It does not measure errors: detail that no faithful method shows may still be right, which only a reference can decide
(`invention.py`). The map shows where users who rely on details should check first. Other generative methods are not used as
support, since the detail on which they agree is not right more often (`docs/decisions.md`).

It is computed on luma in the band above the input's Nyquist frequency, for each pixel:

    minimum over the faithful results F of  min(|high(SR)|, |high(SR) - high(F)|)

so that missing detail does not count. The values are averaged over a window of about one input pixel, and doubled where the
downscaled result differs from the input by `_DIFFERENT` or more.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import BadInput
from sr_demo.image import Image, Size, bt601_luma
from sr_demo.imaging.detail import high_band
from sr_demo.imaging.resize import resize

_DIFFERENT = 4 / 255


def unsupported_detail(result: Image, lr: Image, faithful: Iterable[Image]) -> NDArray[np.float32]:
    """Return the amplitude of unsupported detail, (H, W), at least 0, in units of the full range.

    Args:
        result: (H, W, 3) in [0, 1].
        lr: (h, w, 3) in [0, 1], the input of the method.
        faithful: (H, W, 3) in [0, 1] each: results of methods that do not invent detail; consumed one by one.

    Raises:
        BadInput: The results differ in size.
    """
    scale = result.shape[0] / lr.shape[0]
    high = high_band(_luma(result), scale)
    least = np.abs(high)
    for image in faithful:
        if image.shape != result.shape:
            raise BadInput("Unsupported detail is found by comparing results of one size.")
        np.minimum(least, np.abs(high - high_band(_luma(image), scale)), out=least)
    window = 2 * (round(scale) // 2) + 1
    amount = cv2.blur(least, (window, window))
    again = np.abs(_luma(resize(result, Size.of(lr))) - _luma(lr))
    weight = np.clip(again / np.float32(_DIFFERENT), 0, 1)
    large = cv2.resize(weight, (result.shape[1], result.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(amount * (1 + large), np.float32)


def _luma(image: Image) -> NDArray[np.float32]:
    return np.asarray(bt601_luma(image), np.float32)
