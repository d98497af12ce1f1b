"""Bundled examples as a row of thumbnails; a click opens an example."""

from __future__ import annotations

import base64
import logging
from functools import lru_cache
from html import escape
from pathlib import Path

import cv2
import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder

from sr_demo.errors import BadInput, SRError, StorageError, quoted
from sr_demo.image import Image, quantize, read
from sr_demo.imaging.samples import EXAMPLES, Sample, write_sample
from sr_demo.system.storage import cache_folder
from sr_demo.ui.languages import marked

log = logging.getLogger("sr_demo")

_SIDE = 112
"""Side of a thumbnail in pixels: twice its size on the page, for high-density screens."""
_FIRST = "examples"
"""Id of the row whose thumbnails are part of the page; scripts copy them to the rows of the other tabs."""
_COPY = f"""
element.querySelector(".sr-examples").innerHTML = document.querySelector("#{_FIRST} .sr-examples")?.innerHTML ?? "";
"""
_ON_LOAD = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-index]");
  if (!button) return;
  (SHOW)();
  trigger("select", { index: Number(button.dataset.index), value: button.title });
});
"""


def examples(elem_id: str = _FIRST, show: str = "() => {}") -> gr.HTML:
    """Create the component; its `select` event carries the index into `EXAMPLES`.

    Args:
        elem_id: Id of the row's element.
        show: JavaScript function that is called before the event: an event's own script may run after the response.
    """
    is_first = elem_id == _FIRST
    buttons = "".join(_button(index) for index in range(len(EXAMPLES))) if is_first else ""
    on_load = _ON_LOAD.replace("SHOW", show)
    return gr.HTML(
        f'<p class="sr-label">{marked("examples")}</p><div class="sr-examples sr-words">{buttons}</div>',
        js_on_load=on_load if is_first else _COPY + on_load,
        elem_id=elem_id,
    )


def folder() -> Path:
    """Return the folder of the examples' files, which Gradio must be allowed to serve."""
    return cache_folder() / "samples"


def sample_file(sample: Sample) -> Path:
    """Write the file of one example if it is missing, and return it; it is among the uploads if the cache is read-only."""
    try:
        return write_sample(sample, folder())
    except StorageError:
        return write_sample(sample, Path(get_upload_folder()) / "samples")


def chosen_file(event: gr.EventData) -> Path:
    """Return the file of the clicked example. Raises BadInput if there is no such example."""
    index: object = getattr(event, "index", None)
    if not isinstance(index, int) or not 0 <= index < len(EXAMPLES):
        raise BadInput(f"There is no example {quoted(index)}: they count from 0 to {len(EXAMPLES) - 1}.")
    return sample_file(EXAMPLES[index])


@lru_cache
def _button(index: int) -> str:
    """Return the button of one example as HTML; empty if its image cannot be read."""
    sample = EXAMPLES[index]
    try:
        small = _square(quantize(_pixels(sample)))
    except SRError as exc:
        log.warning("the example %r is left out: %s", sample.id, exc)
        return ""
    _, encoded = cv2.imencode(".webp", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, 70])
    data = base64.b64encode(encoded.tobytes()).decode("ascii")
    title = escape(sample.title)
    return (
        f'<button type="button" data-index="{index}" title="{title}">'
        f'<img src="data:image/webp;base64,{data}" alt="{title}" width="{_SIDE // 2}" height="{_SIDE // 2}"></button>'
    )


def _pixels(sample: Sample) -> Image:
    """Return the image of an example, (H, W, 3), from its file, or generated if the file cannot be written."""
    try:
        return read(sample_file(sample)).rgb
    except StorageError:
        return sample.make()


def _square(rgb: np.ndarray) -> np.ndarray:
    """Return the central square of an image, (H, W, 3) uint8, as a thumbnail."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = np.ascontiguousarray(rgb[top : top + side, left : left + side])
    return cv2.resize(middle, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
