"""The lab: can a method go into our system? Set a budget, measure on this machine, read the verdicts."""

from __future__ import annotations

from typing import Any

import gradio as gr

from sr_demo.options import controls
from sr_demo.reports.verdicts import Budget
from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.controls import component
from sr_demo.ui.lab import export
from sr_demo.ui.lab.handlers import PLAN, LabHandlers
from sr_demo.ui.method_choices import Context

_WORDS = """<p class="sr-prose">Does it run on what we have, fast enough, legally, and can we trust what it draws? Say what
there is to spend; each method is then measured on this machine, in a process of its own, and judged by the figures.</p>"""


def build(context: Context, handlers: LabHandlers | None = None) -> None:
    """Lay out the tab and connect its events, in the current Gradio context."""
    handlers = handlers or LabHandlers(context, PLAN)
    choices = handlers.choices()
    gr.HTML(_WORDS)
    with gr.Row(elem_classes="sr-top"):
        with gr.Column(scale=3, min_width=280):
            chosen = gr.CheckboxGroup(
                choices, value=[key for _, key in choices[:3]], label="Which methods?", elem_id="lab-methods"
            )
            with gr.Group(elem_id="lab-budget"):
                budget = [component(control) for control in controls(Budget)]
            with gr.Row():
                measure = gr.Button("Measure", variant="primary", elem_id="lab-measure")
                stop = gr.Button("Stop", elem_id="lab-stop")
        with gr.Column(scale=7, min_width=300):
            line = gr.HTML("<p>Measuring takes about ten seconds per method.</p>", elem_id="lab-line")
            files = gr.File(label="Report for people and for programs", file_count="multiple", interactive=False)
            shown = gr.HTML(elem_id="lab-report")
    export.build(context)
    report = gr.State(None)
    outputs: list[Any] = [report, line, shown, files]
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    light: dict[str, Any] = {**quiet, **LIGHT}
    measure.click(handlers.measure, [chosen, *budget], outputs, **HEAVY, **quiet)
    stop.click(handlers.stop, None, None, **light)
    for control in budget:
        event: Any = getattr(control, "release", None) or control.change  # type: ignore[attr-defined]
        event(handlers.judge, [report, *budget], outputs, **light)
