"""The tab that looks at a data set before anything is taught with it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.data.handlers import DataHandlers
from sr_demo.ui.method_choices import Context
from sr_demo.ui.source import files_input

_WORDS = """<div class="sr-prose"><p>A network learns what its pictures show. Drop some to see what they would teach: how
large, bright and sharp they are, which are hard, which are there twice, and whether a picture kept for testing is among
them. A folder on your own machine: <code>python -m sr_demo data DIR</code>.</p></div>"""


def build(context: Context) -> None:
    """Lay out the tab and connect its events, in the current Gradio context."""
    handlers = DataHandlers(context)
    gr.HTML(_WORDS)
    with gr.Row(elem_classes="sr-top"):
        with gr.Column(scale=3, min_width=280):
            photos = files_input(label="Photos, or a zip of photos", elem_id="data-files", height=120)
            tests = files_input(
                label="Test pictures that must not be among them (optional)", elem_id="data-tests", height=120
            )
            look = gr.Button("Look at them", variant="primary", elem_id="data-look")
            with gr.Row():
                samples = gr.Button("Look at the examples", elem_id="data-examples")
                stop = gr.Button("Stop", elem_id="data-stop")
            gr.HTML('<p class="sr-fine">At most 200 pictures; deleted after about two hours.</p>')
        with gr.Column(scale=9, min_width=300):
            line = gr.HTML("<p>Nothing has been looked at yet.</p>", elem_id="data-line")
            files = gr.File(
                label="Report for people and for programs", file_count="multiple", interactive=False,
                elem_id="data-report-files", visible=False,
            )  # fmt: skip
            shown = gr.HTML(elem_id="data-report")
    outputs: list[Any] = [line, shown, files]
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    lane: dict[str, Any] = {**quiet, **HEAVY}
    look.click(handlers.look, [photos, tests], outputs, **lane)
    samples.click(handlers.look_at_examples, [tests], outputs, **lane)
    stop.click(handlers.stop, None, None, **quiet, **LIGHT)
