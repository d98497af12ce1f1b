"""The uploaded image: its original file, its preview on the page, and the region to work on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import gradio as gr
import numpy as np

from sr_demo.image import ImageData, crop, encode_png, quantize
from sr_demo.imaging.resize import resize
from sr_demo.ui.languages import marked, word
from sr_demo.ui.request_validation import upload_path
from sr_demo.ui.small_image import downscaled

PREVIEW_SIDE = 768
"""Longest side of the preview in pixels."""
REGION_SIDES = (128, 256, 512)
_TINY = 8
"""Shorter side in pixels below which the page notes that an image is very small."""
NO_PHOTO = "There is no picture yet. Drop one into the box, or click an example."


def image_input(**arguments: Any) -> gr.Image:
    """Return a `gr.Image` whose value is the path of the original upload, or None; `arguments` are Gradio's.

    Gradio's own preprocessing would decode the file before we can say in plain words what is wrong with it. It is
    replaced on this one component, and by `request_validation.validate_requests` on those that Gradio makes from it; for
    a subclass Gradio would write a stub file into the source tree.
    """
    component = gr.Image(image_mode=None, format="png", **arguments)
    component.preprocess = _path_of
    return component


def _path_of(payload: Any) -> str | None:
    return None if payload is None or payload.path is None else str(upload_path(payload.path))


def files_input(**arguments: Any) -> gr.File:
    """Return a `gr.File` for several files whose value is their paths, or None; `arguments` are Gradio's.

    Gradio's own preprocessing writes an empty file beside each.
    """
    component = gr.File(file_count="multiple", **arguments)
    component.preprocess = _paths_of
    return component


def _paths_of(payload: Any) -> list[str] | None:
    return None if payload is None else [str(upload_path(file.path)) for file in payload.root]


def enabled_with(path: str | None) -> gr.Button:
    """Return the update of a button that needs an upload: enabled only if `path` is given."""
    return gr.Button(interactive=path is not None)


class Box(NamedTuple):
    """A rectangle inside an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Source:
    """An uploaded image and the region of it to work on."""

    path: str
    name: str
    width: int
    height: int
    notes: tuple[str, ...]
    """Sentences on changes that reading the file has made."""
    region_side: int | None = None
    """Side of the square region in pixels, None for the whole image."""
    centre: tuple[float, float] = (0.5, 0.5)
    """Centre (x, y) of the region as fractions of width and height, where comparisons are shown first as well."""
    chosen: bool = False
    """Whether the visitor has chosen the size or the place of the region."""
    opacity: bool = False
    """Whether the image has an alpha channel, which most methods upscale in a second run."""

    def box(self) -> Box:
        """Return the region, moved to lie inside the image."""
        if self.region_side is None:
            return Box(0, 0, self.height, self.width)
        height, width = min(self.region_side, self.height), min(self.region_side, self.width)
        top = round(self.centre[1] * self.height - height / 2)
        left = round(self.centre[0] * self.width - width / 2)
        return Box(min(max(top, 0), self.height - height), min(max(left, 0), self.width - width), height, width)

    def whole(self) -> Source:
        """Return a copy with the whole image as the region."""
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

    def centre_in_region(self) -> tuple[float, float]:
        """Return the centre as fractions of the region: not its middle if the region was moved to lie inside the image."""
        box = self.box()
        x, y = self.centre[0] * self.width - box.left, self.centre[1] * self.height - box.top
        return x / box.width, y / box.height


def source_of(path: str, image: ImageData, centre: tuple[float, float] = (0.5, 0.5)) -> Source:
    """Return the source for an image from the upload at `path`, with the whole image as the region."""
    height, width = image.rgb.shape[:2]
    return Source(path, image.name, width, height, image.notes, centre=centre, opacity=image.alpha is not None)


def cut(source: Source, image: ImageData, longest: int | None = None) -> ImageData:
    """Return the region of an image.

    Args:
        source: Position of the region.
        image: The whole image.
        longest: Largest side of the result in pixels, to which a larger region is downscaled; None for no limit.
    """
    box = source.box()
    part = image if (box.height, box.width) == image.rgb.shape[:2] else crop(image, *box)
    size = source.size_within(longest)
    if size == (box.height, box.width):
        return part
    alpha = None if part.alpha is None else resize(part.alpha, size)
    return replace(part, pixels=resize(part.rgb, size), alpha=alpha)


def write_preview(source: Source, image: ImageData, folder: Path) -> Path:
    """Write a preview as PNG, which browsers can show for any upload format, with the region outlined.

    Args:
        source: Position of the region.
        image: The whole image.
        folder: Folder to write preview.png to.

    Returns:
        The file; its longer side has at most `PREVIEW_SIDE` pixels.
    """
    small = quantize(downscaled(image, PREVIEW_SIDE, "area"))
    if source.is_part():
        height, width = small.shape[:2]
        ratio = min(1.0, PREVIEW_SIDE / max(source.width, source.height))
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
    """Return HTML with name and size of the image, the notes on its reading, and how a region is moved."""
    if source is None:
        return ""
    megapixels = source.width * source.height / 1e6
    size = f"{source.width} × {source.height} {marked('pixels')}"
    size += f", {megapixels:.1f} {marked('megapixels')}" if megapixels >= 1 else ""
    name = escape(source.name)
    lines = [*map(word, source.notes)]
    if min(source.width, source.height) < _TINY:
        lines.append(marked("photo_tiny"))
    if source.is_part():
        lines.append(marked("photo_part"))
    rest = f'<p class="sr-fine">{" ".join(lines)}</p>' if lines else ""
    return f'<p class="sr-fine sr-photo-name"><b title="{name}">{name}</b><span>: {size}.</span></p>{rest}'
