"""The search box for models of OpenModelDB under "Your own model": its layout and its events."""

from __future__ import annotations

from typing import Any

import gradio as gr

from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.compare.community_handlers import CommunityHandlers
from sr_demo.ui.compare.components import CompareComponents, SearchComponents
from sr_demo.ui.compare.handlers import Handlers
from sr_demo.ui.compare.visitor_model_handlers import VisitorModelHandlers
from sr_demo.ui.languages import marked, text
from sr_demo.ui.method_choices import PageContext
from sr_demo.user_models.trial import SCALES

_INTRO = f'<p class="sr-fine">{marked("community_intro")}</p>'


def lay_out() -> SearchComponents:
    """Lay out the box, in the current Gradio context."""
    words = gr.Textbox(
        label=text("community_words"), placeholder=text("community_example"), max_lines=1,
        max_length=80, elem_id="community-words",
    )  # fmt: skip
    with gr.Row():
        scale = gr.Dropdown(
            [(text("community_any_scale"), 0), *((f"{n}x" if n > 1 else text("community_cleans"), n) for n in SCALES)],
            value=0, label=text("community_scale"),
            elem_id="community-scale", min_width=100,
        )  # fmt: skip
        licences = gr.Dropdown(
            [(text("community_commercial"), "commercial"), (text("community_any_licence"), "any")],
            value="commercial", label=text("community_licences"),
            elem_id="community-licences", min_width=100,
        )  # fmt: skip
    search = gr.Button(text("community_search"), size="sm", elem_id="community-search")
    status = gr.HTML(_INTRO, elem_id="community-status")
    found = gr.Radio(
        [], label=text("community_found"), visible=False, elem_id="community-found", elem_classes="sr-methods sr-hits",
        container=False,
    )  # fmt: skip
    fetch = gr.Button(text("community_fetch"), visible=False, size="sm", variant="primary", elem_id="community-fetch")
    absent = gr.HTML(elem_id="community-absent", elem_classes="sr-may-be-empty")
    return SearchComponents(words, scale, licences, search, status, found, fetch, absent)


def connect(context: PageContext, components: CompareComponents, handlers: Handlers, own: VisitorModelHandlers) -> None:
    """Connect the events of the box, if the page has one."""
    choice, box = components.choice, components.choice.own.search
    if box is None:
        return
    community = CommunityHandlers(context, components, box, own)
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    query: list[Any] = [box.words, box.scale, box.licences]
    listed: list[Any] = [box.status, box.found, box.fetch, box.absent, components.run.stop]
    for event in (box.words.submit, box.search.click):
        event(community.search, query, listed, **HEAVY, **quiet)
    added: list[Any] = [box.status, choice.own.remove, choice.methods, choice.own.added, components.run.stop]
    ticked: list[Any] = [choice.methods, choice.own.added]
    selected: list[Any] = components.estimate_inputs()
    estimates: list[Any] = components.estimates()
    fetched = box.fetch.click(community.fetch, [box.found], added, **HEAVY, **quiet)
    fetched = fetched.then(own.tick, ticked, ticked, **LIGHT, **quiet)
    fetched.then(handlers.estimate, selected, estimates, **LIGHT, **quiet)
