"""The box that captions the photo as a draft for prompts; shown only if a method with a prompt can run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from sr_demo.errors import BadInput
from sr_demo.image import Image
from sr_demo.pipelines import captions
from sr_demo.pipelines.captions import CAPTION_MODELS, CaptionModel
from sr_demo.progress import Progress
from sr_demo.spec import Approach
from sr_demo.ui import source as sources
from sr_demo.ui.callers import HEAVY, LIGHT, Caller
from sr_demo.ui.controls import Bound
from sr_demo.ui.html import fine_print
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.sessions import session_of
from sr_demo.ui.source import Source
from sr_demo.ui.updates import Updates
from sr_demo.ui.visitor_work import VisitorWork, stop_button

_WORDS = """<p class="sr-fine">A prompt steers which detail is invented: what you name is drawn, whether it is there or not.
Describe what the picture shows, not what you wish for. The description is a draft by a model that makes mistakes: correct it
in the prompt fields below before you compare.</p>"""
_LONGEST = 1024
"""Largest side of the caption model's input, in pixels."""
_SECONDS = 20.0
"""Expected duration of a caption."""


@dataclass(frozen=True)
class PromptComponents:
    """The components of the box."""

    which: gr.Radio
    agreed: gr.Checkbox
    start: gr.Button
    stop: gr.Button
    said: gr.HTML


def prompts(approaches: Sequence[Approach], bound: Sequence[Bound]) -> list[Bound]:
    """Return the controls that take a prompt."""
    wanted = {approach.id: captions.prompt_of(approach.options) for approach in approaches}
    return [control for control in bound if wanted.get(control.owner) == control.name]


def lay_out(approaches: Sequence[Approach]) -> PromptComponents | None:
    """Lay out the box, in the current Gradio context; return None if no approach takes a prompt or no model can run."""
    if not any(captions.prompt_of(approach.options) for approach in approaches):
        return None
    able = [describer for describer in CAPTION_MODELS if not captions.obstacle(describer)]
    unable = " ".join(f"{d.title} {captions.obstacle(d)}." for d in CAPTION_MODELS if d not in able)
    if not able:
        return None
    with gr.Column(elem_id="captions", elem_classes="sr-words"):
        gr.HTML(_WORDS + (fine_print(unable) if unable else ""))
        which = gr.Radio(
            [(_label(describer), describer.id) for describer in able], value=able[0].id, visible=len(able) > 1,
            label="Who describes it?", elem_id="describer",
        )  # fmt: skip
        agreed = _agreement(able[0])
        with gr.Row(elem_classes="sr-actions"):
            start = gr.Button("Describe my picture", elem_id="describe", scale=2, size="sm")
            stop = stop_button("describe-stop", scale=1, size="sm")
        said = gr.HTML(elem_id="described")
    return PromptComponents(which, agreed, start, stop, said)


def _label(describer: CaptionModel) -> str:
    """Return a line with title, size, licence and time of a caption model."""
    return f"{describer.title}: {captions.size(describer)}, {describer.licence}, {describer.time}"


def _agreement(describer: CaptionModel) -> gr.Checkbox:
    """Return the box that allows the download of a model: never ticked for a missing one, regardless of earlier choices."""
    here = captions.is_available(describer)
    return gr.Checkbox(
        here, visible=not here, elem_id="agree-to-captions",
        label=f"Download {describer.title}: about {captions.size(describer)}, {describer.licence}, once",
        info="It runs on this server; your picture does not leave it.",
    )  # fmt: skip


def choose(which: str) -> gr.Checkbox:
    """Return the agreement for another model. Raises BadInput if its name is unknown."""
    return _agreement(captions.caption_model(which))


def connect(context: PageContext, box: PromptComponents, filled: Sequence[Bound], source: gr.State) -> None:
    """Connect the events.

    Args:
        context: Shared objects of the tabs.
        box: The components of the box.
        filled: The prompt fields that the caption is written to.
        source: State with the photo.
    """
    prompts = [control.component for control in filled]
    handlers = CaptionHandlers(context, box.said, box.stop, prompts)
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    light: dict[str, Any] = {**quiet, **LIGHT}
    outputs: list[Any] = [box.said, box.stop, *prompts]
    inputs: list[Any] = [source, box.which, box.agreed]
    box.which.input(choose, box.which, box.agreed, **light)
    box.start.click(handlers.describe, inputs, outputs, **HEAVY, **quiet)
    box.stop.click(handlers.stop, None, None, **light)


class CaptionHandlers:
    """Event handlers of the box. They hold no state of their own."""

    def __init__(self, context: PageContext, said: gr.HTML, stop: gr.Button, prompts: Sequence[Component]) -> None:
        """Store the components for status and Stop, and the prompt fields that captions are written to."""
        self._context, self._said, self._prompts = context, said, prompts
        self._work = VisitorWork(context, said, stop)

    def describe(self, source: Source | None, which: str, agreed: bool, request: gr.Request) -> Iterator[Updates]:
        """Caption the photo: yield the progress, then write the caption into each prompt field."""

        def work(caller: Caller, progress: Progress) -> str:
            if source is None:
                raise BadInput(sources.NO_PHOTO)
            chosen = captions.caption_model(which)
            folder = captions.fetch(chosen, agreed, progress.part(0, 0.5))
            with caller.turn(_SECONDS, progress.part(0.5, 1)) as progress:
                return captions.caption_image(chosen, folder, self._image(source), progress)

        def shown(caption: str) -> Updates:
            return {self._said: fine_print(f"Drafted: “{caption}”"), **dict.fromkeys(self._prompts, caption)}

        yield from self._work.run(session_of(request), "describe", "describing a picture", work, shown)

    def stop(self, request: gr.Request) -> None:
        """Stop the captioning of this browser session."""
        self._context.stops.stop(f"describe {session_of(request)}")

    def _image(self, source: Source) -> Image:
        image = self._context.uploads.read(source.path, self._context.limits)
        return sources.cut(source, image, _LONGEST).rgb
