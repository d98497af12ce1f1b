"""The Data tab in a browser: drop photos, read the report, download it."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import gradio as gr
import pytest
from PIL import Image as Pillow
from playwright.sync_api import Page, expect

from sr_demo.datasets.report import DataReport
from sr_demo.image import Limits, quantize
from sr_demo.imaging.samples import SAMPLES
from sr_demo.inference.runner import Runner
from sr_demo.progress import SILENT
from sr_demo.ui.data import handlers as handlers_module
from sr_demo.ui.data.handlers import DataHandlers
from sr_demo.ui.data.layout import data_tab
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.page import _STYLE
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests.conftest import noise
from tests.e2e.conftest import OpenPage, Serve

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
PATIENCE = 30_000


@pytest.fixture(scope="module")
def url(serve: Serve) -> str:
    store = Store()
    context = PageContext((), Runner(), store, Stops(), Limits())
    with gr.Blocks(analytics_enabled=False) as blocks:
        data_tab(context)
    return serve(blocks, allowed_paths=[str(store.folder)], css=_STYLE.read_text(encoding="utf-8"))


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """A zip with three images, one of them twice; a single image; and a text file that is named like an image."""
    made: list[Path] = []
    for seed in range(4):
        path = tmp_path / f"photo{seed}.png"
        Pillow.fromarray(quantize(noise(128, 160, seed=seed))).save(path)
        made.append(path)
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        for path in (*made[:3], made[0]):
            archive.write(path, f"{path.stem}-{len(archive.namelist())}.png")
    (tmp_path / "notes.png").write_text("not a picture")
    return [tmp_path / "some.zip", made[3], tmp_path / "notes.png"]


def drop(page: Page, where: str, files: list[Path]) -> None:
    page.locator(f"#{where} input[type=file]").set_input_files([str(f) for f in files])
    expect(page.locator(f"#{where}")).to_contain_text(re.compile(r"\d\s?KB"), timeout=PATIENCE)


@pytest.mark.slow
def test_dropped_photos_are_measured_and_the_report_is_downloaded(
    url: str, open_page: OpenPage, photos: list[Path], tmp_path: Path
) -> None:
    page = open_page(url)
    drop(page, "data-files", photos)
    drop(page, "data-tests", [photos[1]])
    page.locator("#data-look").click()
    report = page.locator("#data-report")
    expect(page.locator("#data-line")).to_contain_text("Done.", timeout=PATIENCE)
    expect(report).to_contain_text("5 pictures were measured, 1 was skipped")
    expect(report).to_contain_text("1 picture is a copy of another.")
    expect(report).to_contain_text("photo3.png and photo3.png: the same picture")
    expect(report).to_contain_text("notes.png is not a picture")
    expect(report.locator("svg")).not_to_have_count(0)
    for image in report.locator("img").all()[:3]:
        assert image.evaluate("i => i.naturalWidth") > 0 and image.get_attribute("alt")
    links = page.locator("#data-report-files a[download]")
    expect(links).to_have_count(2)
    with page.expect_download() as download:
        links.nth(1).click()
    download.value.save_as(tmp_path / "data.json")
    assert json.loads((tmp_path / "data.json").read_text())["measured"] == 5


@pytest.mark.parametrize("examples", [False, True])
def test_a_test_image_that_cannot_be_read_is_named_and_is_none_of_the_set(
    gradio_loops: None, photos: list[Path], examples: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = DataHandlers(PageContext((), Runner(), Store(), Stops(), Limits()), None)  # type: ignore[arg-type]
    made: list[DataReport] = []
    monkeypatch.setattr(handlers, "_run", lambda request, work: made.append(work(SILENT)) or iter(()))
    monkeypatch.setattr(handlers_module, "SAMPLES", SAMPLES[:1])
    tests, request = [str(photos[1]), str(photos[2])], gr.Request()
    list(handlers.inspect_examples(request, tests) if examples else handlers.inspect(request, [str(photos[0])], tests))
    (report,) = made
    assert [sentence for sentence in report.skipped if "notes.png is not a picture" in sentence]
    assert report.skipped[0].startswith("your test pictures: ")
    assert report.total == len(report.images) == (1 if examples else 4)


@pytest.mark.slow
def test_no_photos_gives_a_message_and_a_phone_page_is_not_widened(
    url: str, open_page: OpenPage, photos: list[Path]
) -> None:
    page = open_page(url, width=390, height=800, phone=True)
    page.locator("#data-look").click()
    expect(page.locator("#data-line [role=alert]")).to_contain_text("There are no photos yet", timeout=PATIENCE)
    drop(page, "data-files", photos[:1])
    page.locator("#data-look").click()
    expect(page.locator("#data-line")).to_contain_text("Done.", timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.slow
def test_stop_keeps_what_was_measured(
    serve: Serve, open_page: OpenPage, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measuring waits until Stop was pressed, so that there is something to stop."""
    from threading import Event

    from sr_demo.datasets import report as data_report

    real, real_stop, pressed, begun = data_report.measure, DataHandlers.stop, Event(), Event()

    def slow(name: str, hr: object, lr: object) -> object:
        begun.set()
        assert pressed.wait(30)
        return real(name, hr, lr)  # type: ignore[arg-type]

    def stop(self: DataHandlers, request: gr.Request) -> None:
        real_stop(self, request)
        pressed.set()

    monkeypatch.setattr(data_report, "measure", slow)
    monkeypatch.setattr(DataHandlers, "stop", stop)
    store = Store()
    with gr.Blocks(analytics_enabled=False) as blocks:
        data_tab(PageContext((), Runner(), store, Stops(), Limits()))
    page = open_page(serve(blocks, allowed_paths=[str(store.folder)]))
    drop(page, "data-files", photos[:1])
    expect(page.locator("#data-stop")).to_be_disabled()
    page.locator("#data-look").click()
    assert begun.wait(60)
    page.locator("#data-stop").click()
    expect(page.locator("#data-report")).to_contain_text("Stopped after 1 of 4 pictures", timeout=PATIENCE)
    expect(page.locator("#data-stop")).to_be_disabled(timeout=PATIENCE)
