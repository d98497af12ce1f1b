"""The photo of the Compare tab: decoded once for all events of a visit, and shown anew by each of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.image import ImageData, Limits, read, write_png
from sr_demo.inference.runner import Runner
from sr_demo.ui import uploads
from sr_demo.ui.compare import presets
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.compare.handlers import Handlers
from sr_demo.ui.compare.run_handlers import RunHandlers
from sr_demo.ui.compare.sizes import Chosen
from sr_demo.ui.method_choices import WHOLE, Context, region_choices
from sr_demo.ui.source import Source
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests.conftest import image_of, noise

CLICK: Any = SimpleNamespace(index=[5, 5])
REQUEST: Any = SimpleNamespace(session_hash="visitor")


@pytest.fixture
def context() -> Iterator[Context]:
    store = Store()
    yield Context((BICUBIC,), Runner(), store, Stops(), Limits())
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
    context: Context, components: CompareComponents, photo: str, monkeypatch: pytest.MonkeyPatch
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
    context: Context, components: CompareComponents, photo: str, tmp_path: Path
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
        handlers.choose_preset(source, presets.OWN, False, ["bicubic"], [], None),
        handlers.choose_preset(None, presets.FAMILIES, False, ["bicubic"], [], None),
    ):
        assert parts.image in updates and parts.source in updates


def test_a_run_ends_with_everything_and_its_downloads(
    context: Context, components: CompareComponents, photo: str
) -> None:
    source = Handlers(context, components).take(photo, None, presets.OWN, False, ["bicubic"], [])[
        components.photo.source
    ]
    first, *_, last = RunHandlers(context, components).run(values_of(components, source), REQUEST)
    results = components.results
    assert not first[components.run.start].interactive and first[components.run.stop].interactive
    assert set(results.all()) <= last.keys() and last[components.run.start].interactive
    assert all(last[button].visible for button in results.downloads.values())


def test_without_a_photo_a_run_says_so(context: Context, components: CompareComponents) -> None:
    (only,) = RunHandlers(context, components).run(values_of(components, None), REQUEST)
    assert "There is no picture yet" in only[components.results.progress]
    assert components.results.viewer not in only


@pytest.mark.parametrize("size", [(300, 200), (130, 130), (257, 256), (40, 4000), (1600, 1067)])
def test_a_region_that_is_proposed_is_among_the_choices(
    context: Context, components: CompareComponents, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    handlers, source = Handlers(context, components), Source("a.png", "a.png", *size, ())
    for quick in (10_000, 52_000, 10**9):  # pixels that are enlarged at once

        def seconds(source: Source, *_: object, quick: int = quick) -> float:
            return 0.0 if source.box().width * source.box().height < quick else 1000.0

        monkeypatch.setattr(handlers, "_total_seconds", seconds)
        proposed = handlers._with_proposed_region(source, False, [], Chosen(None))
        assert str(proposed.region_side or WHOLE) in [value for _, value in region_choices(source)]
