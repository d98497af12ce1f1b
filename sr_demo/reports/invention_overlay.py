"""Maps of invented detail as overlays on a result: a colour and a pattern for each kind, transparent elsewhere.

The colours are from the palette of Okabe and Ito, which colour-blind users can distinguish; stripes, dots and a plain tint
distinguish the kinds without colour. The legend has the same colours and patterns (`ui/viewer/viewer.css`).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sr_demo.image import Image, ImageData, readonly
from sr_demo.metrics.invention import invention_map
from sr_demo.metrics.unsupported_detail import unsupported_detail

RIGHT, MISSING, INVENTED = (0, 114, 178), (240, 228, 66), (213, 94, 0)
"""8-bit colours: blue, yellow, vermilion."""
_PERIOD_SHARE = 1 / 48
"""Period of the patterns as a share of the image's shorter side, so that they are visible when the whole image is shown."""
_STRONG, _WEAK = 0.85, 0.25
"""Opacity on a stripe or dot, and between them."""
_LEAST, _FULL = 2 / 255, 10 / 255
"""Smallest amplitude of unsupported detail that is shown, and amplitude from which it is shown at full strength.

90 % of the pixels of the bundled photos are below 2.3 levels for RDN, which is faithful, and below about 9 for Real-ESRGAN
x4plus.
"""


def reference_overlay(result: Image, lr: Image, reference: Image) -> ImageData:
    """Return an overlay of right, missing and invented detail in a result. See `invention_map` for the arguments."""
    shares = invention_map(result, lr, reference)
    kind, counted = shares.argmax(axis=2), shares.sum(axis=2) > 0
    height, width = shares.shape[:2]
    colours = np.asarray([RIGHT, MISSING, INVENTED], np.float32)[kind] / 255
    opacity = np.choose(kind, [np.float32(0.35), _dots(height, width), _stripes(height, width)])
    return _layer(colours, np.where(counted, opacity, 0))


def unsupported_overlay(result: Image, lr: Image, faithful: Iterable[Image]) -> ImageData:
    """Return an overlay with stripes on unsupported detail of a result. See `unsupported_detail` for the arguments."""
    return amplitude_overlay(unsupported_detail(result, lr, faithful))


def amplitude_overlay(amount: NDArray[np.float32]) -> ImageData:
    """Return an overlay with stripes for an amplitude of detail (H, W), such as the spread of a diffusion model's samples."""
    shown = np.clip((amount - _LEAST) / (_FULL - _LEAST), 0, 1)
    colours = np.broadcast_to(np.asarray(INVENTED, np.float32) / 255, (*amount.shape, 3))
    return _layer(colours, shown * _stripes(*amount.shape))


def _layer(colours: NDArray[np.floating], opacity: NDArray[np.floating]) -> ImageData:
    rgb, alpha = (np.ascontiguousarray(part, np.float32) for part in (colours, opacity))
    return ImageData(readonly(rgb), alpha=readonly(alpha))


def _period(height: int, width: int) -> int:
    return max(round(min(height, width) * _PERIOD_SHARE), 4)


def _stripes(height: int, width: int) -> NDArray[np.float32]:
    """Return the opacity of diagonal stripes."""
    y, x = np.ogrid[:height, :width]
    period = _period(height, width)
    return np.where((x + y) % period < period / 2, np.float32(_STRONG), np.float32(_WEAK))


def _dots(height: int, width: int) -> NDArray[np.float32]:
    """Return the opacity of a grid of dots."""
    y, x = np.ogrid[:height, :width]
    period = _period(height, width)
    inside = (x % period - period / 2) ** 2 + (y % period - period / 2) ** 2 < (period / 3.2) ** 2
    return np.where(inside, np.float32(_STRONG), np.float32(_WEAK / 2))
