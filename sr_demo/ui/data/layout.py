"""Components and wiring of the Data tab."""

from __future__ import annotations

from typing import Any

import gradio as gr

from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.data.handlers import DataHandlers, DataParts
from sr_demo.ui.method_choices import Context
from sr_demo.ui.source import files_input

_INTRO = """<div class="sr-prose"><p>A network learns from the photos it is trained on. Drop some here to see what it
would learn from: how large, bright and sharp they are, which are hard to enlarge, which are duplicates, and whether a
picture that you keep for testing is among them. For a folder on your own computer: <code>python -m sr_demo data
DIR</code>.</p></div>"""


def data_tab(context: Context) -> None:
    """Lay out the tab and connect its events, in the current Gradio context."""
    gr.HTML(_INTRO)
    with gr.Row(elem_classes="sr-top"):
        with gr.Column(scale=3, min_width=280):
            photos = files_input(label="Photos, or a zip of photos", elem_id="data-files", height=120)
            tests = files_input(
                label="Test pictures that must not be among them (optional)", elem_id="data-tests", height=120
            )
            inspect = gr.Button("Inspect them", variant="primary", elem_id="data-look")
            with gr.Row():
                samples = gr.Button("Inspect the examples", elem_id="data-examples")
                stop = gr.Button("Stop", elem_id="data-stop")
            gr.HTML('<p class="sr-fine">At most 200 pictures; deleted after about two hours.</p>')
        with gr.Column(scale=9, min_width=300):
            line = gr.HTML("<p>Nothing has been inspected yet.</p>", elem_id="data-line")
            files = gr.File(
                label="The report, as a page and as data", file_count="multiple", interactive=False,
                elem_id="data-report-files", visible=False,
            )  # fmt: skip
            report = gr.HTML(elem_id="data-report")
    handlers = DataHandlers(context, DataParts(line, report, files))
    outputs: list[Any] = [line, report, files]
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    heavy: dict[str, Any] = {**quiet, **HEAVY}
    inspect.click(handlers.inspect, [photos, tests], outputs, **heavy)
    samples.click(handlers.inspect_examples, [tests], outputs, **heavy)
    stop.click(handlers.stop, None, None, **quiet, **LIGHT)
