"""The recommendation on the page: in the words of the command line, and a button that ticks what is recommended."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from sr_demo.advice import sentences
from sr_demo.advice.estimates import Certainty, Estimate
from sr_demo.catalogue import APPROACHES
from sr_demo.image import Limits, write_png
from sr_demo.inference.runner import Runner
from sr_demo.ui.compare import presets
from sr_demo.ui.compare.advice import EXAMPLE, AdviceHandlers
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.compare.handlers import Handlers
from sr_demo.ui.compare.layout import lay_out
from sr_demo.ui.compare.run_handlers import RunHandlers
from sr_demo.ui.languages import texts
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.source import Source
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests.conftest import image_of, noise

OURS = tuple(a for a in APPROACHES if a.id in ("bicubic", "edsr", "rdn"))


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    yield made
    shutil.rmtree(made.root)


@pytest.fixture
def context(store: Store) -> PageContext:
    return PageContext(OURS, Runner(), store, Stops(), Limits())


@pytest.fixture
def source_path(tmp_path: Path) -> str:
    path = tmp_path / "photo.png"
    write_png(image_of(noise(200, 300)), path)
    return str(path)


@pytest.fixture
def source(context: PageContext, components: CompareComponents, source_path: str) -> Source:
    taken = Handlers(context, components).take(source_path, None, presets.OWN, False, ["bicubic"], [])
    return taken[components.photo.source]


def test_a_photo_has_a_recommendation_with_reasons_and_without_one_there_is_none(
    context: PageContext, components: CompareComponents, source: Source
) -> None:
    handlers, shown = AdviceHandlers(context, components), components.results.advice
    text = handlers.show(source)[shown]
    assert 'data-text="advice_photo"' in text and "<summary>" in text and "data-tick" in text
    assert handlers.show(None)[shown] == EXAMPLE
    Path(source.path).unlink()
    assert handlers.show(source)[shown] == ""


def test_the_button_ticks_what_is_recommended_and_the_baseline(
    context: PageContext, components: CompareComponents, source: Source
) -> None:
    ticked = AdviceHandlers(context, components).tick(source)
    choice = components.choice
    assert ticked[choice.methods][0] == "bicubic" and len(ticked[choice.methods]) == 2
    assert ticked[choice.more] == []
    assert set(ticked[choice.methods]) <= {"bicubic", "edsr", "rdn"}


def test_a_new_photo_ticks_what_suits_it_until_the_visitor_chooses(
    context: PageContext, components: CompareComponents, source: Source
) -> None:
    handlers, choice = AdviceHandlers(context, components), components.choice
    at_first = ["bicubic", "edsr", "rdn"]
    first = handlers.propose(source, False, at_first, [], at_first)
    assert first[choice.methods] == handlers.tick(source)[choice.methods] == first[choice.proposed]
    shown = components.results.advice
    assert "sr-ticked" in first[shown] and "sr-ticked" in handlers.show(source, first[choice.methods])[shown]
    assert "sr-ticked" not in handlers.show(source, at_first)[shown], "others are ticked too"
    again = handlers.propose(source, False, first[choice.methods], [], first[choice.proposed])
    assert again[choice.methods] == first[choice.methods], "the visitor has not chosen yet"
    for test, methods in ((True, at_first), (False, ["edsr"]), (False, [*at_first, "srgan"])):
        kept = handlers.propose(source, test, methods, [], at_first)
        assert not any(isinstance(value, list) for value in kept.values())
    assert not any(isinstance(value, list) for value in handlers.propose(None, False, at_first, [], at_first).values())


def test_what_is_chosen_while_a_proposal_is_made_stays_and_the_next_photo_gets_a_proposal(
    context: PageContext, components: CompareComponents, source: Source
) -> None:
    handlers, choice = AdviceHandlers(context, components), components.choice
    visitor, other = gr.Request(session_hash="visitor"), gr.Request(session_hash="other")
    handlers.show(source, request=visitor)
    handlers.choose(visitor)
    late = handlers.propose(source, False, ["bicubic"], [], ["bicubic"], visitor)
    assert not any(isinstance(value, list) for value in late.values())
    assert handlers.propose(source, False, ["bicubic"], [], ["bicubic"], other)[choice.methods]
    handlers.show(source, request=visitor)
    assert handlers.propose(source, False, ["bicubic"], [], ["bicubic"], visitor)[choice.methods]


def test_after_a_test_against_the_original_it_has_what_was_measured(
    context: PageContext, components: CompareComponents, source: Source
) -> None:
    values = {component: getattr(component, "value", None) for component in components.run_inputs()}
    choice, shown = components.choice, components.results.advice
    values |= {components.photo.source: source, choice.methods: ["bicubic", "edsr"]}
    request: Any = SimpleNamespace(session_hash="visitor")
    runs = RunHandlers(context, components)
    *_, _ = runs.run({**values, choice.test: True}, request)
    advice = runs.advise(source, [], [], request)[shown]
    assert 'data-text="advice_measured' in advice and 'data-text="advice_photo"' in advice
    *_, _ = runs.run({**values, choice.test: False}, request)
    assert "advice_measured" not in runs.advise(source, [], [], request)[shown]


def test_a_run_that_ends_says_nothing_about_a_photo_that_was_opened_meanwhile(
    context: PageContext, components: CompareComponents, source: Source, tmp_path: Path
) -> None:
    values = {component: getattr(component, "value", None) for component in components.run_inputs()}
    values |= {components.photo.source: source, components.choice.methods: ["bicubic", "edsr"]}
    request: Any = SimpleNamespace(session_hash="visitor")
    runs = RunHandlers(context, components)
    *_, last = runs.run({**values, components.choice.test: True}, request)
    assert components.results.advice not in last
    other = replace(source, path=str(shutil.copy(source.path, tmp_path / "other.png")))
    assert components.results.advice not in runs.advise(other, [], [], request)
    assert components.results.advice not in runs.advise(None, [], [], request)


def test_faces_can_be_kept_where_there_are_some(
    context: PageContext, components: CompareComponents, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, handlers = components.results.keep_faces, AdviceHandlers(context, components)
    assert not handlers.show(source)[keep].visible
    found = handlers._recommendation(source)
    assert found is not None
    faces = replace(found, estimates=replace(found.estimates, faces=Estimate(2, Certainty.LIKELY)))
    monkeypatch.setattr(handlers, "_recommendation", lambda _: faces)
    assert handlers.show(source)[keep].visible


@pytest.mark.parametrize(("ticked", "share"), [(True, 0.3), (False, 1.0)])
def test_the_box_limits_detail_in_faces_for_methods_that_invent(
    store: Store, gradio_loops: None, source_path: str, ticked: bool, share: float
) -> None:
    srgan = next(a for a in APPROACHES if a.id == "srgan")
    context = PageContext((OURS[0], srgan), Runner(), store, Stops(), Limits())
    with gr.Blocks():
        components = lay_out(context)
    taken = Handlers(context, components).take(source_path, None, presets.OWN, False, ["bicubic"], [])
    values: dict[Any, Any] = {one: getattr(one, "value", None) for one in components.run_inputs()}
    choice, photo = components.choice, components.photo
    values |= {photo.source: taken[photo.source], choice.methods: ["bicubic"], choice.more: ["srgan"]}
    task = RunHandlers(context, components).task({**values, components.results.keep_faces: ticked})
    assert [getattr(job.options, "face_detail", None) for job in task.jobs] == [None, share]


def test_the_page_has_the_words_of_the_command_line() -> None:
    english = {key: text for key, text in texts("en").items() if key.startswith("advice_")}
    own = {"advice_why", "advice_tick", "advice_ticked", "advice_example"}
    assert {key: text for key, text in english.items() if key not in own} == {
        f"advice_{key}": text for key, text in sentences.TEXTS.items()
    }
