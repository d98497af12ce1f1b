"""The page as people use it, in a real browser."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from sr_demo.catalogue import APPROACHES
from sr_demo.image import quantize, read, write_png
from sr_demo.imaging.resize import downscale, resize
from tests.conftest import image_of, noise
from tests.e2e.conftest import OpenPage, Serve, click_into
from tests.e2e.launched import GOOD, launch

__all__ = ["GOOD", "launch"]
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PATIENCE = 60_000
"""Milliseconds. Nothing here takes that long on a quiet machine; a test machine is not always quiet."""


@pytest.fixture(scope="module")
def real_page(serve: Serve) -> str:
    return launch(serve, APPROACHES)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """128 x 96 pixels."""
    path = tmp_path / "photo.png"
    write_png(image_of(noise(96, 128)), path)
    return path


def upload(page: Page, file: Path) -> None:
    page.locator("#photo input[type=file]").set_input_files(str(file))
    expect(page.locator("#about-photo")).to_contain_text("pixels", timeout=PATIENCE)


def choose_only(page: Page, *names: str) -> None:
    """Tick these methods and no others. While a page is still being built, it may take clicks back: then click again."""
    expect(page.locator("#viewer .srv-level")).to_have_text(re.compile("%"), timeout=PATIENCE)
    held = 0
    while held < 2:
        boxes = page.locator("#methods label").all()
        wanted = [any(box.inner_text().startswith(name) for name in names) for box in boxes]
        held += 1
        for box, tick in zip(boxes, wanted, strict=True):
            if box.locator("input").is_checked() != tick:
                box.locator("input").click()
                held = 0
        page.wait_for_timeout(250)


def compare(page: Page) -> None:
    button = page.get_by_role("button", name="Compare", exact=True)
    expect(button).to_be_enabled(timeout=PATIENCE)
    button.click()


def finished(page: Page) -> None:
    expect(page.locator("#download-zip")).to_be_visible(timeout=PATIENCE)


def downloaded(page: Page, button: str) -> bytes:
    with page.expect_download() as waiting:
        page.locator(button).click()
    return Path(waiting.value.path()).read_bytes()


@pytest.mark.slow
def test_methods_are_scored_against_the_original_and_results_downloaded(
    real_page: str, open_page: OpenPage, photo: Path
) -> None:
    page = open_page(real_page)
    upload(page, photo)
    page.locator("#test input").click()
    choose_only(page, "Bicubic", "RDN (ours)")
    compare(page)
    finished(page)

    table = page.locator("#table table")
    expect(table).to_contain_text("PSNR-Y")
    expect(table.locator("tbody tr")).to_have_count(2)
    expect(page.locator("#viewer img[alt='The original, 128 by 96 pixels']")).to_have_count(1)
    expect(page.locator("#viewer img[alt='Result of RDN (ours), 128 by 96 pixels']")).to_have_count(1)
    expect(page.locator("#chart svg")).to_have_count(2)

    archive = zipfile.ZipFile(io.BytesIO(downloaded(page, "#download-zip")))
    assert {"truth.png", "input.png", "bicubic.png", "rdn.png", "report.html", "report.json"} <= set(archive.namelist())
    small = downscale(read(photo).rgb, 4)
    expected = quantize(resize(small, (96, 128)))
    stored = cv2.imdecode(np.frombuffer(archive.read("bicubic.png"), np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(stored, expected)
    report = json.loads(archive.read("report.json"))
    assert [row["approach"] for row in report["results"]] == ["bicubic", "rdn"]
    assert all(row["psnr_y"] > 10 for row in report["results"])


@pytest.mark.slow
def test_what_the_browser_shows_is_lossless(real_page: str, open_page: OpenPage, photo: Path) -> None:
    page = open_page(real_page)
    upload(page, photo)
    choose_only(page, "Bicubic")
    compare(page)
    finished(page)
    source = page.locator("#viewer img[alt^='Result of Bicubic']").first.get_attribute("src")
    body = page.request.get(f"{real_page}{source}").body()
    shown = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(shown, quantize(resize(read(photo).rgb, (384, 512))))
    # Without a reference there is no PSNR to show.
    expect(page.locator("#table table")).not_to_contain_text("PSNR")


@pytest.mark.slow
def test_an_example_is_one_click(real_page: str, open_page: OpenPage) -> None:
    page = open_page(real_page)
    choose_only(page, "Bicubic")
    page.locator("#examples button").first.click()
    finished(page)
    expect(page.locator("#viewer img[alt='Result of Bicubic, 1200 by 800 pixels']")).to_have_count(1)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_first_screen_shows_a_result_and_the_way_to_ones_own(
    real_page: str, open_page: OpenPage, width: int, height: int
) -> None:
    page = open_page(real_page, width=width, height=height, phone=width < 600)
    image = page.locator("#viewer img:visible").first
    expect(image).to_be_visible(timeout=PATIENCE)
    boxes = {name: page.locator(name).bounding_box() for name in ("#photo", "#methods", "#compare")}
    for name, box in boxes.items():
        assert box is not None and box["y"] + box["height"] <= height, f"{name} lies below the first screen"
    shown = page.locator("#viewer .srv-stage:visible").first.bounding_box()
    assert shown is not None and (width < 600 or shown["y"] + shown["height"] <= height)
    page.wait_for_timeout(1000)  # what is too wide grows with each layout
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
def test_compare_stays_on_the_first_screen_beside_many_methods(serve: Serve, open_page: OpenPage) -> None:
    """With the published networks in the cache there are more, and longer, lines of methods."""
    many = [replace(GOOD, id=f"good{i}", title=f"Good {i}, published, with a long name") for i in range(10)]
    page = open_page(launch(serve, tuple(many)), width=1280, height=800)
    expect(page.locator("#methods label")).to_have_count(10, timeout=PATIENCE)
    box = page.locator("#compare").bounding_box()
    assert box is not None and box["y"] + box["height"] <= 800


@pytest.mark.parametrize(("width", "height"), [(1280, 800), pytest.param(390, 844, marks=pytest.mark.slow)])
def test_a_click_on_an_example_ends_with_its_results_in_sight_and_moves_nothing(
    made_up_page: str, open_page: OpenPage, width: int, height: int
) -> None:
    """Moves are counted as browsers do (cumulative layout shift), and those right after the click, too."""
    page = open_page(made_up_page, width=width, height=height, phone=width < 600)
    choose_only(page, "Good")
    page.evaluate(
        """() => new PerformanceObserver((list) => {
          for (const { value } of list.getEntries()) window.moved = (window.moved ?? 0) + value;
        }).observe({ type: "layout-shift" })"""
    )
    page.locator("#examples button").first.click()
    finished(page)
    expect(page.locator("#advice")).to_contain_text("For this photo", timeout=PATIENCE)
    shown = page.locator("#viewer figure:visible").last.locator(".srv-stage").bounding_box()
    assert shown is not None and shown["y"] >= 0 and shown["y"] + shown["height"] <= height
    page.wait_for_timeout(300)  # for the frame in which the last of it arrives
    assert page.evaluate("window.moved ?? 0") < 0.05


@pytest.mark.slow
def test_an_example_clicked_while_another_is_enlarged_takes_its_place(made_up_page: str, open_page: OpenPage) -> None:
    page = open_page(made_up_page, width=1280, height=800)
    choose_only(page, "Good", "Slow")
    page.locator("#examples button").first.click()
    expect(page.locator("#viewer")).to_contain_text(re.compile(r"tile \d+"), timeout=PATIENCE)
    page.locator("#examples button").nth(2).click()
    expect(page.locator("#viewer img[alt='Result of Good, 704 by 704 pixels']")).to_have_count(1, timeout=PATIENCE)
    page.locator("#stop").click()
    expect(page.locator("#stop")).to_be_disabled(timeout=PATIENCE)


@pytest.mark.slow
def test_one_failing_method_hides_nothing(made_up_page: str, open_page: OpenPage, photo: Path) -> None:
    page = open_page(made_up_page)
    upload(page, photo)
    choose_only(page, "Good", "Failing")
    compare(page)
    finished(page)
    expect(page.locator("#viewer [role=alert]")).to_contain_text("This one <b>never</b> works. Choose another.")
    expect(page.locator("#viewer img[alt^='Result of Good']")).to_have_count(1)
    assert json.loads(downloaded(page, "#download-json"))["failures"][0]["title"] == "Failing"


def test_stop_stops_within_a_tile_and_keeps_what_is_finished(
    made_up_page: str, open_page: OpenPage, photo: Path
) -> None:
    page = open_page(made_up_page)
    upload(page, photo)
    choose_only(page, "Good", "Slow")
    compare(page)
    expect(page.locator("#viewer")).to_contain_text(re.compile(r"tile \d+ of 12"), timeout=PATIENCE)
    pressed = time.monotonic()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#viewer figure", has_text="Slow")).to_contain_text("stopped", timeout=PATIENCE)
    assert time.monotonic() - pressed < 4.0, "twelve tiles take 4.8 s: it ran to its end"
    expect(page.locator("#viewer img[alt^='Result of Good']")).to_have_count(1)
    expect(page.get_by_role("button", name="Compare", exact=True)).to_be_enabled(timeout=PATIENCE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("notes.png", b"just some text\n" * 20, "is not a picture but a text file"),
        ("empty.png", b"", "empty"),
    ],
)
def test_a_bad_file_gets_a_sentence_and_costs_nothing(
    made_up_page: str, open_page: OpenPage, photo: Path, tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    page = open_page(made_up_page)
    upload(page, photo)
    choose_only(page, "Good")
    compare(page)
    finished(page)
    bad = tmp_path / name
    bad.write_bytes(content)
    page.get_by_role("button", name=re.compile("Clear|Remove")).first.click()
    expect(page.locator("#about-photo")).not_to_contain_text("pixels")
    page.locator("#photo input[type=file]").set_input_files(str(bad))
    expect(page.locator("#about-photo [role=alert]")).to_contain_text(sentence, timeout=PATIENCE)
    expect(page.locator("#viewer img[alt^='Result of Good']")).to_have_count(1)
    upload(page, photo)
    compare(page)
    finished(page)


@pytest.mark.slow
def test_a_name_with_html_is_shown_as_text(made_up_page: str, open_page: OpenPage, tmp_path: Path) -> None:
    file = tmp_path / "<img src=x onerror=alert(1)>.png"
    write_png(image_of(noise(40, 40)), file)
    page = open_page(made_up_page)
    upload(page, file)
    expect(page.locator("#about-photo img")).to_have_count(0)


@pytest.mark.slow
def test_a_region_can_be_chosen_and_moved(made_up_page: str, open_page: OpenPage, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    write_png(image_of(noise(400, 600)), large)
    page = open_page(made_up_page)
    upload(page, large)
    choose_only(page, "Good")
    page.locator("#region").get_by_text("128 px").click()
    expect(page.locator("#about-photo")).to_contain_text("Only the framed part")
    shown = page.locator("#photo img")
    before = str(shown.get_attribute("src"))
    click_into(page, "#photo img", 5, 5)
    expect(shown).not_to_have_attribute("src", before)
    compare(page)
    finished(page)
    expect(page.locator("#viewer img[alt='Result of Good, 512 by 512 pixels']")).to_have_count(1)


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_it_all_without_sideways_scrolling(
    made_up_page: str, open_page: OpenPage, photo: Path, dark: bool
) -> None:
    page = open_page(made_up_page, width=390, height=844, phone=True, dark=dark)
    upload(page, photo)
    choose_only(page, "Good")
    compare(page)
    finished(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.locator("#table table")).to_be_visible()


def test_the_keyboard_is_enough(made_up_page: str, open_page: OpenPage, photo: Path) -> None:
    page = open_page(made_up_page)
    upload(page, photo)
    choose_only(page, "Good")
    button = page.get_by_role("button", name="Compare", exact=True)
    expect(button).to_be_enabled(timeout=PATIENCE)
    page.locator("#methods input").last.focus()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "compare":
            break
    page.keyboard.press("Enter")
    finished(page)
    heading = page.locator("#table th button", has_text="Seconds")
    heading.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#table th[aria-sort=ascending]")).to_have_count(1)


def test_programs_can_do_the_same(made_up_page: str, photo: Path) -> None:
    from gradio_client import Client, handle_file

    client = Client(made_up_page, verbose=False)
    listed = client.predict(api_name="/approaches")
    assert [approach["id"] for approach in listed] == ["good", "failing", "slow"]
    file, report = client.predict(handle_file(str(photo)), "good", {}, api_name="/upscale")
    assert read(file).rgb.shape == (384, 512, 3)
    assert report["approach"] == "good"
    files, report = client.predict(handle_file(str(photo)), ["good", "failing"], True, api_name="/compare")
    assert len(files) == 1
    assert report["results"][0]["psnr_y"] > 10
    assert report["failures"] == [{"approach": "failing", "message": "This one <b>never</b> works. Choose another."}]
    assert report["advice"]["looks"] == "good:default" and report["advice"]["certainty"] in ("likely", "unsure")
    with pytest.raises(Exception, match="There is no approach"):
        client.predict(handle_file(str(photo)), "nothing", {}, api_name="/upscale")


@pytest.mark.slow
def test_results_come_in_the_size_that_is_chosen(made_up_page: str, open_page: OpenPage, photo: Path) -> None:
    """Twice as large by a chip; a width in pixels by the field behind "other"; nonsense gets a sentence."""
    page = open_page(made_up_page, width=1280, height=800)
    choose_only(page, "Good", "Slow")
    upload(page, photo)
    page.locator("#size label", has_text="2x").click()
    compare(page)
    finished(page)
    for name in ("Good", "Slow"):
        expect(page.locator(f"#viewer img[alt='Result of {name}, 256 by 192 pixels']")).to_have_count(1)
    expect(page.locator("#table table")).to_contain_text("x4, then resampled to 2x")
    page.locator("#size label", has_text="other").click()
    field = page.locator("#other-size input, #other-size textarea")
    field.fill("large")
    expect(page.locator("#estimate")).to_contain_text("is no size", timeout=PATIENCE)
    expect(page.locator("#compare")).to_be_disabled()
    field.fill("300 wide")
    choose_only(page, "Good")
    compare(page)
    expect(page.locator("#viewer img[alt='Result of Good, 300 by 225 pixels']")).to_have_count(1, timeout=PATIENCE)
