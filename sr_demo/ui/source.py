"""The person's picture: kept as the untouched upload, shown as a preview, cut to a region."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np

from sr_demo.image import ImageData, Limits, crop, encode_png, quantize, read
from sr_demo.imaging.resize import resize
from sr_demo.ui.door import uploaded

PREVIEW_SIDE = 768
REGION_SIDES = (128, 256, 512)


def image_input(**arguments: Any) -> gr.Image:
    """A `gr.Image` that hands over the path of the untouched upload, or None. `arguments` are Gradio's.

    Gradio's own preprocessing would decode the file before we can say in plain words what is wrong with it. It is
    replaced on this one component: for a subclass Gradio would write a stub file into the source tree.
    """
    component = gr.Image(image_mode=None, format="png", **arguments)
    component.preprocess = _path_of
    return component


def _path_of(payload: Any) -> str | None:
    return None if payload is None or payload.path is None else str(uploaded(payload.path))


def files_input(**arguments: Any) -> gr.File:
    """A `gr.File` for several files that hands over their paths, or None. `arguments` are Gradio's.

    Gradio's own preprocessing makes an empty file beside each.
    """
    component = gr.File(file_count="multiple", **arguments)
    component.preprocess = _paths_of
    return component


def _paths_of(payload: Any) -> list[str] | None:
    return None if payload is None else [str(uploaded(file.path)) for file in payload.root]


@dataclass(frozen=True)
class Source:
    """What was chosen to be enlarged."""

    path: str
    name: str
    width: int
    height: int
    notes: tuple[str, ...]
    region_side: int | None = None
    """Side of the square region, None for the whole picture."""
    centre: tuple[float, float] = (0.5, 0.5)
    """Middle of the region as fractions of width and height."""
    opacity: bool = False
    """Whether it has an alpha channel, which most methods enlarge in a second run."""

    def box(self) -> tuple[int, int, int, int]:
        """Top, left, height, width of what will be enlarged, inside the picture."""
        if self.region_side is None:
            return 0, 0, self.height, self.width
        height, width = min(self.region_side, self.height), min(self.region_side, self.width)
        top = round(self.centre[1] * self.height - height / 2)
        left = round(self.centre[0] * self.width - width / 2)
        return min(max(top, 0), self.height - height), min(max(left, 0), self.width - width), height, width

    def pixels(self) -> int:
        """How many pixels will be worked on."""
        _, _, height, width = self.box()
        return height * width

    def size_within(self, longest: int | None) -> tuple[int, int]:
        """Height and width of what will be worked on, with its longer side shrunk to `longest` where it is longer."""
        _, _, height, width = self.box()
        ratio = 1.0 if longest is None else min(1.0, longest / max(height, width))
        return max(round(height * ratio), 1), max(round(width * ratio), 1)

    def moved(self, x: float, y: float) -> Source:
        """The same with the region's middle at the fractions `x`, `y`."""
        return replace(self, centre=(x, y))


def open_source(path: str, limits: Limits) -> tuple[Source, ImageData]:
    """Read an upload. Raises BadInput with the sentence to show."""
    picture = read(Path(path), limits)
    height, width = picture.rgb.shape[:2]
    return Source(path, picture.name, width, height, picture.notes, opacity=picture.alpha is not None), picture


def cut(source: Source, picture: ImageData, longest: int | None = None) -> ImageData:
    """The part of the picture that will be worked on, with its longer side shrunk to `longest` where it is longer."""
    top, left, height, width = source.box()
    part = picture if (height, width) == picture.rgb.shape[:2] else crop(picture, top, left, height, width)
    size = source.size_within(longest)
    if size == (height, width):
        return part
    alpha = None if part.alpha is None else resize(part.alpha, size)
    return replace(part, rgb=resize(part.rgb, size), alpha=alpha)


def write_preview(source: Source, picture: ImageData, folder: Path) -> Path:
    """A PNG of at most 768 px a side for the input box, with the region outlined; any upload format becomes visible."""
    shrink = min(1.0, PREVIEW_SIDE / max(source.width, source.height))
    size = (max(round(source.width * shrink), 1), max(round(source.height * shrink), 1))
    small = quantize(resize(picture.rgb, (size[1], size[0]), "area"))
    if source.region_side is not None and source.pixels() < source.width * source.height:
        top, left, height, width = (round(v * shrink) for v in source.box())
        outline = max(2, max(size) // 200)
        cv2.rectangle(small, (left, top), (left + width - 1, top + height - 1), (0, 0, 0), outline + 2)
        cv2.rectangle(small, (left, top), (left + width - 1, top + height - 1), (255, 255, 255), outline)
    preview = ImageData(
        np.divide(small, np.float32(255), dtype=np.float32),
        None,
        False,
        8,
        None if picture.gray else picture.icc,
        source.name,
        (),
    )
    target = folder / "preview.png"
    target.write_bytes(encode_png(preview))
    return target


def describe(source: Source | None) -> str:
    """HTML: what the picture is, what happened to it on the way in, and where the region lies."""
    if source is None:
        return ""
    megapixels = source.width * source.height / 1e6
    size = f"{source.width} × {source.height} pixels" + (f", {megapixels:.1f} megapixels" if megapixels >= 1 else "")
    lines = [f"<b>{escape(source.name)}</b>: {size}.", *map(escape, source.notes)]
    if source.region_side is not None and source.pixels() < source.width * source.height:
        top, left, height, width = source.box()
        lines.append(
            f"Working on the part of {width} × {height} pixels at ({left}, {top}): click in the picture to move it."
        )
    return f'<p class="sr-fine">{" ".join(lines)}</p>'
