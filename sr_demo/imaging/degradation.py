"""Degradation of HR images to LR images, for tests against a reference.

`bicubic` is the degradation of published scores; `degrade` imitates photos on the web: blurred, downscaled, noisy, and saved
as JPEG.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from math import ceil

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import JpegImagePlugin

from sr_demo.errors import BadInput
from sr_demo.image import Image, Size, quantize, readonly
from sr_demo.imaging.resize import crop_to_multiple, downscale, resize
from sr_demo.options import Options, option
from sr_demo.system import large_array

_LARGEST_JPEG = 65_500
"""libjpeg's limit in pixels per side."""


@dataclass(frozen=True)
class Realistic(Options):
    """Strength of the realistic degradation. The defaults give a typical poor photo from the web."""

    blur: float = option(
        1.2, "Blur", "Softness before downscaling: sigma of a Gaussian, in pixels of the large picture.",
        minimum=0, maximum=4, step=0.1,
    )  # fmt: skip
    noise: float = option(
        6, "Noise", "Grain after downscaling: standard deviation, in levels of 0 to 255.", minimum=0, maximum=50, step=1
    )
    quality: int = option(
        60, "JPEG quality", "How strongly the small version is compressed: 10 is blocky, 100 nearly untouched.",
        minimum=10, maximum=100, step=1,
    )  # fmt: skip
    seed: int = option(
        0, "Seed", "Which noise: the same number gives the same picture again.", minimum=0, maximum=2**31 - 1, step=1
    )


def bicubic(image: Image, scale: int) -> Image:
    """Downscale as for published scores: antialiased bicubic, rounded to 8 bit.

    Args:
        image: (H, W, 3) in [0, 1].
        scale: Scale factor.

    Returns:
        (H // scale, W // scale, 3) in [0, 1].

    Raises:
        BadInput: A side is shorter than `scale`.
    """
    _check(image, scale)
    return downscale(image, scale)


def degrade(image: Image, scale: int, settings: Realistic) -> Image:
    """Degrade an image: blur, antialiased bicubic downscaling, Gaussian noise, JPEG 4:2:0. Deterministic.

    Args:
        image: (H, W, 3) in [0, 1].
        scale: Scale factor.
        settings: Strength of each step.

    Returns:
        (H // scale, W // scale, 3) in [0, 1], the decoded JPEG.

    Raises:
        BadInput: A side is shorter than `scale`, or the result is too large for a JPEG file.
    """
    _check(image, scale)
    cropped = crop_to_multiple(image, scale)
    size = Size(cropped.shape[0] // scale, cropped.shape[1] // scale)
    if max(size) > _LARGEST_JPEG:
        raise BadInput(
            f"A JPEG file holds at most {_LARGEST_JPEG} pixels per side, and this small version would have "
            f"{max(size)}. Choose a part of it, or bicubic downscaling."
        )
    if settings.blur > 0:
        cropped = _blurred(cropped, settings.blur)
    lr = resize(cropped, size)
    if settings.noise > 0:
        grain = np.random.default_rng(settings.seed).standard_normal(lr.shape, np.float32)
        lr = np.clip(lr + grain * np.float32(settings.noise / 255), 0, 1)
    return _jpeg(lr, settings.quality)


def _blurred(image: Image, sigma: float) -> Image:
    """Return `image` blurred by a Gaussian, in bands of rows, with reflection at the border."""
    reach = ceil(4 * sigma) + 1  # OpenCV truncates the kernel at four standard deviations
    out = large_array.zeros(*image.shape)
    for rows in large_array.bands(image, out, least=4 * reach):
        low, high = max(rows.start - reach, 0), min(rows.stop + reach, len(image))
        blurred = cv2.GaussianBlur(image[low:high], (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        out[rows] = blurred[rows.start - low : rows.stop - low]
    return readonly(out)


def _check(image: Image, scale: int) -> None:
    """Raise BadInput when a side is shorter than `scale`."""
    height, width = Size.of(image)
    if min(height, width) < scale:
        raise BadInput(
            f"A picture of {width} x {height} pixels is too small to be downscaled {scale} times: "
            f"it needs at least {scale} x {scale}."
        )


def _jpeg(image: Image, quality: int) -> Image:
    """Encode as JPEG and decode again, with 4:2:0 chroma as phones and web sites save it."""
    file = BytesIO()
    Pillow.fromarray(quantize(image)).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    file.seek(0)
    with JpegImagePlugin.JpegImageFile(file) as decoded:
        return readonly(np.divide(np.asarray(decoded), np.float32(255), dtype=np.float32))
