"""Results of other tools on the Compare tab: beside the methods in everything that a comparison shows, or a sentence."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sr_demo.image import Image, Limits, write_png
from sr_demo.imaging.alignment import Shift, undo_shift
from sr_demo.imaging.resize import downscale, resize
from sr_demo.imaging.samples import SAMPLES
from sr_demo.inference.runner import Runner
from sr_demo.reports import external_results
from sr_demo.ui.compare import presets
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.compare.external_results import ExternalResultHandlers
from sr_demo.ui.compare.handlers import Handlers
from sr_demo.ui.compare.run_handlers import RunHandlers
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests import fakes
from tests.conftest import image_of, noise

REQUEST: Any = SimpleNamespace(session_hash="visitor")


@pytest.fixture
def context() -> Iterator[PageContext]:
    store = Store()
    yield PageContext((fakes.good(),), Runner(), store, Stops(), Limits())
    shutil.rmtree(store.root)


@pytest.fixture(scope="module")
def original() -> Image:
    (cat,) = (sample for sample in SAMPLES if sample.id == "cat")
    return cat.make()[:160, :200]


def last_update(
    context: PageContext,
    components: CompareComponents,
    photo: Path,
    results: list[Path],
    *,
    test: bool,
    region: str = "whole",
) -> Any:
    handlers, parts = Handlers(context, components), components.photo
    source = handlers.take(str(photo), None, presets.OWN, test, ["good"], [])[parts.source]
    source = handlers.choose_region(source, region)[parts.source]
    values: dict[Any, Any] = {component: getattr(component, "value", None) for component in components.run_inputs()}
    values |= {parts.source: source, components.choice.methods: ["good"], components.choice.test: test}
    values[components.choice.brought.files] = [str(path) for path in results]
    *_, last = RunHandlers(context, components).run(values, REQUEST)
    return last


def test_a_result_stands_in_viewer_table_chart_report_and_zip(
    context: PageContext, components: CompareComponents, original: Image, tmp_path: Path
) -> None:
    photo, theirs, other = (tmp_path / name for name in ("photo.png", "theirs.png", "other.png"))
    write_png(image_of(original), photo)
    result = resize(downscale(original, 4), (160, 200), "lanczos")
    write_png(image_of(undo_shift(result, Shift(0.0, -1.5))), theirs)
    write_png(image_of(noise(160, 200)), other)
    last = last_update(context, components, photo, [theirs, other], test=True)
    results = components.results
    shown = {image["label"]: image for image in last[results.viewer]["images"]}
    assert list(shown) == ["Original", "Small version", "Good", "brought: theirs", "brought: other"]
    assert shown["brought: theirs"]["note"] == "by another tool; it was shifted 1.5 px right, which was corrected"
    assert "dB" in shown["brought: theirs"]["scores"] and " s" not in shown["brought: theirs"]["scores"]
    assert "does not show this photo" in shown["brought: other"]["status"] and shown["brought: other"]["failed"]
    for part in (results.table, results.chart):
        assert "brought: theirs" in last[part] and "brought: other" not in last[part]
    archive = zipfile.ZipFile(last[results.downloads["zip"]].value["path"])
    assert "brought-theirs.png" in archive.namelist() and b"brought: theirs" in archive.read("report.html")
    report = json.loads(archive.read("report.json"))
    assert report["results"][1]["psnr_y"] > 25
    assert report["failures"] == [{"title": "brought: other", "message": shown["brought: other"]["status"]}]


@pytest.mark.parametrize(("region", "size"), [("whole", (400, 320)), ("128", (256, 256))])
def test_without_an_original_a_part_is_cut_out_of_a_result_of_any_scale(
    context: PageContext,
    components: CompareComponents,
    original: Image,
    tmp_path: Path,
    region: str,
    size: tuple[int, int],
) -> None:
    photo, theirs = tmp_path / "photo.png", tmp_path / "theirs.png"
    write_png(image_of(original), photo)
    write_png(image_of(resize(original, (320, 400))), theirs)
    last = last_update(context, components, photo, [theirs], test=False, region=region)
    image = last[components.results.viewer]["images"][-1]
    assert (image["width"], image["height"]) == size and "no shift was found" in image["note"]


def test_dropped_files_are_described_or_refused_at_once(
    context: PageContext, components: CompareComponents, tmp_path: Path
) -> None:
    handlers, status = ExternalResultHandlers(context, components), components.choice.brought.status
    image, text = tmp_path / "a.png", tmp_path / "notes.png"
    write_png(image_of(noise(8, 8)), image)
    text.write_text("just some text\n" * 20)
    assert "brought: a, brought: a (2): shown" in handlers.describe([str(image)] * 2)[status]
    assert "not a picture but a text file" in handlers.describe([str(text)])[status]
    assert "At most 4 results" in handlers.describe([str(image)] * (external_results.MOST + 1))[status]
    assert "Up to 4 pictures" in handlers.describe(None)[status]


def test_too_many_results_end_a_comparison_with_a_sentence(
    context: PageContext, components: CompareComponents, original: Image, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    write_png(image_of(original), photo)
    last = last_update(context, components, photo, [photo] * 5, test=False)
    assert "At most 4 results" in last[components.results.progress]
