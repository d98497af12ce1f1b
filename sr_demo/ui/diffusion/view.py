"""The view of the Diffusion tab: the samples ("guesses") in a viewer, a map of their spread, and the steps of the first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from sr_demo.diffusion.upscaler import DiffusionSamples
from sr_demo.image import Image, ImageData, Size, quantize, write_png
from sr_demo.reports import formatting
from sr_demo.ui.html import inline_image
from sr_demo.ui.viewer.viewer import ViewerImage, file_url

_SMALL = 132
"""Side of a figure in CSS pixels."""
_WINDOW = 96
"""Side of the crop whose steps are shown, in pixels of the result."""
_LEAST = 0.01
"""Smallest maximum of the colour scale, so that samples that hardly differ do not appear different."""


@dataclass
class SampleImages:
    """The images of one run in the viewer, with placeholders for those that are not finished."""

    folder: Path
    """Folder that the images are written to."""
    small: Image
    """(H, W, 3) float32 in [0, 1], the input."""
    count: int
    """Number of samples in the run."""
    there: dict[str, ViewerImage] = field(default_factory=dict[str, ViewerImage])

    def __post_init__(self) -> None:
        self._add("input", self.small)

    def add(self, samples: DiffusionSamples) -> None:
        """Write the new images of `samples`, and the map of their spread after the last one."""
        for name, image in named_images(samples):
            self._add(name, image)
        if len(samples.results) == self.count:
            self._add(*spread_of(samples))

    def images(self, step: str = "", fraction: float = 0.0) -> list[ViewerImage]:
        """Return all images and placeholders; the first placeholder shows `step` and a progress bar at `fraction`."""
        names = ["input", "start", *(f"guess-{number}" for number in range(1, self.count + 1)), "spread"]
        missing = [name for name in names if name not in self.there]
        boxes = {name: self._box(name, "waiting") for name in missing}
        if step and missing:
            boxes[missing[0]] = replace(boxes[missing[0]], status=step, fraction=fraction)
        return [self.there.get(name) or boxes[name] for name in names]

    def _add(self, name: str, image: Image) -> None:
        if name not in self.there:
            path = self.folder / f"{name}.png"
            write_png(ImageData(image), path)
            size = Size.of(image)
            box = self._box(name, "")
            alt = f"{box.label}, {size.width} by {size.height} pixels"
            self.there[name] = replace(box, url=file_url(path), width=size.width, height=size.height, alt=alt)

    def _box(self, name: str, status: str) -> ViewerImage:
        height, width = (4 * side for side in self.small.shape[:2])
        label, note = title(name)
        return ViewerImage(name, label, "", width, height, f"{label}, not there yet", note=note, status=status)


_TITLES = {
    "input": ("Your photo", "what every guess starts from"),
    "start": ("Start image", "RDN (ours), no guess"),
    "spread": ("Where it is guessing", "yellow: the guesses differ"),
}


def named_images(samples: DiffusionSamples) -> Iterator[tuple[str, Image]]:
    """Yield the name and image of the start image and of each sample so far."""
    yield "start", samples.start
    yield from ((f"guess-{number}", result) for number, result in enumerate(samples.results, 1))


def spread_of(samples: DiffusionSamples) -> tuple[str, Image]:
    """Return the name of the map of the samples' spread, and the map, (H, W, 3) float32 in [0, 1]."""
    spread = samples.spread()
    return "spread", heat(spread, scale_top(spread))


def title(name: str) -> tuple[str, str]:
    """Return the label and the note of the image named `name`."""
    return _TITLES.get(name) or (f"Guess {name.rpartition('-')[2]}", "may invent detail: do not measure in it")


def explained(guesses: DiffusionSamples, seconds: float) -> str:
    """Return HTML that explains the spread and shows the steps of the first sample.

    Args:
        guesses: All samples.
        seconds: Seconds that all samples took.
    """
    spread = guesses.spread()
    top = scale_top(spread)
    count = len(guesses.results)
    return (
        f'<div class="sr-words"><p class="sr-fine">{count} guesses of the same picture in {formatting.seconds(seconds)}. '
        'They agree where your picture decides, and differ where the detail is invented. In "Where it is guessing", dark: '
        f"all guesses agree. Yellow: their brightness differs by {top:.1%} of the full range or more (standard deviation "
        f"over {count} guesses). Do not measure there.</p>"
        '<h3>Step by step</h3><p class="sr-fine">The part where guesses differ most, on its way to guess 1. Above: what '
        "the network gets. Below: the clean picture it estimates. Between steps, some noise is put back, less "
        f"each time.</p>{_strip(guesses, spread)}</div>"
    )


def scale_top(spread: Image) -> float:
    """Return the maximum of the colour scale: the 99.5th percentile of `spread`, at least `_LEAST`.

    Args:
        spread: (H, W) float32, standard deviation of the luma in [0, 0.5].
    """
    return max(float(np.quantile(spread, 0.995)), _LEAST)


def heat(spread: Image, top: float) -> Image:
    """Map a spread to viridis colours.

    Args:
        spread: (H, W) float32, standard deviation of the luma in [0, 0.5].
        top: Spread that is mapped to the last colour, as are larger ones.

    Returns:
        (H, W, 3) float32 in [0, 1].
    """
    levels = np.round(np.clip(spread / top, 0, 1) * 255).astype(np.uint8)
    coloured = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    return np.divide(coloured, 255, dtype=np.float32)


def most_uncertain(spread: Image, side: int) -> tuple[int, int]:
    """Find the square whose mean spread is largest.

    Args:
        spread: (H, W) float32, standard deviation of the luma in [0, 0.5].
        side: Side of the square in pixels.

    Returns:
        Top and left of the square in pixels.
    """
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
