"""The tab of our diffusion model: several guesses of one picture, where they differ, and how one came to be."""

from __future__ import annotations

from typing import Any

import gradio as gr

from sr_demo.diffusion.options import DiffusionOptions
from sr_demo.options import controls
from sr_demo.spec import Approach
from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.controls import component
from sr_demo.ui.diffusion.handlers import OPTIONS, DiffusionHandlers
from sr_demo.ui.examples import examples
from sr_demo.ui.method_choices import Context
from sr_demo.ui.source import image_input

_WORDS = """<p class="sr-prose">A small picture does not say what its large original looked like: many would shrink to it.
A diffusion model draws one of them. It begins with a calm enlargement plus noise, and in each step replaces a part of the
noise by detail that it has learned to expect. With other noise it draws another picture. Where its guesses agree, your
picture decides; where they differ, the detail is invented.</p>"""


def build(context: Context, approach: Approach) -> None:
    """Lay out the tab and connect its events, in the current Gradio context."""
    handlers = DiffusionHandlers(context, approach)
    by_name = {control.name: control for control in controls(DiffusionOptions)}
    gr.HTML(_WORDS)
    with gr.Row(elem_classes="sr-top"):
        with gr.Column(scale=4, min_width=300):
            picture = image_input(
                label="Your picture", sources=["upload", "clipboard"], height=240, elem_id="diffusion-picture",
                buttons=[],
            )  # fmt: skip
            thumbnails = examples("diffusion-examples")
            count = gr.Slider(
                2,
                8,
                value=4,
                step=1,
                label="Guesses",
                info="At most 128 pixels a side are used, so that it stays quick.",
            )
            values = [component(by_name[name]) for name in OPTIONS[:2]]
            with gr.Accordion("More options", open=False):
                values += [component(by_name[name]) for name in OPTIONS[2:]]
            with gr.Row(elem_classes="sr-actions"):
                start = gr.Button("Guess", variant="primary", elem_id="diffusion-start", scale=2)
                stop = gr.Button("Stop", elem_id="diffusion-stop", scale=1)
        with gr.Column(scale=6, min_width=300):
            result = gr.HTML(elem_id="diffusion-result")
    inputs: list[Any] = [picture, count, *values]
    lane: dict[str, Any] = {"api_visibility": "private", "show_progress_on": [result], **HEAVY}
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", **LIGHT}
    guess = _injected(handlers)
    thumbnails.select(handlers.take_example, None, picture, **quiet).then(guess, inputs, result, **lane)
    start.click(guess, inputs, result, **lane)
    stop.click(handlers.halt, None, None, **quiet)


def _injected(handlers: DiffusionHandlers) -> Any:
    """Gradio injects the request by annotation and the progress by default, at their places before the inputs."""

    def guess(
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
        *values: Any,
    ) -> str:
        return handlers.guess(*values, request=request, progress=progress)

    return guess
