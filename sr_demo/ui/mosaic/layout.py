"""Components and wiring of the Mosaic tab."""

from __future__ import annotations

from typing import Any

import gradio as gr

from sr_demo.approaches.mosaic.options import MosaicOptions
from sr_demo.options import controls
from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.controls import component
from sr_demo.ui.examples import examples
from sr_demo.ui.languages import marked, text
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.mosaic.databases import BUNDLED, VisitorDatabases, choices
from sr_demo.ui.mosaic.handlers import OPTIONS, REFINED, TILES, MosaicComponents, MosaicHandlers
from sr_demo.ui.previews import connect_preview
from sr_demo.ui.source import files_input, image_input
from sr_demo.ui.visitor_work import stop_button

_INTRO = f'<p class="sr-prose">{marked("mosaic_intro")}</p>'
_RULE = f'<p class="sr-fine">{marked("memory_rule")}</p>'


def mosaic_tab(context: PageContext, tab: gr.Tab | None = None) -> None:
    """Lay out the tab and connect its events, in the current Gradio context.

    Args:
        context: Shared objects of the tabs.
        tab: When this tab is opened, the list of databases is updated, and an example is rebuilt the first time.
    """
    by_name = {control.name: control for control in controls(MosaicOptions)}
    gr.HTML(_INTRO)
    with gr.Row(elem_classes="sr-panes sr-introduced sr-mosaic"):
        with gr.Column(scale=0, min_width=320, elem_classes="sr-controls"):
            image = image_input(
                label=text("your_picture"),
                sources=["upload", "clipboard"],
                height=130,
                elem_id="mosaic-picture",
                buttons=[],
            )
            thumbnails = examples("mosaic-examples")
            mode = gr.Radio(
                [(text("mosaic_tiles"), TILES), (text("mosaic_refined"), REFINED)],
                value=TILES, label=text("mosaic_mode"), elem_id="mosaic-mode",
                elem_classes="sr-chips sr-inline",
            )  # fmt: skip
            with gr.Column(elem_classes="sr-later"):
                values = [component(by_name[name]) for name in OPTIONS[:4]]
                with gr.Accordion(text("more_options"), open=False):
                    values += [component(by_name[name]) for name in OPTIONS[4:]]
                database = gr.Radio(
                    choices(VisitorDatabases()), value=BUNDLED, label=text("memory_label"), elem_id="memory"
                )
                delete = gr.Button(text("memory_delete"), visible=False, elem_id="memory-delete", size="sm")
                with gr.Accordion(text("memory_box"), open=False):
                    drop = files_input(label=text("photos_or_zip"), elem_id="memory-files", height=120)
                    with gr.Row():
                        start = gr.Button(text("memory_build"), elem_id="memory-build")
                        stop = stop_button("memory-stop", min_width=80)
                    gr.HTML(_RULE)
                build_status = gr.HTML(elem_id="memory-words", elem_classes="sr-may-be-empty")
        with gr.Column(scale=1, min_width=320, elem_classes="sr-shown"):
            result = gr.Image(
                label=text("mosaic_result"), format="png", interactive=False, elem_id="mosaic-result",
                buttons=["download", "fullscreen"],
            )  # fmt: skip
            summary = gr.HTML(f'<p class="sr-fine">{marked("mosaic_empty")}</p>', elem_id="mosaic-words")
            matches = gr.HTML(elem_id="mosaic-inside", elem_classes="sr-may-be-empty")
    with gr.Accordion(text("mosaic_map"), open=False):
        distance_map = gr.Image(format="png", interactive=False, show_label=False, elem_id="mosaic-map", buttons=[])
    rendering, own, fresh = gr.State(None), gr.State(VisitorDatabases()), gr.State(None)
    parts = MosaicComponents(
        rendering, own, fresh, result, distance_map, summary, matches, database, build_status, stop
    )
    handlers = MosaicHandlers(context, parts)
    inputs: list[Any] = [image, mode, database, own, *values]
    rendered: list[Any] = [rendering, result, distance_map, summary, matches]
    built: list[Any] = [own, database, build_status]
    heavy: dict[str, Any] = {"api_visibility": "private", **HEAVY}
    render: dict[str, Any] = {
        **heavy, "show_progress": "minimal", "show_progress_on": [summary], "trigger_mode": "always_last",
    }  # fmt: skip
    light: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", **LIGHT}
    thumbnails.select(handlers.take_example, None, image, **light).then(handlers.render, inputs, rendered, **render)
    moved = [value.release if isinstance(value, gr.Slider) else value.input for value in values]  # type: ignore[attr-defined]
    for event in (connect_preview(image, context, thumbnails).then, mode.change, database.change, *moved):
        event(handlers.render, inputs, rendered, **render)
    # With `image` as input, Gradio would send its previous value.
    image.clear(handlers.clear, None, rendered, **light)
    result.select(handlers.show_matches, [rendering, own], matches, show_progress="hidden", **heavy)
    database.change(handlers.choose, database, delete, **light)
    done = start.click(handlers.build_database, drop, [fresh, build_status, stop], show_progress="hidden", **heavy)
    done.then(handlers.select_built, [fresh, own], [fresh, own, database], **light)
    stop.click(handlers.stop_building, None, None, **light)
    delete.click(handlers.delete, [database, own], built, **light)
    if tab is not None:
        stage = gr.State("new")
        shown = tab.select(handlers.open, [own, database, image, stage], [database, image, stage], **light)
        shown.then(handlers.render_example, [stage, *inputs], rendered, **render)
