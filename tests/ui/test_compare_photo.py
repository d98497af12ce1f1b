"""The photo of the Compare tab: decoded once for all events of a visit, and shown anew by each of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.image import ImageData, Limits, read, readonly, write_png
from sr_demo.inference.jobs import Job
from sr_demo.inference.runner import Runner
from sr_demo.ui import uploads
from sr_demo.ui.compare import handlers as compare_handlers
from sr_demo.ui.compare import presets
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.compare.handlers import Handlers
from sr_demo.ui.compare.run_handlers import RunHandlers
from sr_demo.ui.compare.sizes import ChosenSize
from sr_demo.ui.method_choices import WHOLE, PageContext, region_choices
from sr_demo.ui.source import Source
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests.conftest import image_of, noise

CLICK: Any = SimpleNamespace(index=[5, 5])
REQUEST: Any = SimpleNamespace(session_hash="visitor")


@pytest.fixture
def context() -> Iterator[PageContext]:
    store = Store()
    yield PageContext((BICUBIC,), Runner(), store, Stops(), Limits())
    shutil.rmtree(store.root)


@pytest.fixture
def photo(tmp_path: Path) -> str:
    path = tmp_path / "photo.png"
    write_png(image_of(noise(200, 300)), path)
    return str(path)


def values_of(components: CompareComponents, source: object) -> dict[Any, Any]:
    values = {component: getattr(component, "value", None) for component in components.run_inputs()}
    return {**values, components.photo.source: source, components.choice.methods: ["bicubic"]}


def test_an_upload_is_decoded_once_for_all_events_and_runs(
    context: PageContext, components: CompareComponents, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []

    def counting(path: Path, limits: Limits) -> ImageData:
        decoded.append(path.name)
        return read(path, limits)

    monkeypatch.setattr(uploads, "read", counting)
    handlers, runs = Handlers(context, components), RunHandlers(context, components)
    source = components.photo.source
    taken = handlers.take(photo, None, presets.OWN, False, ["bicubic"], [])
    part = handlers.choose_region(taken[source], "128")
    moved = handlers.move_region(part[source], CLICK)
    assert moved[components.photo.source].box()[:2] == (0, 0)
    for test in (False, True):
        values = {**values_of(components, moved[source]), components.choice.test: test}
        *_, last = runs.run(values, REQUEST)
        assert len(last[components.results.viewer]["images"]) == (3 if test else 2)
    assert decoded == ["photo.png"]


def test_every_update_with_the_photo_sets_its_box(
    context: PageContext, components: CompareComponents, photo: str, tmp_path: Path
) -> None:
    handlers, parts = Handlers(context, components), components.photo
    taken = handlers.take(photo, None, presets.OWN, False, ["bicubic"], [])
    source = taken[parts.source]
    text = tmp_path / "notes.png"
    text.write_text("just some text\n" * 20)
    failed = handlers.take(str(text), None, presets.OWN, False, ["bicubic"], [])
    assert "not a picture but a text file" in failed[parts.about]
    assert failed[parts.source] is failed[parts.image] is None
    for updates in (
        taken,
        handlers.take(None, None, presets.OWN, False, ["bicubic"], []),
        handlers.move_region(source, CLICK),
        handlers.move_region(None, CLICK),
        handlers.choose_region(None, "128"),
        handlers.choose_preset(source, presets.FAMILIES, False, ["bicubic"], [], None),
    ):
        assert parts.image in updates and parts.source in updates
    for updates in (
        handlers.choose_preset(source, presets.OWN, False, ["bicubic"], [], None),
        handlers.choose_preset(None, presets.FAMILIES, False, ["bicubic"], [], None),
    ):
        assert parts.image not in updates and parts.source not in updates, "the photo is the same"


def test_a_run_ends_with_everything_and_its_downloads(
    context: PageContext, components: CompareComponents, photo: str
) -> None:
    source = Handlers(context, components).take(photo, None, presets.OWN, False, ["bicubic"], [])[
        components.photo.source
    ]
    first, *_, last = RunHandlers(context, components).run(values_of(components, source), REQUEST)
    results = components.results
    assert not first[components.run.start].interactive and first[components.run.stop].interactive
    assert set(results.all()) <= last.keys() and last[components.run.start].interactive
    assert all(last[button].visible for button in results.downloads.values())


def test_without_a_photo_a_run_says_so(context: PageContext, components: CompareComponents) -> None:
    (only,) = RunHandlers(context, components).run(values_of(components, None), REQUEST)
    assert "There is no picture yet" in only[components.results.progress]
    assert components.results.viewer not in only


@pytest.mark.parametrize("size", [(300, 200), (130, 130), (257, 256), (40, 4000), (1600, 1067)])
def test_a_region_that_is_proposed_is_among_the_choices(
    context: PageContext, components: CompareComponents, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    handlers, source = Handlers(context, components), Source("a.png", "a.png", *size, ())
    for quick in (10_000, 52_000, 10**9):  # pixels that are enlarged at once

        def seconds(source: Source, *_: object, quick: int = quick, **__: object) -> float:
            return 0.0 if source.box().width * source.box().height < quick else 1000.0

        monkeypatch.setattr(handlers, "_total_seconds", seconds)
        proposed = handlers._with_proposed_region(source, False, [], ChosenSize(None))
        assert str(proposed.region_side or WHOLE) in [value for _, value in region_choices(source)]


def test_the_part_and_the_comparison_begin_where_there_is_something_to_see(
    context: PageContext, components: CompareComponents, tmp_path: Path
) -> None:
    image = np.full((300, 400, 3), 0.5, np.float32)
    image[200:280, 20:100] = noise(80, 80)
    path, parts = tmp_path / "corner.png", components.photo
    write_png(image_of(readonly(image)), path)
    handlers, runs = Handlers(context, components), RunHandlers(context, components)
    taken = handlers.take(str(path), None, presets.OWN, False, ["bicubic"], [])[parts.source]
    part = handlers.choose_region(taken, "128")[parts.source]
    box = part.box()
    assert box.left == 0 and box.top > 150 and part.chosen
    for source in (taken, part):
        shown = runs.task(values_of(components, source)).centre
        assert shown is not None
        x, y = (shown[0] * source.box().width + source.box().left, shown[1] * source.box().height + source.box().top)
        assert abs(x - 60) < 20 and abs(y - 240) < 20, "the same place of the photo, whatever is compared"


def test_a_part_is_proposed_again_for_other_ticks_but_not_in_place_of_a_choice(
    context: PageContext, components: CompareComponents, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers, parts = Handlers(context, components), components.photo

    def seconds(source: Source, _: bool, keys: list[str], *__: object, **___: object) -> float:
        return 0.0 if "quick" in keys or source.region_side == 128 else 1000.0

    monkeypatch.setattr(handlers, "_total_seconds", seconds)
    slow = handlers.take(photo, None, presets.OWN, False, ["slow"], [])[parts.source]
    assert slow.region_side == 128 and not slow.chosen
    again = handlers.propose_region(slow, presets.OWN, False, ["quick"], [])
    assert again[parts.source].region_side is None and again[parts.region].value == WHOLE
    assert Path(again[parts.image]).is_file()
    for chosen in (handlers.choose_region(slow, "128"), handlers.move_region(slow, CLICK)):
        kept = handlers.propose_region(chosen[parts.source], presets.OWN, False, ["quick"], [])
        assert kept[parts.source] == gr.skip()


def test_a_photo_that_is_opened_late_does_not_replace_what_came_after_it(
    context: PageContext, components: CompareComponents, photo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers, parts = Handlers(context, components), components.photo
    other = tmp_path / "other.png"
    shutil.copy(photo, other)
    opened = context.uploads.opened
    monkeypatch.setattr(compare_handlers, "chosen_file", lambda _: Path(photo))

    def late(after: str) -> Any:
        def opening(path: str, limits: Limits) -> Any:
            if path == photo:  # while it is decoded, the visitor goes on
                removed = handlers.remove(REQUEST) if after == "removed" else take(other)
                assert gr.skip() not in removed.values()
            return opened(path, limits)

        return opening

    def take(path: object) -> dict[Any, Any]:
        return handlers.take(str(path), None, presets.OWN, False, ["bicubic"], [], request=REQUEST)

    for after in ("removed", "another"):
        monkeypatch.setattr(context.uploads, "opened", late(after))
        assert take(photo) == {parts.source: gr.skip()}, after
        with pytest.raises(gr.Error) as error:  # so that no comparison follows
            handlers.take_example(None, presets.OWN, False, ["bicubic"], [], "4x", "", CLICK, REQUEST)
        assert not error.value.visible
    assert take(other)[parts.source].name == "other.png"


def test_a_preset_does_not_bring_back_the_photo_before_one_that_is_opened_meanwhile(
    context: PageContext, components: CompareComponents, photo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers, parts, choice = Handlers(context, components), components.photo, components.choice
    other = tmp_path / "other.png"
    shutil.copy(photo, other)
    before = handlers.take(photo, None, presets.OWN, False, ["bicubic"], [], request=REQUEST)[parts.source]
    opened = context.uploads.opened

    def opening(path: str, limits: Limits) -> Any:
        if path == photo:  # while its preview is drawn, the visitor opens another photo
            handlers.take(str(other), before, presets.OWN, False, ["bicubic"], [], request=REQUEST)
        return opened(path, limits)

    monkeypatch.setattr(context.uploads, "opened", opening)
    chosen = handlers.choose_preset(before, presets.FAST, False, ["bicubic"], [], None, request=REQUEST)
    assert chosen[parts.source] == gr.skip() and parts.image not in chosen
    assert choice.methods in chosen, "the preset is applied"
    assert handlers.move_region(before, CLICK, REQUEST) == {parts.source: gr.skip()}, "a click changes nothing"


def test_a_new_photo_leaves_the_test_tick_as_it_is(
    context: PageContext, components: CompareComponents, photo: str
) -> None:
    taken = Handlers(context, components).take(photo, None, presets.OWN, True, ["bicubic"], [])
    assert components.choice.test not in taken, "it may have been changed while the photo was opened"


def test_a_new_photo_is_shown_until_there_are_results(
    context: PageContext, components: CompareComponents, photo: str
) -> None:
    handlers, viewer = Handlers(context, components), components.results.viewer

    def take() -> dict[Any, Any]:
        return handlers.take(photo, None, presets.OWN, False, ["bicubic"], [], request=REQUEST)

    taken = take()
    (image,) = taken[viewer]["images"]
    assert (image["width"], image["height"]) == (300, 200) and taken[viewer]["example"]
    *_, last = RunHandlers(context, components).run(values_of(components, taken[components.photo.source]), REQUEST)
    assert len(last[viewer]["images"]) == 2 and viewer not in take(), "results stay"


def test_a_part_is_proposed_for_the_visitors_own_models_too(
    context: PageContext, components: CompareComponents, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = replace(BICUBIC, id="own")
    job = Job(slow, slow.checkpoints[0], slow.options())
    monkeypatch.setattr(context.models, "jobs", lambda session: [job] if session == "visitor" else [])

    def seconds(_: PageContext, job: Job, size: tuple[int, int], **__: object) -> float:
        return 1e-3 * size[0] * size[1] if job.approach is slow else 0.0

    monkeypatch.setattr(compare_handlers, "seconds", seconds)
    handlers, parts = Handlers(context, components), components.photo
    for take in (
        lambda: handlers.take(photo, None, presets.OWN, False, [job.key], [], request=REQUEST),
        lambda: handlers.propose_region(
            handlers.take(photo, None, presets.OWN, False, [], [])[parts.source], presets.OWN, False, [job.key], [],
            request=REQUEST,
        ),
    ):  # fmt: skip
        assert take()[parts.source].is_part()
