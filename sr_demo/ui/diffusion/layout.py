"""Components and wiring of the Diffusion tab."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from sr_demo.diffusion.options import QUICK, DiffusionOptions
from sr_demo.options import controls
from sr_demo.spec import Approach
from sr_demo.ui import welcome
from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.controls import component
from sr_demo.ui.diffusion.handlers import OPTIONS, DiffusionComponents, DiffusionHandlers
from sr_demo.ui.examples import examples
from sr_demo.ui.languages import marked, text
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.previews import connect_preview
from sr_demo.ui.source import enabled_with, image_input
from sr_demo.ui.updates import Updates
from sr_demo.ui.viewer.viewer import scroll_to, viewer
from sr_demo.ui.visitor_work import stop_button

_INTRO = f'<p class="sr-prose">{marked("diffusion_intro")}</p>'


def diffusion_tab(context: PageContext, approach: Approach) -> None:
    """Lay out the tab and connect its events, in the current Gradio context."""
    by_name = {control.name: control for control in controls(DiffusionOptions)}
    gr.HTML(_INTRO)
    with gr.Row(elem_classes="sr-panes sr-introduced"):
        with gr.Column(scale=0, min_width=320, elem_classes="sr-controls"):
            with gr.Column(elem_classes="sr-scrolls"):
                image = image_input(
                    label=text("your_picture"), sources=["upload", "clipboard"], height=130, elem_id="diffusion-picture",
                    buttons=[],
                )  # fmt: skip
                thumbnails = examples("diffusion-examples", show=scroll_to("diffusion-result"))
                count = gr.Slider(
                    2,
                    8,
                    value=4,
                    step=1,
                    label=text("diffusion_count"),
                    info=text("diffusion_count_help"),
                )
                with gr.Row(elem_classes="sr-actions"):
                    quick = gr.Button(text("diffusion_quick"), size="sm", elem_id="diffusion-quick", min_width=60)
                    fine = gr.Button(text("diffusion_fine"), size="sm", elem_id="diffusion-fine", min_width=60)
                values = [component(by_name[name]) for name in OPTIONS[:2]]
                with gr.Accordion(text("more_options"), open=False):
                    values += [component(by_name[name]) for name in OPTIONS[2:]]
            with gr.Row(elem_classes="sr-actions"):
                start = gr.Button(
                    text("diffusion_start"), variant="primary", elem_id="diffusion-start", scale=2, interactive=False
                )
                stop = stop_button("diffusion-stop", scale=1)
        with gr.Column(scale=1, min_width=320, elem_classes="sr-shown"):
            status = gr.HTML(elem_id="diffusion-status", elem_classes="sr-may-be-empty")
            drawn = welcome.images("diffusion")
            empty = "The guesses appear here, one after the other."
            result = viewer(empty, elem_id="diffusion-result", example=drawn, pair=(2, -1), first=False)
            note = f'<p class="sr-fine">{marked("diffusion_example")}</p>' if drawn else ""
            explained = gr.HTML(note, elem_id="diffusion-explained", elem_classes="sr-may-be-empty")
    handlers = DiffusionHandlers(context, approach, DiffusionComponents(result, explained, status, stop))
    inputs: list[Any] = [image, count, *values]
    outputs: list[Any] = [result, explained, status, stop]
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    light: dict[str, Any] = {**quiet, **LIGHT}
    heavy: dict[str, Any] = {**quiet, **HEAVY}
    guess = _injected(handlers)
    for button, preset in ((quick, QUICK), (fine, DiffusionOptions())):
        chosen = [getattr(preset, name) for name in OPTIONS[:2]]
        button.click(None, None, values[:2], js=f"() => {chosen}", **light)
    connect_preview(image, context, thumbnails)
    image.change(enabled_with, image, start, **light)
    thumbnails.select(handlers.take_example, None, image, **light).then(
        guess, inputs, outputs, trigger_mode="multiple", **heavy
    )
    start.click(guess, inputs, outputs, trigger_mode="multiple", **heavy)
    start.click(None, None, None, js=scroll_to("diffusion-result"), **light)
    stop.click(handlers.halt, None, None, **light)


def _injected(handlers: DiffusionHandlers) -> Any:
    """Return `handlers.guess` with its parameters in the order that Gradio needs to inject the request."""

    def guess(request: gr.Request, *values: Any) -> Iterator[Updates]:
        yield from handlers.guess(*values, request=request)

    return guess
