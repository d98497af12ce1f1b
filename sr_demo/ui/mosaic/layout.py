"""Components and wiring of the Mosaic tab."""

from __future__ import annotations

from typing import Any

import gradio as gr

from sr_demo.approaches.mosaic.options import MosaicOptions
from sr_demo.options import controls
from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.controls import component
from sr_demo.ui.examples import examples
from sr_demo.ui.html import fine_print
from sr_demo.ui.method_choices import Context
from sr_demo.ui.mosaic.databases import BUNDLED, VisitorDatabases, choices
from sr_demo.ui.mosaic.handlers import OPTIONS, REFINED, TILES, MosaicHandlers, MosaicParts
from sr_demo.ui.source import files_input, image_input

_INTRO = """<p class="sr-prose">Your picture is rebuilt from patches of other photos. For each spot, a vector search
finds the most similar patch in the memory and pastes it four times larger. Only the layout comes from your picture,
and as much of its colour as you choose. Small patches follow your picture closely; large ones show the photos they
come from. The second mode keeps your picture and adds only the fine detail that similar spots of other photos
had.</p>"""
_RULE = """<p class="sr-fine">Only you can see, use and delete it. It is deleted together with your pictures, after
two hours at most. Memories for everyone are built and deleted on the command line: <code>python -m sr_demo
memory</code>.</p>"""


def mosaic_tab(context: Context, tab: gr.Tab | None = None) -> None:
    """Lay out the tab and connect its events, in the current Gradio context.

    Args:
        context: What the handlers work with.
        tab: The list of databases is read again each time this tab is opened.
    """
    by_name = {control.name: control for control in controls(MosaicOptions)}
    with gr.Row(elem_classes="sr-panes sr-mosaic"):
        with gr.Column(scale=0, min_width=320, elem_classes="sr-controls"):
            image = image_input(
                label="Your picture", sources=["upload", "clipboard"], height=130, elem_id="mosaic-picture", buttons=[]
            )
            thumbnails = examples("mosaic-examples")
            mode = gr.Radio(
                [("A mosaic of whole patches", TILES), ("Your picture with remembered fine detail", REFINED)],
                value=TILES, label="What would you like?", elem_id="mosaic-mode", elem_classes="sr-chips",
                container=False,
            )  # fmt: skip
            with gr.Column(elem_classes="sr-later"):
                values = [component(by_name[name]) for name in OPTIONS[:4]]
                with gr.Accordion("More options", open=False):
                    values += [component(by_name[name]) for name in OPTIONS[4:]]
                database = gr.Radio(choices(VisitorDatabases()), value=BUNDLED, label="Which memory?", elem_id="memory")
                delete = gr.Button("Delete this memory of yours", visible=False, elem_id="memory-delete", size="sm")
                with gr.Accordion("Teach it your own photos", open=False):  # words: ok
                    drop = files_input(label="Photos, or a zip of photos", elem_id="memory-files", height=120)
                    with gr.Row():
                        start = gr.Button("Build a memory of them", elem_id="memory-build")
                        stop = gr.Button("Stop", elem_id="memory-stop", min_width=80)
                    gr.HTML(_RULE)
                build_status = gr.HTML(elem_id="memory-words", elem_classes="sr-may-be-empty")
        with gr.Column(scale=1, min_width=320, elem_classes="sr-shown"):
            result = gr.Image(
                label="Result, 4 times larger", format="png", interactive=False, elem_id="mosaic-result",
                buttons=["download", "fullscreen"],
            )  # fmt: skip
            summary = gr.HTML(fine_print("The result appears here."), elem_id="mosaic-words")
            matches = gr.HTML(elem_id="mosaic-inside", elem_classes="sr-may-be-empty")
    with gr.Accordion("Where the memory had nothing similar (bright)", open=False):
        distance_map = gr.Image(format="png", interactive=False, show_label=False, elem_id="mosaic-map", buttons=[])
    gr.HTML(_INTRO)
    rendering, own = gr.State(None), gr.State(VisitorDatabases())
    parts = MosaicParts(rendering, own, result, distance_map, summary, matches, database, build_status)
    handlers = MosaicHandlers(context, parts)
    inputs: list[Any] = [image, mode, database, own, *values]
    rendered: list[Any] = [rendering, result, distance_map, summary, matches]
    built: list[Any] = [own, database, build_status]
    heavy: dict[str, Any] = {"api_visibility": "private", **HEAVY}
    render: dict[str, Any] = {**heavy, "show_progress": "minimal", "show_progress_on": [summary]}
    light: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", **LIGHT}
    thumbnails.select(handlers.take_example, None, image, **light).then(handlers.render, inputs, rendered, **render)
    moved = [value.release if isinstance(value, gr.Slider) else value.input for value in values]  # type: ignore[attr-defined]
    for event in (image.upload, image.clear, mode.change, database.change, *moved):
        event(handlers.render, inputs, rendered, **render)
    result.select(handlers.show_matches, [rendering, own], matches, show_progress="hidden", **heavy)
    database.change(handlers.choose, database, delete, **light)
    start.click(handlers.build_database, [drop, own], built, show_progress_on=[build_status], **heavy)
    stop.click(handlers.stop_building, None, None, **light)
    delete.click(handlers.delete, [database, own], built, **light)
    if tab is not None:
        tab.select(handlers.refresh, [own, database], database, **light)
