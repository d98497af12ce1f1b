"""The uploaded image: the untouched file, its preview on the page, and the region to work on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import gradio as gr
import numpy as np

from sr_demo.image import ImageData, Size, crop, encode_png, quantize
from sr_demo.imaging.resize import resize
from sr_demo.ui.door import uploaded
from sr_demo.ui.languages import marked, word
from sr_demo.ui.small_image import on_background

PREVIEW_SIDE = 768
"""Longest side of the preview in pixels."""
REGION_SIDES = (128, 256, 512)
_TINY = 8
"""Pixels of the shorter side of a picture in which there is next to nothing to enlarge."""
NO_PHOTO = "There is no picture yet. Drop one into the box, or click an example."


def image_input(**arguments: Any) -> gr.Image:
    """Return a `gr.Image` whose value is the path of the untouched upload, or None; `arguments` are Gradio's.

    Gradio's own preprocessing would decode the file before we can say in plain words what is wrong with it. It is
    replaced on this one component, and by `door.guard` on those that Gradio makes from it; for a subclass Gradio would
    write a stub file into the source tree.
    """
    component = gr.Image(image_mode=None, format="png", **arguments)
    component.preprocess = _path_of
    return component


def _path_of(payload: Any) -> str | None:
    return None if payload is None or payload.path is None else str(uploaded(payload.path))


def files_input(**arguments: Any) -> gr.File:
    """Return a `gr.File` for several files whose value is their paths, or None; `arguments` are Gradio's.

    Gradio's own preprocessing writes an empty file beside each.
    """
    component = gr.File(file_count="multiple", **arguments)
    component.preprocess = _paths_of
    return component


def _paths_of(payload: Any) -> list[str] | None:
    return None if payload is None else [str(uploaded(file.path)) for file in payload.root]


def enabled_with(path: str | None) -> gr.Button:
    """Return the update of a button that works on an upload: there is nothing to press before one is there."""
    return gr.Button(interactive=path is not None)


class Box(NamedTuple):
    """A rectangle inside an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Source:
    """An uploaded image and the part of it to work on."""

    path: str
    name: str
    width: int
    height: int
    notes: tuple[str, ...]
    """What reading the file changed, in sentences."""
    region_side: int | None = None
    """Side of the square region in pixels, None for the whole image."""
    centre: tuple[float, float] = (0.5, 0.5)
    """Centre (x, y) of the region as fractions of width and height."""
    opacity: bool = False
    """Whether it has an alpha channel, which most methods upscale in a second run."""

    def box(self) -> Box:
        """Return the region, moved to lie inside the image."""
        if self.region_side is None:
            return Box(0, 0, self.height, self.width)
        height, width = min(self.region_side, self.height), min(self.region_side, self.width)
        top = round(self.centre[1] * self.height - height / 2)
        left = round(self.centre[0] * self.width - width / 2)
        return Box(min(max(top, 0), self.height - height), min(max(left, 0), self.width - width), height, width)

    def whole(self) -> Source:
        """Return it with all of the image as the region."""
        return replace(self, region_side=None)

    def is_part(self) -> bool:
        """Return whether the region is smaller than the image."""
        box = self.box()
        return box.height * box.width < self.width * self.height

    def size_within(self, longest: int | None) -> tuple[int, int]:
        """Return (height, width) of the region, scaled down to a longer side of at most `longest`."""
        box = self.box()
        ratio = 1.0 if longest is None else min(1.0, longest / max(box.height, box.width))
        return max(round(box.height * ratio), 1), max(round(box.width * ratio), 1)

    def moved(self, x: float, y: float) -> Source:
        """Return the same with the region's centre at the fractions `x`, `y`."""
        return replace(self, centre=(x, y))


def source_of(path: str, image: ImageData) -> Source:
    """Return the whole of `image`, which was read from the upload at `path`."""
    height, width = image.rgb.shape[:2]
    return Source(path, image.name, width, height, image.notes, opacity=image.alpha is not None)


def cut(source: Source, image: ImageData, longest: int | None = None) -> ImageData:
    """Return the region of an image.

    Args:
        source: Says where it lies.
        image: The whole image.
        longest: Its longer side is downscaled to this many pixels where it is longer.
    """
    box = source.box()
    part = image if (box.height, box.width) == image.rgb.shape[:2] else crop(image, *box)
    size = source.size_within(longest)
    if size == (box.height, box.width):
        return part
    alpha = None if part.alpha is None else resize(part.alpha, size)
    return replace(part, pixels=resize(part.rgb, size), alpha=alpha)


def write_preview(source: Source, image: ImageData, folder: Path) -> Path:
    """Write a PNG for the input box, with the region outlined, so that any upload format becomes visible.

    Args:
        source: Says where the region lies.
        image: The whole image.
        folder: Where to write; the file is called preview.png.

    Returns:
        The file, with a longest side of at most `PREVIEW_SIDE` pixels.
    """
    ratio = min(1.0, PREVIEW_SIDE / max(source.width, source.height))
    height, width = max(round(source.height * ratio), 1), max(round(source.width * ratio), 1)
    small = quantize(on_background(image, Size(height, width), "area"))
    if source.is_part():
        top, left, rows, columns = (round(v * ratio) for v in source.box())
        outline = max(2, max(height, width) // 200)
        corners = (left, top), (left + columns - 1, top + rows - 1)
        cv2.rectangle(small, *corners, (0, 0, 0), outline + 2)
        cv2.rectangle(small, *corners, (255, 255, 255), outline)
    rgb = np.divide(small, np.float32(255), dtype=np.float32)
    target = folder / "preview.png"
    target.write_bytes(encode_png(ImageData(rgb, icc=None if image.gray else image.icc)))
    return target


def describe(source: Source | None) -> str:
    """Return HTML: what the image is, what reading it changed, and where the region lies."""
    if source is None:
        return ""
    megapixels = source.width * source.height / 1e6
    size = f"{source.width} × {source.height} {marked('pixels')}"
    size += f", {megapixels:.1f} {marked('megapixels')}" if megapixels >= 1 else ""
    lines = [f"<b>{escape(source.name)}</b>: {size}.", *map(word, source.notes)]
    if min(source.width, source.height) < _TINY:
        lines.append(marked("photo_tiny"))
    if source.is_part():
        box = source.box()
        size, place = f"{box.width} × {box.height}", f"({box.left}, {box.top})"
        lines.append(marked("photo_part", size=size, place=place))
    return f'<p class="sr-fine">{" ".join(lines)}</p>'
