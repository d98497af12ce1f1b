"""The search box for OpenModelDB: what it lists, and a model that is fetched for one visitor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from sr_demo.community import fetched_models
from sr_demo.image import Limits
from sr_demo.inference.runner import Runner
from sr_demo.ui.compare import layout
from sr_demo.ui.compare.community_handlers import CommunityHandlers
from sr_demo.ui.compare.visitor_model_handlers import VisitorModelHandlers
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests import fakes
from tests.community_server import CommunityServer, serving
from tests.ui.test_visitor_models import choices, visitor

pytestmark = pytest.mark.usefixtures("gradio_loops")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[CommunityServer]:
    with serving(monkeypatch, tmp_path) as found:
        found.add("2x-Tiny", author="<b>anna</b>")
        found.add("2x-Unfree", license="CC-BY-NC-SA-4.0")
        found.add("2x-Video", architecture="cain", name="<i>Video</i>")
        yield found


@pytest.fixture
def context() -> PageContext:
    return PageContext([fakes.good()], Runner(), Store(), Stops(), Limits(), community=True)


def handlers(context: PageContext) -> tuple[CommunityHandlers, Any, Any]:
    with gr.Blocks():
        parts = layout.lay_out(context)
    box = parts.choice.own.search
    assert box is not None
    return CommunityHandlers(context, parts, box, VisitorModelHandlers(context, parts)), parts, box


def test_a_search_lists_what_can_run_and_why_the_rest_cannot(server: CommunityServer, context: PageContext) -> None:
    community, _, box = handlers(context)
    *_, found = community.search("", 0, "commercial", visitor("anna"))
    assert choices(found[box.found]) == ["2x-Tiny"]
    ((label, _),) = found[box.found].choices
    assert label == "Tiny · 2x · compact\nCC-BY-4.0 · 13 kB · by <b>anna</b> · photo"
    assert "1 more match whose licence does not allow commercial use" in found[box.status]
    why = '<span class="sr-words">spandrel does not know the architecture cain.</span>'
    assert f"&lt;i&gt;Video&lt;/i&gt;: {why}" in found[box.absent]
    *_, found = community.search("unfree", 2, "any", visitor("anna"))
    assert "CC-BY-NC-SA-4.0 (no commercial use)" in found[box.found].choices[0][0]


def test_a_fetched_model_belongs_to_its_visitor_and_goes_with_them(
    server: CommunityServer, context: PageContext
) -> None:
    community, parts, box = handlers(context)
    *_, found = community.fetch("2x-Tiny", visitor("anna"))
    assert choices(found[parts.choice.methods]) == ["good", "openmodeldb:2x-Tiny"]
    assert found[parts.choice.own.added] == "openmodeldb:2x-Tiny"
    assert "Licence: CC-BY-4.0" in found[box.status]
    assert context.models.jobs("bert") == [] and fetched_models.stored_approaches() == []
    path = context.models.jobs("anna")[0].checkpoint.files[0].path
    assert path is not None and path.is_relative_to(context.store.folder)
    *_, again = community.fetch("2x-Tiny", visitor("anna"))
    assert "You have this model already" in again[box.status]
    context.models.forget("anna")
    assert not path.parent.exists()


def test_on_ones_own_computer_it_stays(server: CommunityServer, context: PageContext) -> None:
    context = replace(context, private=True)
    community, parts, box = handlers(context)
    *_, _ = community.fetch("2x-Tiny", visitor("anna"))
    context.models.forget("anna")
    here = fetched_models.stored_approaches()
    assert [approach.checkpoints[0].name for approach in here] == ["2x-Tiny"]
    community, parts, box = handlers(replace(context, approaches=[*context.approaches, *here]))
    assert "openmodeldb:2x-Tiny" in choices(parts.choice.more)
    *_, again = community.fetch("2x-Tiny", visitor("anna"))
    assert "This model is here already" in again[box.status]


@pytest.mark.parametrize("identifier", [None, "2x-Video", "2x-Gone", "../2x-Tiny"])
def test_what_cannot_be_fetched_is_said_and_leaves_nothing(
    server: CommunityServer, context: PageContext, identifier: str | None
) -> None:
    community, parts, box = handlers(context)
    *_, last = community.fetch(identifier, visitor("anna"))
    assert "sr-problem" in last[box.status] and parts.choice.methods not in last
    assert list(context.store.folder.iterdir()) == []


def test_without_a_network_a_search_says_so(server: CommunityServer, context: PageContext) -> None:
    server.close()
    community, _, box = handlers(context)
    *_, last = community.search("", 0, "commercial", visitor("anna"))
    assert "Works again with a network" in last[box.status] and box.found not in last


def test_where_it_is_switched_off_there_is_no_box(context: PageContext) -> None:
    with gr.Blocks():
        assert layout.lay_out(replace(context, community=False)).choice.own.search is None


def test_a_search_leaves_a_model_that_is_being_fetched(server: CommunityServer, context: PageContext) -> None:
    community, parts, box = handlers(context)
    fetching = community.fetch("2x-Tiny", visitor("anna"))
    next(fetching)
    *_, found = community.search("", 0, "commercial", visitor("anna"))
    assert choices(found[box.found]) == ["2x-Tiny"] and found[parts.run.stop].interactive, "it stops the download"
    *_, fetched = fetching
    assert choices(fetched[parts.choice.methods]) == ["good", "openmodeldb:2x-Tiny"]
