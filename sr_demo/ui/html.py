"""Small pieces of HTML that several tabs show."""

from __future__ import annotations

import base64
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray


def problem(message: str) -> str:
    """A sentence about what went wrong, escaped, read out at once."""
    return f'<p class="sr-problem" role="alert">{escape(message)}</p>'


def inline_picture(rgb: NDArray[np.uint8], side: int, alt: str) -> str:
    """An `img` that holds its own picture (H, W, 3), as PNG, shown at most `side` CSS pixels wide and high.

    Larger pictures are shrunk to twice that first: thumbnails, for dense screens.
    """
    ratio = min(1.0, 2 * side / max(rgb.shape[:2]))
    if ratio < 1.0:
        size = (max(round(rgb.shape[1] * ratio), 1), max(round(rgb.shape[0] * ratio), 1))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, encoded = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    data = base64.b64encode(encoded.tobytes()).decode("ascii")
    return (
        f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}" '
        f'style="max-width:{side}px;max-height:{side}px;image-rendering:pixelated">'
    )
