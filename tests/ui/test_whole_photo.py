"""A photo of which a part is compared is enlarged whole by the quickest network, if that is soon enough."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.errors import BadInput
from sr_demo.image import Limits, read, write_png
from sr_demo.inference import memory_need
from sr_demo.inference.jobs import Job
from sr_demo.inference.runner import Runner
from sr_demo.ui.compare import presets, whole_photo
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.compare.handlers import Handlers
from sr_demo.ui.compare.history import HistoryHandlers
from sr_demo.ui.compare.run_handlers import STOPPED, RunHandlers
from sr_demo.ui.languages import text
from sr_demo.ui.method_choices import PageContext, quickest
from sr_demo.ui.source import Source
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from sr_demo.ui.visitor_work import VisitorWork
from tests import fakes
from tests.conftest import image_of, noise

NET = replace(BICUBIC, id="net", title="Net", family="convolutional")
INVENTING = replace(NET, id="inventing", title="Inventing", family="adversarial", invents=True)
REQUEST: Any = SimpleNamespace(session_hash="visitor")
KEYS = ["bicubic", "net", "inventing"]


@pytest.fixture
def context() -> Iterator[PageContext]:
    store = Store()
    yield PageContext((BICUBIC, INVENTING, NET), Runner(), store, Stops(), Limits())
    shutil.rmtree(store.root)


@pytest.fixture
def part(context: PageContext, components: CompareComponents, tmp_path: Path) -> Source:
    """A part of a photo."""
    path = tmp_path / "photo.png"
    write_png(image_of(noise(200, 300)), path)
    handlers = Handlers(context, components)
    taken = handlers.take(str(path), None, presets.OWN, False, KEYS, [])
    return handlers.choose_region(taken[components.photo.source], "128")[components.photo.source]


def run(
    context: PageContext, components: CompareComponents, source: Source, *, test: bool = False
) -> list[dict[Any, Any]]:
    return list(updates(context, components, source, test=test))


def updates(
    context: PageContext, components: CompareComponents, source: Source, *, test: bool = False
) -> Iterator[dict[Any, Any]]:
    values = {component: getattr(component, "value", None) for component in components.run_inputs()}
    values |= {components.photo.source: source, components.choice.methods: KEYS, components.choice.test: test}
    yield from RunHandlers(context, components).run(values, REQUEST)


def report(update: dict[Any, Any], components: CompareComponents) -> str:
    return Path(update[components.results.downloads["json"]].value["path"]).read_text(encoding="utf-8")


def test_the_quickest_faithful_network_enlarges_the_whole_photo(
    context: PageContext, components: CompareComponents, part: Source
) -> None:
    box, (*before, last) = part.box(), run(context, components, part)
    shown = {image["id"]: image for image in last[components.results.viewer]["images"]}
    assert list(shown) == ["input", "net", "bicubic", "inventing"], "what shows the whole comes first"
    assert [shown[name]["part"] is None for name in shown] == [True, True, False, False]
    assert (shown["input"]["width"], shown["net"]["width"], shown["bicubic"]["width"]) == (300, 1200, 512)
    np.testing.assert_allclose(shown["bicubic"]["part"], (box.left / 300, box.top / 200, 128 / 300, 128 / 200))
    parts = [
        image for update in before for image in update[components.results.viewer]["images"] if image["id"] == "net"
    ]
    assert any(image["url"] and image["part"] for image in parts), "until then it shows the part, like the others"
    assert any("Now the whole photo, by Net" in update[components.results.progress] for update in before)
    with zipfile.ZipFile(last[components.results.downloads["zip"]].value["path"]) as archive:
        assert {"input.png", "net_whole.png", "bicubic.png", "report.html"} < set(archive.namelist())
        assert "only a part (128 x 128 of 300 x 200 pixels)" in archive.read("report.json").decode()
        assert '"part": [' in archive.read("report.html").decode()
    whole = part_file(last, components, "net")
    assert read(whole).rgb.shape == (800, 1200, 3)


def part_file(update: dict[Any, Any], components: CompareComponents, name: str) -> Path:
    (image,) = (one for one in update[components.results.viewer]["images"] if one["id"] == name)
    return Path(image["url"].partition("file=")[2])


def test_only_a_whole_photo_that_was_enlarged_is_reported(
    context: PageContext, components: CompareComponents, part: Source
) -> None:
    *_, last = run(context, components, part)
    assert "The whole photo was enlarged too, by Net." in report(last, components)
    for update in updates(context, components, part):
        last = update
        if "Now the whole photo" in update[components.results.progress]:
            context.stops.stop("compare visitor")
    assert "only a part (128 x 128 of" in report(last, components)
    assert "The whole photo was enlarged" not in report(last, components)


def test_a_method_that_failed_on_the_part_is_not_given_the_whole(
    context: PageContext, components: CompareComponents, part: Source
) -> None:
    def fails(*_: Any) -> Any:
        raise BadInput("This network is broken.")

    upscaler = fakes.Fake(fails)
    broken = replace(fakes.approach(upscaler, name="net"), family="convolutional")
    *_, last = run(replace(context, approaches=(BICUBIC, INVENTING, broken)), components, part)
    assert set(upscaler.seen) == {(128, 128)}
    images = {image["id"]: image for image in last[components.results.viewer]["images"]}
    assert images["net"]["status"] == "This network is broken."
    assert "The whole photo was enlarged" not in report(last, components)


def test_a_comparison_that_was_stopped_leaves_the_way_back_to_the_one_before(
    context: PageContext, components: CompareComponents, part: Source
) -> None:
    history = components.results.history
    *_, last = run(context, components, part)
    assert last[history] == "", "the one there is, is shown"
    for update in updates(context, components, part):
        last = update
        context.stops.stop("compare visitor")
    assert components.results.downloads["zip"] not in last and last[history].count("data-run") == 1
    assert 'aria-pressed="true"' not in last[history]
    back: Any = SimpleNamespace(value=context.histories.runs("visitor")[0].id)
    shown = HistoryHandlers(context, components).bring_back(back, REQUEST)
    assert shown[history] == "" and not shown[components.save.box].visible


def test_stop_stays_where_it_stops_something_else_too(
    context: PageContext, components: CompareComponents, part: Source
) -> None:
    stop = components.run.stop
    *_, last = run(context, components, part)
    assert not last[stop].interactive
    flag = context.stops.begin("open model visitor")
    *_, last = run(context, components, part)
    assert last[stop].interactive
    handlers = RunHandlers(context, components)
    assert components.run.estimate not in handlers.stop(REQUEST), "nothing would replace the sentence"
    assert flag.is_set()
    work = VisitorWork(context, components.choice.own.status, stop, beside=STOPPED)
    comparison = context.stops.begin("compare visitor")
    *_, last = work.run("visitor", "search models", "searching", lambda *_: 1, lambda _: {})
    assert last[stop].interactive
    context.stops.end("compare visitor", comparison)
    *_, last = work.run("visitor", "search models", "searching", lambda *_: 1, lambda _: {})
    assert not last[stop].interactive


def test_what_both_take_is_said_before(context: PageContext, components: CompareComponents, part: Source) -> None:
    handlers = Handlers(context, components)
    said = handlers.estimate(part, presets.OWN, False, KEYS, [])
    assert "for the whole photo (Net)" in said[components.run.estimate]
    button = said[components.run.whole]
    assert button.visible and button.value.startswith(text("whole_photo")) and button.value.endswith(" s")
    assert "estimate_busy" not in said[components.run.estimate]
    context.runner.estimates.note_contention(0.9)
    assert "estimate_busy" in handlers.estimate(part, presets.OWN, False, KEYS, [])[components.run.estimate]
    whole = handlers.choose_whole(part)
    assert not whole[components.photo.source].is_part() and not whole[components.run.whole].visible
    said = handlers.estimate(whole[components.photo.source], presets.OWN, False, KEYS, [])
    assert "part" not in said[components.run.estimate] and not said[components.run.whole].visible


def test_only_a_part_is_enlarged_where_the_whole_takes_too_long_or_does_not_fit(
    context: PageContext, components: CompareComponents, part: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, value in (
        (whole_photo, "PATIENCE_SECONDS", 0.0),
        (memory_need, "available_resources", lambda: memory_need.AvailableResources(1000, 10**12, 10**12)),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            assert whole_photo.whole_photo_job(context, [Job(NET, NET.checkpoints[0], NET.options())], part) is None
            assert (
                "whole photo by"
                not in Handlers(context, components).estimate(part, presets.OWN, False, KEYS, [])[
                    components.run.estimate
                ]
            )


def test_a_test_compares_the_part_alone(context: PageContext, components: CompareComponents, part: Source) -> None:
    *_, last = run(context, components, part, test=True)
    images = last[components.results.viewer]["images"]
    assert all(image["part"] is None for image in images) and max(image["width"] for image in images) == 128


def test_without_a_faithful_network_the_quickest_of_the_others_is_taken(context: PageContext) -> None:
    jobs = {a.id: Job(a, a.checkpoints[0], a.options()) for a in (BICUBIC, NET, INVENTING)}
    estimates = context.runner.estimates
    assert quickest(estimates, list(jobs.values())) is jobs["net"]
    assert quickest(estimates, [jobs["bicubic"], jobs["inventing"]]) is jobs["inventing"]
    assert quickest(estimates, [jobs["bicubic"]]) is None


def test_reports_say_what_was_cut_and_reduced(
    context: PageContext, components: CompareComponents, part: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_photo, "whole_photo_job", lambda *_: None)

    def said(source: Source, *, test: bool = False) -> tuple[str, str]:
        *_, last = run(context, components, source, test=test)
        return report(last, components), last[components.results.viewer]["images"][0]["scores"]

    cut = "only a part (128 x 128 of 300 x 200 pixels)"
    text, caption = said(part)
    assert cut in text and caption == "part of your photo"
    text, caption = said(part, test=True)
    assert cut in text and "Made from the original" in text and caption == "part of your photo"
    text, caption = said(part.whole())
    assert "Enlarged as uploaded" in text and "part" not in text and caption == "as uploaded"
    monkeypatch.setattr(presets, "max_side", lambda *_: 60)
    text, caption = said(part.whole())
    assert "The photo was first reduced to 60 x 40 pixels." in text and caption == "your photo, reduced"
    assert "as uploaded" not in text
    text, caption = said(part)
    assert "The part was first reduced to 60 x 60 pixels." in text and caption == "part of your photo, reduced"
