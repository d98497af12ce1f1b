"""Components and wiring of the Deploy tab: set a budget, measure on this server, read the verdicts; export a network."""

from __future__ import annotations

from typing import Any, get_args

import gradio as gr

from sr_demo.deploy.measurement import Plan
from sr_demo.export.exporter import ExportPrecision, Format
from sr_demo.options import controls
from sr_demo.reports.verdicts import Budget
from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.controls import component
from sr_demo.ui.deploy import example
from sr_demo.ui.deploy.export_handlers import ExportComponents, ExportHandlers, exportable
from sr_demo.ui.deploy.handlers import PLAN, DeployComponents, DeployHandlers, choices
from sr_demo.ui.languages import marked, text
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.visitor_work import stop_button

_INTRO = f'<p class="sr-prose">{marked("lab_intro")}</p>'


_TICKED = ("bicubic", "edsr", "rdn", "hat")
"""Methods that are ticked at first: the baseline, two common convolutional networks, and one with attention."""


def deploy_tab(context: PageContext, plan: Plan = PLAN, tab: gr.Tab | None = None) -> None:
    """Lay out the tab and connect its events, in the current Gradio context.

    Args:
        context: Shared objects of the tabs.
        plan: Measurement plan for each method.
        tab: The lists of networks are updated each time this tab is opened, since a visitor may have opened a model.
    """
    methods = choices(context.approaches)
    gr.HTML(_INTRO)
    with gr.Row(elem_classes="sr-panes sr-introduced"):
        with gr.Column(scale=0, min_width=320, elem_classes="sr-controls"):
            with gr.Column(elem_classes="sr-scrolls"):
                chosen = gr.CheckboxGroup(
                    methods, value=[key for _, key in methods if key in _TICKED] or [key for _, key in methods[:3]],
                    label=text("lab_methods"), elem_id="lab-methods", elem_classes="sr-words sr-chips",
                )  # fmt: skip
                with gr.Group(elem_id="lab-budget"):
                    budget = [component(control) for control in controls(Budget)]
            with gr.Row(elem_classes="sr-actions"):
                measure = gr.Button(text("lab_measure"), variant="primary", elem_id="lab-measure")
                stop = stop_button("lab-stop")
        with gr.Column(scale=1, min_width=320, elem_classes="sr-shown"):
            line = gr.HTML(
                f"<p>{marked('lab_patience')}</p>",
                elem_id="lab-line",
            )
            files = gr.File(label=text("report_files"), file_count="multiple", interactive=False)
            shown = gr.HTML(example.html(), elem_id="lab-report")
    export = _export(context)
    report = gr.State(None)
    handlers = DeployHandlers(context, plan, DeployComponents(chosen, report, line, shown, files, stop))
    outputs: list[Any] = [report, line, shown, files]
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    light: dict[str, Any] = {**quiet, **LIGHT}
    measured = measure.click(handlers.measure, [chosen, *budget], [*outputs, stop], **HEAVY, **quiet)
    # By the budget that is set at the end, which may have been changed while methods were measured.
    measured.then(handlers.judge, [report, *budget], outputs, **light)
    stop.click(handlers.stop, None, None, **light)
    if tab is not None:
        tab.select(handlers.refresh, [chosen], [chosen], **light)
        if export is not None:
            tab.select(export.refresh, [export.which], [export.which], **light)
    # After a value is set, not on each typed digit or each movement of a slider; in one event, so that the response to an
    # earlier value cannot arrive after that to a later one.
    ends: list[Any] = []
    for control in budget:
        found = [getattr(control, name) for name in ("release", "submit", "blur") if hasattr(control, name)]
        ends += found or [control.change]  # type: ignore[attr-defined]
    gr.on(ends, handlers.judge, [report, *budget], outputs, trigger_mode="always_last", **light)


def _export(context: PageContext) -> ExportHandlers | None:
    """Lay out the export and connect its event; return None if no network can be exported."""
    networks = [(job.title, key) for key, job in exportable(context.approaches).items()]
    if not networks:
        return None
    with gr.Accordion(text("export_box"), open=False, elem_id="lab-export"):
        with gr.Row():
            which = gr.Dropdown(
                networks, value=networks[0][1], label=text("export_network"), elem_id="lab-export-network"
            )
            kind = gr.Dropdown(list(get_args(Format)), value="onnx", label=text("save_format"))
            precision = gr.Dropdown(list(get_args(ExportPrecision)), value="fp32", label=text("precision_label"))
        make = gr.Button(text("export_make"), elem_id="lab-export-make")
        line = gr.HTML(elem_id="lab-export-line")
        packed = gr.File(label=text("export_files"), interactive=False)
    handlers = ExportHandlers(context, ExportComponents(which, line, packed))
    inputs: list[Any] = [which, kind, precision]
    outputs: list[Any] = [line, packed]
    make.click(handlers.make, inputs, outputs, api_visibility="private", show_progress="hidden", **HEAVY)
    return handlers
