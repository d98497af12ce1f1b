"""HTML of the Diffusion tab: the guesses side by side, where they differ, and the steps of the first one."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sr_demo.diffusion.upscaler import DiffusionSamples
from sr_demo.image import Image, quantize
from sr_demo.reports import formatting
from sr_demo.ui.html import inline_image

_SIDE, _SMALL = 300, 132
"""Sides of large and small figures, CSS pixels."""
_WINDOW = 96
"""Side of the crop whose steps are shown, pixels of the result."""
_LEAST = 0.01
"""Smallest maximum of the colour scale, so that guesses that hardly differ do not look different."""


def shown(guesses: DiffusionSamples, seconds: float) -> str:
    """The guesses of one image with their spread and steps; `seconds`: how long they took."""
    spread = guesses.spread()
    top = scale_top(spread)
    count = len(guesses.results)
    results = [_figure(image, f"Guess {number}", _SIDE) for number, image in enumerate(guesses.results, 1)]
    return (
        f'<p class="sr-fine">{count} guesses of the same picture in {formatting.seconds(seconds)}. '
        "They agree where your picture "
        "decides, and differ where the detail is invented.</p>"
        f"{_row([_figure(guesses.start, 'Start image: EDSR, no guess', _SIDE), *results])}"
        '<h3>Where it is guessing</h3><p class="sr-fine">Dark: all guesses agree. Yellow: their brightness differs by '
        f"{top:.1%} of the full range or more (standard deviation over {count} guesses). Do not measure there.</p>"
        f"{_row([_figure(heat(spread, top), 'Spread of the guesses', _SIDE)])}"
        '<h3>Step by step</h3><p class="sr-fine">The part where guesses differ most, on its way to guess 1. Above: what '
        "the network gets. Below: the clean picture it estimates. Then some noise is put back, less in each "
        f"step.</p>{_strip(guesses, spread)}"
    )


def scale_top(spread: Image) -> float:
    """Maximum of the colour scale: the 99.5th percentile of `spread` (H, W)."""
    return max(float(np.quantile(spread, 0.995)), _LEAST)


def heat(spread: Image, top: float) -> Image:
    """Map `spread` (H, W), 0 to `top`, to viridis colours (H, W, 3) float32 in [0, 1]."""
    levels = np.round(np.clip(spread / top, 0, 1) * 255).astype(np.uint8)
    coloured = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    return np.divide(coloured, 255, dtype=np.float32)


def most_uncertain(spread: Image, side: int) -> tuple[int, int]:
    """Top and left of the square of `side` pixels inside `spread` (H, W) whose mean is largest."""
    mean = cv2.blur(spread, (side, side), borderType=cv2.BORDER_REFLECT)
    half = side // 2
    inner = mean[half : max(mean.shape[0] - half, half + 1), half : max(mean.shape[1] - half, half + 1)]
    if inner.size == 0:
        return 0, 0
    row, column = np.unravel_index(int(inner.argmax()), inner.shape)
    return int(row), int(column)


def _strip(guesses: DiffusionSamples, spread: Image) -> str:
    side = min(_WINDOW, *spread.shape)
    top, left = most_uncertain(spread, side)
    columns: list[str] = []
    for step in guesses.steps:
        before, estimate = (
            _figure(pixels[top : top + side, left : left + side], caption, _SMALL)
            for pixels, caption in (
                (step.before, f"Step {step.step}: noise {step.noise:.0%}"), (step.estimate, "its estimate"),
            )
        )  # fmt: skip
        columns.append(f"<div>{before}{estimate}</div>")
    return (
        '<div class="sr-table-scroll" tabindex="0" role="region" aria-label="Steps of the first guess">'
        f'<div style="display:flex;gap:8px">{"".join(columns)}</div></div>'
    )


def _figure(pixels: Image, caption: str, side: int) -> str:
    image = inline_image(quantize(np.clip(pixels, 0, 1)), side, caption)
    return f'<figure style="margin:0 0 6px">{image}<figcaption class="sr-fine">{caption}</figcaption></figure>'


def _row(figures: Sequence[str]) -> str:
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px">{"".join(figures)}</div>'
