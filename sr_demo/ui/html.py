"""HTML fragments that several tabs use."""

from __future__ import annotations

import base64
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from sr_demo.ui.languages import attribute, word


def problem(message: str) -> str:
    """Return an error message as HTML, escaped; screen readers announce it immediately."""
    return f'<p class="sr-problem" role="alert">{word(message)}</p>'


def fine_print(text: str) -> str:
    """Return a paragraph in small print as HTML, escaped; empty for an empty text."""
    return f'<p class="sr-fine">{word(text)}</p>' if text else ""


def progress_line(text: str, fraction: float = 0.0) -> str:
    """Return a status line as HTML, escaped, with a progress bar if `fraction` > 0; screen readers announce its changes."""
    bar = f'<progress class="sr-progress" max="1" value="{fraction:.3f}" {attribute("aria-label", "word_done")}></progress> '
    return f'<p aria-live="polite">{bar if fraction else ""}{word(text)}</p>'


def inline_image(rgb: NDArray[np.uint8], side: int, alt: str) -> str:
    """Return an `img` element that contains its image as PNG.

    Args:
        rgb: (H, W, 3) uint8. Images larger than twice `side`, for high-density screens, are downscaled to that.
        side: Largest width and height on the page, in CSS pixels.
        alt: Text alternative.
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
