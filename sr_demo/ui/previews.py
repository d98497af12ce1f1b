"""A copy that browsers can show of an upload that they cannot: HEIC and TIFF, for boxes whose value is the upload itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from sr_demo.codecs.sniff import Kind, kind_of
from sr_demo.errors import SRError
from sr_demo.ui.callers import LIGHT
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.sessions import session_of
from sr_demo.ui.source import source_of, write_preview

_NOT_SHOWN: tuple[Kind, ...] = ("HEIF", "TIFF")


def connect_preview(image: gr.Image, context: PageContext, examples: gr.HTML | None = None) -> Any:
    """Return the event that follows an upload into `image`, once the box shows it.

    Args:
        image: The box.
        context: Of the page.
        examples: Thumbnails that replace the image by an example.
    """
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", **LIGHT}

    def key(request: gr.Request) -> str:
        return f"preview {image.elem_id} {session_of(request)}"

    def show(path: str | None, request: gr.Request) -> Any:
        shown = context.stops.latest(key(request), lambda: visible(path, context))
        return gr.skip() if shown is None else shown  # the box shows another image already

    def replaced(request: gr.Request) -> None:
        context.stops.stop(key(request))

    for event in (image.clear, *([examples.select] if examples else [])):  # type: ignore[attr-defined]
        event(replaced, None, None, **quiet)
    return image.upload(show, image, image, trigger_mode="multiple", **quiet)


def visible(path: str | None, context: PageContext) -> Any:
    """Return a preview of the upload where browsers cannot show it, else no update.

    A file that cannot be read stays: what works on it says why.
    """
    try:
        if path is None or kind_of(Path(path)) not in _NOT_SHOWN:
            return gr.skip()
        with context.uploads.opened(path, context.limits) as image:
            return str(write_preview(source_of(path, image), image, context.store.new()))
    except (SRError, OSError):
        return gr.skip()
