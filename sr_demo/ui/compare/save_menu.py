"""The Save menu: a result in another format, with its size in MB, and all results in a zip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote

import gradio as gr

from sr_demo.codecs.formats import FORMATS, Output
from sr_demo.codecs.sniff import kind_of
from sr_demo.errors import BadInput, SRError, unexpected
from sr_demo.image import read
from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.compare.saving import GONE, Saved
from sr_demo.ui.html import fine_print, problem
from sr_demo.ui.method_choices import Context
from sr_demo.ui.updates import Updates

_ADDRESS = "gradio_api/file="
_SHOW = """() => { requestAnimationFrame(() => {
  document.getElementById("save-menu")?.scrollIntoView({ behavior: "smooth", block: "nearest" });
}); return []; }"""


@dataclass(frozen=True)
class SaveMenu:
    """The components of the menu."""

    box: gr.Group
    title: gr.HTML
    result: gr.State
    """Path of the PNG file to save, or None."""
    format: gr.Radio
    bits: gr.Radio
    quality: gr.Slider
    private: gr.Checkbox
    about: gr.HTML
    """Size of the file, and what it keeps."""
    file: gr.DownloadButton
    pack: gr.Button
    packed: gr.DownloadButton
    close: gr.Button

    def choices(self) -> list[Any]:
        """Return what decides how a file is written, in the order that handlers take it."""
        return [self.result, self.format, self.bits, self.quality, self.private]


def lay_out() -> SaveMenu:
    """Lay out the menu, hidden, in the current Gradio context."""
    with gr.Group(visible=False, elem_id="save-menu") as box:
        title = gr.HTML(elem_id="save-title")
        form = gr.Radio(
            [(found.title, found.name) for found in FORMATS.values()], value="png", label="Format",
            elem_id="save-format", elem_classes="sr-chips", container=False,
        )  # fmt: skip
        bits = gr.Radio(
            [("16 bits per channel", "16"), ("8 bits", "8")], value="8", label="Depth", visible=False,
            elem_id="save-bits", elem_classes="sr-chips", container=False,
        )  # fmt: skip
        quality = gr.Slider(1, 100, 95, step=1, label="Quality", visible=False, elem_id="save-quality")
        private = gr.Checkbox(False, label="", visible=False, elem_id="save-private", container=False)
        about = gr.HTML(elem_id="save-about")
        with gr.Row(elem_classes="sr-downloads"):
            file = gr.DownloadButton("Save", variant="primary", size="sm", elem_id="save-file", interactive=False)
            pack = gr.Button("All results like this (zip)", size="sm", elem_id="save-pack")
            packed = gr.DownloadButton("Download the zip", visible=False, size="sm", elem_id="save-packed")
            close = gr.Button("Close", size="sm", elem_id="save-close")
    return SaveMenu(box, title, gr.State(None), form, bits, quality, private, about, file, pack, packed, close)


def connect(context: Context, menu: SaveMenu, viewer: gr.HTML, progress_on: gr.HTML) -> None:
    """Connect the menu's events.

    Args:
        context: Holds what encodes.
        menu: From `lay_out`.
        viewer: Its event `select` opens the menu for one image.
        progress_on: Cleared of nothing; Gradio shows progress of the zip in `menu.about` alone.
    """


class SaveHandlers:
    """Reads and writes the menu's components. Stateless apart from what it is made of."""

    def __init__(self, context: Context, menu: SaveMenu) -> None:
        self._saving, self._context, self._menu = context.saving, context, menu

    def open(self, event: gr.EventData) -> Updates:
        """Open the menu for the image whose button was pressed, in the format of the photo it was made from."""
        menu = self._menu
        url, label = (str(getattr(event, name, "") or "") for name in ("url", "label"))
        try:
            result = self._saving.result(unquote(url.partition(_ADDRESS)[2]))
        except BadInput as exc:
            return {menu.box: gr.Group(visible=True), menu.title: problem(str(exc)), menu.result: None}
        return {menu.result: str(result), menu.title: label}
