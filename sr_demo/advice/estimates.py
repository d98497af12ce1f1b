"""Estimates of a photo's properties from a bounded number of pixels, so that large photos take no longer than small ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from sr_demo.advice.content import is_drawing
from sr_demo.advice.jpeg_quality import quality_of_table, traces_in
from sr_demo.advice.noise import noise_of
from sr_demo.advice.spectrum import detail_end
from sr_demo.codecs.jpeg import luma_steps
from sr_demo.faces import detection
from sr_demo.image import Image, Size, bt601_luma, readonly
from sr_demo.imaging.letters import letters
from sr_demo.imaging.thumbnail import thumbnail
from sr_demo.metrics.ring_correlation import signal_end

T = TypeVar("T")
_SIDE = 512
"""Side in pixels of the central crop that is analysed at full resolution."""
_ENOUGH = 64
"""Shorter side in pixels below which the estimates from pixels are unsure."""
_WHOLE = 1024
"""Longer side in pixels of the downscaled photo in which letters are detected."""
_FACES = 640
"""Longer side in pixels of the image in which faces are detected; a third of a second faster than 1024."""
_GRID_SHOWS = 90
"""JPEG quality below which block edges add power at the highest frequencies, whatever the content."""
_RESAVED = 10
"""Difference from which a lower JPEG quality found in the pixels is attributed to an earlier compression."""
_SMALL = 250_000
_TEXTURED = 5.0
"""Noise in levels from which possible texture makes the estimate unsure; below this, confusing the two has no effect."""
_LEAST_LETTERS = 40
_LEAST_NOISE, _MOST_NOISE = 2.0, 6.0
"""Noise in levels between which `signal_end` is estimated: less noise gives no reference, more hides where detail ends."""
_OVERSAMPLED = 0.45
"""Largest `detail_end` at which every other pixel holds all the detail of an image."""


class Certainty(IntEnum):
    """Reliability of an estimate."""

    UNSURE = 0
    LIKELY = 1
    SURE = 2


@dataclass(frozen=True)
class Estimate(Generic[T]):
    """An estimated value and its certainty."""

    value: T
    certainty: Certainty


@dataclass(frozen=True)
class PhotoEstimates:
    """Estimated properties of a photo."""

    size: Size
    jpeg_quality: Estimate[int | None]
    """JPEG quality on libjpeg's scale, 1 to 100; None without traces of JPEG compression."""
    noise: Estimate[float | None]
    """Standard deviation in levels of 0 to 255."""
    detail_end: Estimate[float | None]
    """See `spectrum.detail_end`."""
    signal_end: Estimate[float | None]
    """`ring_correlation.signal_end` as a fraction of the Nyquist frequency, like `detail_end`; None where it is meaningless:
    JPEGs, sharp images, too little or too much noise."""
    drawing: Estimate[bool]
    letters: Estimate[int]
    """Number of shapes arranged in lines like small letters."""
    faces: Estimate[int | None]
    """Number of faces; None without a face detector."""

    @property
    def is_small(self) -> bool:
        """Whether the photo has fewer than 250,000 pixels."""
        return self.size.height * self.size.width < _SMALL

    @property
    def has_letters(self) -> bool:
        """Whether there are more shapes in lines than railings and windows produce by chance."""
        return self.letters.value >= _LEAST_LETTERS


def estimate(image: Image, path: Path | None = None) -> PhotoEstimates:
    """Estimate the properties of a photo.

    Args:
        image: (H, W, 3) in [0, 1].
        path: File of the photo, whose JPEG table is read; None without a file.
    """
    size = Size.of(image)
    part = _middle(image)
    luma = (255 * bt601_luma(part)).astype(np.float32)
    pixels = Certainty.LIKELY if min(size) >= _ENOUGH else Certainty.UNSURE
    with ThreadPoolExecutor(1) as beside:  # numpy and OpenCV release the GIL
        of_noise = beside.submit(_noise, part, pixels)
        of_jpeg = beside.submit(_jpeg_quality, luma, path, pixels)
        small = thumbnail(image, _WHOLE).rgb
        of_letters = beside.submit(_letters, small)
        faces = detection.detect(readonly(np.divide(small, 255, dtype=np.float32)), _FACES)
        noise, quality, lines = of_noise.result(), of_jpeg.result(), of_letters.result()
    grid = quality.value is not None and quality.value < _GRID_SHOWS
    end = detail_end(luma, noise.value or 0.0)
    detector = detection.available()
    return PhotoEstimates(
        size=size,
        jpeg_quality=quality,
        noise=noise,
        detail_end=Estimate(end, Certainty.UNSURE if grid else pixels),
        signal_end=_signal_end(part, quality, noise, end),
        drawing=Estimate(is_drawing(part), pixels),
        letters=Estimate(lines, pixels),
        faces=Estimate(
            None if detector == "none" else len(faces),
            Certainty.LIKELY if detector == "yunet" else Certainty.UNSURE,
        ),
    )


def _middle(image: Image) -> NDArray[np.float32]:
    """Return the central crop; its corner is a multiple of 8 pixels, so that it is aligned with JPEG blocks."""
    top, left = (max((side - _SIDE) // 16 * 8, 0) for side in image.shape[:2])
    return np.ascontiguousarray(image[top : top + _SIDE, left : left + _SIDE])


def _letters(small: NDArray[np.uint8]) -> int:
    return letters(np.rint(bt601_luma(small.astype(np.float32))).astype(np.uint8))


def _noise(part: NDArray[np.float32], pixels: Certainty) -> Estimate[float | None]:
    found = noise_of(part)
    if found is None:
        return Estimate(None, Certainty.UNSURE)
    texture = found.may_be_texture and found.sigma >= _TEXTURED
    return Estimate(found.sigma, Certainty.UNSURE if texture else pixels)


def _signal_end(
    part: NDArray[np.float32], quality: Estimate[int | None], noise: Estimate[float | None], end: float | None
) -> Estimate[float | None]:
    """Return `signal_end` for images that appear oversampled, never compressed, and moderately noisy; otherwise None."""
    measurable = noise.certainty is not Certainty.UNSURE and _LEAST_NOISE <= (noise.value or 0) <= _MOST_NOISE
    if quality.value is not None or not measurable or end is None or end > _OVERSAMPLED:
        return Estimate(None, Certainty.UNSURE)
    percent = signal_end(part)
    return Estimate(None if percent is None else percent / 100, noise.certainty)


def _jpeg_quality(luma: NDArray[np.float32], path: Path | None, pixels: Certainty) -> Estimate[int | None]:
    """Return the quality in the file, or that of an earlier, stronger JPEG compression that the pixels still show."""
    traces = traces_in(luma)
    seen = traces.quality
    steps = luma_steps(path) if path is not None else None
    if steps is None:
        return Estimate(seen, pixels if traces.conclusive else Certainty.UNSURE)
    stated = quality_of_table(steps)
    if seen is not None and seen < stated - _RESAVED:
        return Estimate(seen, pixels)
    return Estimate(stated, Certainty.SURE)
