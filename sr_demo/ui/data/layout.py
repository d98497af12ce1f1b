"""Components and wiring of the Data tab."""

from __future__ import annotations

from typing import Any

import gradio as gr

from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.data.handlers import DataComponents, DataHandlers
from sr_demo.ui.languages import marked, text
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.source import files_input
from sr_demo.ui.visitor_work import stop_button

_INTRO = f'<div class="sr-prose"><p>{marked("data_intro")}</p></div>'


def data_tab(context: PageContext) -> None:
    """Lay out the tab and connect its events, in the current Gradio context."""
    gr.HTML(_INTRO)
    with gr.Row(elem_classes="sr-top"):
        with gr.Column(scale=3, min_width=280):
            photos = files_input(label=text("photos_or_zip"), elem_id="data-files", height=120)
            tests = files_input(label=text("data_tests"), elem_id="data-tests", height=120)
            inspect = gr.Button(text("data_inspect"), variant="primary", elem_id="data-look")
            with gr.Row():
                samples = gr.Button(text("data_examples"), elem_id="data-examples")
                stop = stop_button("data-stop")
            gr.HTML(f'<p class="sr-fine">{marked("data_rule")}</p>')
        with gr.Column(scale=9, min_width=300):
            line = gr.HTML(f"<p>{marked('data_empty')}</p>", elem_id="data-line")
            files = gr.File(
                label=text("report_files"), file_count="multiple", interactive=False,
                elem_id="data-report-files", visible=False,
            )  # fmt: skip
            report = gr.HTML(elem_id="data-report")
    handlers = DataHandlers(context, DataComponents(line, report, files, stop))
    outputs: list[Any] = [line, report, files, stop]
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    heavy: dict[str, Any] = {**quiet, **HEAVY}
    inspect.click(handlers.inspect, [photos, tests], outputs, **heavy)
    samples.click(handlers.inspect_examples, [tests], outputs, **heavy)
    stop.click(handlers.stop, None, None, **quiet, **LIGHT)
