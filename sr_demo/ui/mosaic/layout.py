"""The tab of the patch memory: a picture rebuilt while sliders move, and a look at who answered where."""

from __future__ import annotations

from typing import Any

import gradio as gr

from sr_demo.approaches.mosaic.options import MosaicOptions
from sr_demo.options import controls
from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.controls import component
from sr_demo.ui.examples import examples
from sr_demo.ui.method_choices import Context
from sr_demo.ui.mosaic.databases import BUNDLED, Known, choices
from sr_demo.ui.mosaic.handlers import OPTIONS, REFINED, TILES, MosaicHandlers
from sr_demo.ui.source import files_input, image_input

_WORDS = """<p class="sr-prose">The picture is rebuilt from pieces of other photos: each piece is answered by the most
similar memory, found by vector search, and pasted four times larger. Nothing of the result is yours but the layout and,
as far as you let it, the colours. Small pieces follow the picture; large ones show what they are. Fine detail keeps your
picture and only adds what similar spots had over a plain enlargement.</p>"""
_RULE = """<p class="sr-fine">Only you can see, use and delete it; it goes with your pictures, after two hours at most.
Memories for everybody are built and deleted on the command line: <code>python -m sr_demo memory</code>.</p>"""


def build(context: Context, tab: gr.Tab | None = None) -> None:
    """Lay out the tab and connect its events, in the current Gradio context. The list of memories is read anew each
    time `tab` is opened."""
    handlers = MosaicHandlers(context)
    by_name = {control.name: control for control in controls(MosaicOptions)}
    gr.HTML(_WORDS)
    with gr.Row(elem_classes="sr-top"):
        with gr.Column(scale=4, min_width=300):
            picture = image_input(
                label="Your picture", sources=["upload", "clipboard"], height=240, elem_id="mosaic-picture", buttons=[]
            )
            thumbnails = examples("mosaic-examples")
            mode = gr.Radio(
                [("A mosaic of whole pieces", TILES), ("Your picture with remembered fine detail", REFINED)],
                value=TILES, label="What is made?", elem_id="mosaic-mode",
            )  # fmt: skip
            values = [component(by_name[name]) for name in OPTIONS[:4]]
            with gr.Accordion("More options", open=False):
                values += [component(by_name[name]) for name in OPTIONS[4:]]
            memory = gr.Radio(choices(Known()), value=BUNDLED, label="Which memory answers?", elem_id="memory")
            delete = gr.Button("Delete this memory of yours", visible=False, elem_id="memory-delete", size="sm")
            with gr.Accordion("Teach it your own photos", open=False):
                drop = files_input(label="Photos, or a zip of photos", elem_id="memory-files", height=120)
                with gr.Row():
                    teach = gr.Button("Build a memory of them", elem_id="memory-build")
                    stop = gr.Button("Stop", elem_id="memory-stop", min_width=80)
                gr.HTML(_RULE)
            taught = gr.HTML(elem_id="memory-words")
        with gr.Column(scale=6, min_width=300):
            result = gr.Image(
                label="Result, 4 times larger", format="png", interactive=False, elem_id="mosaic-result",
                buttons=["download", "fullscreen"],
            )  # fmt: skip
            text = gr.HTML(elem_id="mosaic-words")
            inside = gr.HTML(elem_id="mosaic-inside")
            with gr.Accordion("Where the memory knew nothing (bright)", open=False):
                unknown = gr.Image(format="png", interactive=False, show_label=False, elem_id="mosaic-map", buttons=[])
    shown, known = gr.State(None), gr.State(Known())
    inputs: list[Any] = [picture, mode, memory, known, *values]
    outputs: list[Any] = [shown, result, unknown, text, inside]
    alone: dict[str, Any] = {"api_visibility": "private", **HEAVY}
    lane: dict[str, Any] = {**alone, "show_progress": "minimal", "show_progress_on": [text]}
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", **LIGHT}
    thumbnails.select(handlers.take_example, None, picture, **quiet).then(handlers.render, inputs, outputs, **lane)
    moved = [value.release if isinstance(value, gr.Slider) else value.input for value in values]  # type: ignore[attr-defined]
    for event in (picture.upload, picture.clear, mode.change, memory.change, *moved):
        event(handlers.render, inputs, outputs, **lane)
    result.select(handlers.look_inside, [shown, known], inside, show_progress="hidden", **alone)
    memory.change(handlers.choose, memory, delete, **quiet)
    teach.click(handlers.teach, [drop, known], [known, memory, taught], show_progress_on=[taught], **alone)
    stop.click(handlers.stop_teaching, None, None, **quiet)
    delete.click(handlers.delete, [memory, known], [known, memory, taught], **quiet)
    if tab is not None:
        tab.select(handlers.refresh, [known, memory], memory, **quiet)
