"""The tab of the patch memory: a picture rebuilt while sliders move, and a look at who answered where."""

from __future__ import annotations

from typing import Any

import gradio as gr

from sr_demo.approaches.mosaic.settings import MosaicOptions
from sr_demo.options import controls
from sr_demo.ui.controls import component
from sr_demo.ui.examples import examples
from sr_demo.ui.mosaic_handlers import BUNDLED, MosaicHandlers, memory_choices
from sr_demo.ui.offer import Context
from sr_demo.ui.source import picture_input

_SLIDERS = ("patch", "overlap", "colour", "variety")
_WORDS = """<p class="sr-prose">The picture is rebuilt from pieces of other photos: each piece is answered by the most
similar memory, found by vector search, and pasted four times larger. Nothing of the result is yours but the layout and,
as far as you let it, the colours. Small pieces follow the picture; large ones show what they are.</p>"""


def build(context: Context) -> None:
    """Lay out the tab and connect its events, in the current Gradio context."""
    handlers = MosaicHandlers(context)
    gr.HTML(_WORDS)
    with gr.Row(elem_classes="sr-top"):
        with gr.Column(scale=4, min_width=300):
            picture = picture_input(
                label="Your picture", sources=["upload", "clipboard"], height=240, elem_id="mosaic-picture", buttons=[]
            )
            thumbnails = examples("mosaic-examples")
            sliders = [component(control) for control in controls(MosaicOptions) if control.name in _SLIDERS]
            memory = gr.Radio(memory_choices({}), value=BUNDLED, label="Which memory answers?", elem_id="memory")
            with gr.Accordion("Teach it your own photos", open=False):
                drop = gr.File(
                    label="Photos, or a zip of photos", file_count="multiple", elem_id="memory-files", height=120
                )
                teach = gr.Button("Build a memory of them", elem_id="memory-build")
                gr.HTML('<p class="sr-fine">Only you can choose it; it is deleted with your pictures.</p>')
                taught = gr.HTML(elem_id="memory-words")
        with gr.Column(scale=6, min_width=300):
            result = gr.Image(
                label="Mosaic, 4 times larger", format="png", interactive=False, elem_id="mosaic-result",
                buttons=["download", "fullscreen"],
            )  # fmt: skip
            text = gr.HTML(elem_id="mosaic-words")
            inside = gr.HTML(elem_id="mosaic-inside")
            with gr.Accordion("Where the memory knew nothing (bright)", open=False):
                unknown = gr.Image(format="png", interactive=False, show_label=False, elem_id="mosaic-map", buttons=[])
    shown, known = gr.State(None), gr.State({})
    inputs: list[Any] = [picture, *sliders, memory]
    outputs: list[Any] = [shown, result, unknown, text, inside]
    lane: dict[str, Any] = {
        "concurrency_id": "compute",
        "concurrency_limit": 1,
        "api_visibility": "private",
        "show_progress": "minimal",
        "show_progress_on": [text],
    }
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    thumbnails.select(handlers.take_example, None, picture, **quiet).then(handlers.render, inputs, outputs, **lane)
    for event in (picture.upload, picture.clear, memory.change, *(slider.release for slider in sliders)):  # type: ignore[attr-defined]
        event(handlers.render, inputs, outputs, **lane)
    result.select(handlers.look_inside, shown, inside, **quiet)
    teach.click(
        handlers.teach, [drop, known], [known, memory, taught], concurrency_id="compute", concurrency_limit=1,
        api_visibility="private", show_progress_on=[taught],
    )  # fmt: skip
