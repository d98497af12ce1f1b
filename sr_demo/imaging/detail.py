"""Blending of a generative result with a faithful one by frequency bands, which sets how much invented detail is shown.

The low band has the frequencies below the Nyquist frequency of the input. It always comes from the faithful result, so that
colours and shapes stay as they are in the input. The high bands are mixed:

    low(faithful) + (1 - detail) high(faithful) + detail high(generative), clipped to [0, 1] for detail = 1

Downscaling the result retains a part of its high band. Full detail on the faithful low band can therefore have a lower LR
consistency than the generative result itself, if the latter is very consistent. In this case it is corrected by
back-projection (`back_projection.py`). Since downscaling is linear, every mixture of two consistent results is consistent,
and the LR consistency rises as the detail falls.

The low-pass is a Gaussian that halves the amplitude at the input's Nyquist frequency, 1 / (2 scale) cycles per pixel:
exp(-2 pi^2 sigma^2 f^2) = 1/2 gives sigma = scale sqrt(2 ln 2) / pi.
"""

from __future__ import annotations

from math import ceil, log, pi, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import BadInput
from sr_demo.image import Image, readonly
from sr_demo.imaging.back_projection import difference, distance, enforce_lr_consistency
from sr_demo.system.large_array import bands, release, zeros

ALMOST_ALL = 1 - 2**-20
"""Detail value for full detail on the low band of the faithful result. Results are linear in the detail from 0 to this."""
_HARDLY_ANY = 1 / 255
_REACH = 4
"""Radius of the filter in sigmas; the part beyond it changes results by less than one 8-bit level."""


def blend_detail(generative: Image, faithful: Image, detail: float | NDArray[np.float32], image: Image) -> Image:
    """Blend two results for one input.

    Args:
        generative: (H, W, 3) in [0, 1], the result of a method that may invent detail.
        faithful: (H, W, 3) in [0, 1], the result of a method that does not.
        detail: A number in [0, 1], or an array (H, W) with a value for each pixel. The number 0 returns `faithful` and 1
            returns `generative`; for other numbers and for arrays, the low band is that of `faithful`.
        image: (h, w, 3) in [0, 1], the input.

    Returns:
        (H, W, 3) float32 in [0, 1], read-only. Large images are memory-mapped.

    Raises:
        BadInput: The results differ in size.
    """
    everywhere = isinstance(detail, float | int)
    if generative.shape != faithful.shape or not (everywhere or detail.shape == generative.shape[:2]):
        raise BadInput("Two results of different size cannot be blended.")
    if everywhere and detail in (0, 1):
        return generative if detail else faithful
    out = _detailed(generative, faithful, image)
    for rows in bands(faithful, out, *_maps(detail)):
        np.add(faithful[rows], _share(detail, rows) * (out[rows] - faithful[rows]), out=out[rows])
        release(out[rows])
    return readonly(out)


def _detailed(generative: Image, faithful: Image, image: Image) -> NDArray[np.float32]:
    """Return the full detail of `generative` on the low band of `faithful`, clipped so that mixtures need no clipping."""
    scale = len(generative) / len(image)
    out, reach = zeros(*generative.shape), _reach(scale)
    for rows in bands(generative, faithful, out):
        wide = slice(max(rows.start - reach, 0), rows.stop + reach)
        high = high_band(np.subtract(generative[wide], faithful[wide]), scale)
        np.clip(faithful[rows] + high[rows.start - wide.start : rows.stop - wide.start], 0, 1, out=out[rows])
        release(out[rows])
    own = distance(difference(image, generative))
    if distance(difference(image, out)) > own / 2:
        # Aim between both, so that LR consistency rises from the generative result over this one to the faithful one.
        most = max(own / 2, sqrt(own * distance(difference(image, faithful))))
        enforce_lr_consistency(out, image, most, 0.9 * most)
    return out


def mix_detail(detailed: Image, faithful: Image, detail: float | NDArray[np.float32]) -> Image:
    """Mix a result with full detail and a faithful one, as the viewer does: `faithful + detail (detailed - faithful)`.

    Args:
        detailed: (H, W, 3) in [0, 1], a result of `blend_detail` with `ALMOST_ALL`.
        faithful: (H, W, 3) in [0, 1].
        detail: A number in [0, 1], or an array (H, W) with a value for each pixel.

    Returns:
        (H, W, 3) float32 in [0, 1], read-only. Large images are memory-mapped.
    """
    out = zeros(*detailed.shape)
    for rows in bands(detailed, faithful, out, *_maps(detail)):
        share = _share(detail, rows)
        np.add(faithful[rows], share * (detailed[rows] - faithful[rows]), out=out[rows])
        release(out[rows])
    return readonly(out)


def unmix_detail(shown: Image, faithful: Image, detail: float | NDArray[np.float32]) -> Image:
    """Invert `mix_detail`: return its argument `detailed`; pixels with a detail of almost 0 are those of `faithful`.

    Args:
        shown: (H, W, 3) in [0, 1], the result of `mix_detail`.
        faithful: (H, W, 3) in [0, 1].
        detail: The `detail` that `shown` was mixed with: a number in [0, 1], or an array (H, W).
    """
    out = zeros(*shown.shape)
    for rows in bands(shown, faithful, out, *_maps(detail)):
        share = _share(detail, rows)
        difference = np.where(share < _HARDLY_ANY, 0, shown[rows] - faithful[rows])
        np.clip(faithful[rows] + difference / np.maximum(share, _HARDLY_ANY), 0, 1, out=out[rows])
        release(out[rows])
    return readonly(out)


def _maps(detail: float | NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Return the array of the detail, if it is one, to read it in the bands of the images."""
    return () if isinstance(detail, float | int) else (detail,)


def _share(detail: float | NDArray[np.float32], rows: slice) -> np.float32 | NDArray[np.float32]:
    return np.float32(detail) if isinstance(detail, float | int) else detail[rows, :, None]


def high_band(planes: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Return the frequencies above the Nyquist frequency of the input.

    Args:
        planes: (H, W) or (H, W, 3).
        scale: Size of the planes divided by that of the input.
    """
    side = 2 * _reach(scale) + 1
    low = cv2.GaussianBlur(planes, (side, side), _sigma(scale), borderType=cv2.BORDER_REFLECT_101)
    return planes - np.asarray(low, np.float32)


def _sigma(scale: float) -> float:
    return scale * sqrt(2 * log(2)) / pi


def _reach(scale: float) -> int:
    return ceil(_REACH * _sigma(scale))
