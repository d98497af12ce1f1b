"""Writers of the largest accepted image of every file format, for measurements of memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from sr_demo.image import ImageData, readonly, write_png
from sr_demo.system.large_array import bands, zeros

_PATTERN = 32


@dataclass(frozen=True)
class Kind:
    """A kind of file, and the size of the largest accepted image of this kind."""

    title: str
    suffix: str
    height: int
    width: int
    write: Callable[[int, int, Path], None]

    @property
    def megapixels(self) -> int:
        """Megapixels of the largest accepted image."""
        return round(self.height * self.width / 1e6)


def write_large(kind: str, height: int, width: int, file: Path) -> None:
    """Write an image with detail everywhere.

    Args:
        kind: A key of `KINDS`.
        height: Height in pixels.
        width: Width in pixels.
        file: File to write.
    """
    KINDS[kind].write(height, width, file)


def _detail(height: int, width: int, *, gray: bool = False) -> NDArray[np.float32]:
    """Return (H, W, 3) in [0, 1] with repeating detail, so that files within the byte limit reach the pixel limit."""
    rng = np.random.default_rng(0)
    pattern = rng.random((_PATTERN, _PATTERN, 3), np.float32)
    if gray:
        pattern[...] = pattern[..., :1]
    row = np.tile(pattern, (1, -(-width // _PATTERN), 1))[:, :width]
    rgb = zeros(height, width, 3)
    for rows in bands(rgb):
        rgb[rows] = row[np.arange(rows.start, rows.stop) % _PATTERN]
    return readonly(rgb)


def _png(height: int, width: int, file: Path, *, gray: bool = False, opacity: bool = False, deep: bool = False) -> None:
    rgb = _detail(height, width, gray=gray)
    alpha = readonly(np.clip(rgb[..., 0] * 2 - 0.5, 0, 1)) if opacity else None
    write_png(ImageData(rgb, alpha, gray, 16 if deep else 8), file, level=1)


def _tiff(height: int, width: int, file: Path, *, dtype: Any = np.uint16, compression: str | None = None) -> None:
    import tifffile

    rgb = _detail(height, width)
    levels = np.empty(rgb.shape, dtype)
    for rows in bands(rgb, levels):
        levels[rows] = rgb[rows] if levels.dtype.kind == "f" else np.rint(rgb[rows] * np.iinfo(dtype).max)
    tifffile.imwrite(file, levels, photometric="rgb", compression=compression)


def _by_pillow(height: int, width: int, file: Path, *, mode: str = "RGB", frames: int = 1, **options: Any) -> None:
    rgb = _detail(height, width)
    levels = np.empty(rgb.shape, np.uint8)
    for rows in bands(rgb, levels):
        levels[rows] = np.rint(rgb[rows] * 255)
    image = Pillow.fromarray(levels).convert(mode)
    more = {"save_all": True, "append_images": [image.rotate(180 * n) for n in range(1, frames)]} if frames > 1 else {}
    image.save(file, **more, **options)


def _heic(height: int, width: int, file: Path) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    _by_pillow(height, width, file, quality=30)


def _progressive(height: int, width: int, file: Path) -> None:
    _by_pillow(height, width, file, quality=30, progressive=True, subsampling=0)


def _webp(height: int, width: int, file: Path) -> None:
    _by_pillow(height, width, file, frames=2, method=0, quality=20)


def _float(height: int, width: int, file: Path) -> None:
    _tiff(height, width, file, dtype=np.float32, compression="zlib")


_FULL = (9999, 9999)
KINDS: dict[str, Kind] = {
    "png": Kind("PNG, RGB", "png", *_FULL, _png),
    "gray": Kind("PNG, gray", "png", *_FULL, lambda h, w, file: _png(h, w, file, gray=True)),
    "rgba": Kind("PNG, RGBA", "png", *_FULL, lambda h, w, file: _png(h, w, file, opacity=True)),
    "rgba16": Kind("PNG, RGBA, 16 bit", "png", *_FULL, lambda h, w, file: _png(h, w, file, opacity=True, deep=True)),
    "jpeg": Kind("JPEG", "jpg", *_FULL, lambda h, w, file: _by_pillow(h, w, file, quality=30)),
    "progressive": Kind("JPEG, progressive", "jpg", *_FULL, _progressive),
    "cmyk": Kind("JPEG, CMYK", "jpg", *_FULL, lambda h, w, file: _by_pillow(h, w, file, quality=30, mode="CMYK")),
    "tiff16": Kind("TIFF, 16 bit", "tif", 4000, 4000, _tiff),
    "deflate": Kind("TIFF, 16 bit, deflate", "tif", *_FULL, lambda h, w, file: _tiff(h, w, file, compression="zlib")),
    "float": Kind("TIFF, floating point", "tif", 8160, 8160, _float),
    "gif": Kind("GIF, two frames", "gif", *_FULL, lambda h, w, file: _by_pillow(h, w, file, mode="P", frames=2)),
    "webp": Kind("WebP, two frames", "webp", *_FULL, _webp),
    "bmp": Kind("BMP", "bmp", 5900, 5900, _by_pillow),
    "heic": Kind("HEIC", "heic", 5900, 5900, _heic),
    "avif": Kind("AVIF", "avif", 8000, 8000, lambda h, w, file: _by_pillow(h, w, file, speed=10)),
}  # fmt: skip
"""The kinds by name. BMP and plain TIFF are limited by their bytes, floating point by the bytes of its samples; AVIF of
100 MP takes minutes to write; one HEVC picture has at most 35,651,584 pixels (ITU-T H.265, level 6.2)."""
