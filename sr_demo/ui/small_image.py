"""An uploaded image, downscaled for tabs that recompute while a control moves."""

from __future__ import annotations

from pathlib import Path

from sr_demo.image import Image, Limits, read
from sr_demo.imaging.resize import resize


def read_small(path: str, side: int, limits: Limits) -> Image:
    """Read an image file, and downscale the image if it is larger than `side`.

    Args:
        path: The file.
        side: Largest height and width of the result in pixels.
        limits: Limits on the file and the image.

    Returns:
        (H, W, 3) float32 in [0, 1].

    Raises:
        BadInput: The file is not an image, or exceeds `limits`.
    """
    rgb = read(Path(path), limits).rgb
    height, width = rgb.shape[:2]
    ratio = min(1.0, side / max(height, width))
    if ratio == 1.0:
        return rgb
    return resize(rgb, (max(round(height * ratio), 1), max(round(width * ratio), 1)))
