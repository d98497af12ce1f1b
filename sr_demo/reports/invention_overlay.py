"""Maps of invented detail as images that lie over a result: a colour and a pattern for each kind, else transparent.

The colours are of the palette of Okabe and Ito, which colour-blind eyes tell apart; stripes, dots and a plain tint tell the
kinds apart without colour. The same three stand in the legend (`ui/viewer/viewer.css`).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sr_demo.image import Image, ImageData, readonly
from sr_demo.metrics.invention import invention_map
from sr_demo.metrics.unsupported import unsupported

RIGHT, MISSING, INVENTED = (0, 114, 178), (240, 228, 66), (213, 94, 0)
"""8-bit colours: blue, yellow, vermilion."""
_PERIOD_SHARE = 1 / 48
"""Period of the patterns in shorter sides of the image: they must be seen when a whole image is fitted into a window."""
_STRONG, _WEAK = 0.85, 0.25
"""Opacity on a stripe or dot, and beside it."""
_LEAST, _FULL = 2 / 255, 10 / 255
"""Amplitude of unsupported detail that is shown at all, and from which on it is shown at full strength.

RDN, which is faithful, stays below 2.3 levels in nine pixels of ten on the bundled photos; Real-ESRGAN x4plus is above 9.
"""


def true_overlay(result: Image, lr: Image, reference: Image) -> ImageData:
    """Return what is right, missing and invented in a result, as transparent colours; arguments as of `invention_map`."""
    shares = invention_map(result, lr, reference)
    kind, counted = shares.argmax(axis=2), shares.sum(axis=2) > 0
    height, width = shares.shape[:2]
    colours = np.asarray([RIGHT, MISSING, INVENTED], np.float32)[kind] / 255
    opacity = np.choose(kind, [np.float32(0.35), _dots(height, width), _stripes(height, width)])
    return _layer(colours, np.where(counted, opacity, 0))


def unsupported_overlay(result: Image, lr: Image, faithful: Iterable[Image]) -> ImageData:
    """Return where detail of a result is unsupported, as stripes; arguments as of `unsupported`."""
    return spread_overlay(unsupported(result, lr, faithful))


def spread_overlay(amount: NDArray[np.float32]) -> ImageData:
    """Return an amplitude of detail, (H, W), such as how far the samples of a diffusion model differ, as stripes."""
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
