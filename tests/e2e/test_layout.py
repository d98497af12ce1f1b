"""What is in sight: the first screen, the list of methods beside a photo, and the results' buttons."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from sr_demo.catalogue import APPROACHES
from sr_demo.image import write_png
from tests.conftest import image_of, noise
from tests.e2e.conftest import OpenPage, Serve
from tests.e2e.test_page import PATIENCE, choose_only, compare, finished, launch, upload

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

ROWS = """() => {
  const list = document.querySelector(".sr-list").getBoundingClientRect();
  const end = Math.min(list.bottom, document.querySelector(".sr-run").getBoundingClientRect().top) + 1;
  const rows = [...document.querySelectorAll("#methods label")].map((row) => row.getBoundingClientRect());
  return rows.filter(({ top, bottom }) => top >= list.top - 1 && bottom <= end).length;
}"""
"""Number of methods that are seen as a whole."""
TARGETS = """async () => {
  const { violations } = await axe.run({ runOnly: ["target-size"] });
  return violations.flatMap(({ nodes }) => nodes.map(({ html }) => html.slice(0, 200)));
}"""


@pytest.fixture(scope="module")
def url(serve: Serve) -> str:
    return launch(serve, APPROACHES)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "A photo with a very long name, 2024-07-12 14.33.21.png"
    write_png(image_of(noise(200, 300)), path)
    return path


def arrived(page: Page) -> None:
    expect(page.locator("#viewer img:visible").first).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(500)  # for the layout of the images


def test_nothing_is_to_be_scrolled_on_arrival(url: str, open_page: OpenPage) -> None:
    for locale in ("en-US", "de-DE"):
        page = open_page(url, width=1280, height=800, locale=locale)
        arrived(page)
        assert page.evaluate("document.documentElement.scrollHeight") <= 800, locale


def test_methods_stay_in_sight_beside_a_photo(url: str, open_page: OpenPage, photo: Path) -> None:
    page = open_page(url, width=1280, height=800)
    arrived(page)
    upload(page, photo)
    page.locator("#region").get_by_text("128 px").click()
    expect(page.locator("#about-photo")).to_contain_text("Only the framed part", timeout=PATIENCE)
    expect(page.locator("#whole-photo")).to_be_visible(timeout=PATIENCE)
    assert page.evaluate(ROWS) >= 4
    name = page.locator("#about-photo b").bounding_box()
    assert name is not None and name["height"] < 30, "the name of the file takes one line"
    page.locator("#test input").check()
    expect(page.locator("#degradation")).to_be_visible(timeout=PATIENCE)
    assert page.evaluate(ROWS) >= 4
    start = page.locator("#compare").bounding_box()
    assert start is not None and start["y"] + start["height"] <= 800


def test_a_method_has_its_name_its_time_and_its_purpose_apart(url: str, open_page: OpenPage) -> None:
    page = open_page(url, width=1280, height=800, locale="de-DE")
    arrived(page)
    row = page.locator("#methods label").first
    expect(row.locator(".sr-method-name")).to_have_text("Bicubic")
    expect(row.locator(".sr-method-time")).to_contain_text(" s")
    expect(row.locator(".sr-method-help")).to_contain_text("Vergrößerung")
    expect(row.locator("span.ml-2")).to_be_hidden()


def test_further_methods_are_one_click_away(url: str, open_page: OpenPage) -> None:
    page = open_page(url, width=1280, height=800)
    arrived(page)
    page.get_by_role("button", name="more, your own model").click()
    first = page.locator("#more-methods label").first
    expect(first).to_be_in_viewport(timeout=PATIENCE)


def test_the_keys_are_explained_behind_a_button(url: str, open_page: OpenPage) -> None:
    page = open_page(url, width=1280, height=800)
    arrived(page)
    box = page.locator("#viewer .srv-help-box")
    expect(box).to_be_hidden()
    page.locator("#viewer .srv-help > summary").focus()
    page.keyboard.press("Enter")
    expect(box).to_contain_text("move all pictures")
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()


def test_sharing_is_in_sight_after_a_run(made_up_page: str, open_page: OpenPage, photo: Path) -> None:
    page = open_page(made_up_page, width=1280, height=800)
    upload(page, photo)
    choose_only(page, "Good")
    compare(page)
    finished(page)
    share, bar = page.locator("#download-html").bounding_box(), page.locator("#viewer .srv-bar").bounding_box()
    assert share is not None and bar is not None
    assert share["y"] >= 0 and share["y"] + share["height"] <= bar["y"]


def test_targets_on_a_phone_are_large_enough(made_up_page: str, open_page: OpenPage, photo: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe-core is missing: requirements-dev.txt has it")
    page = open_page(made_up_page, width=390, height=844, phone=True)
    page.evaluate(axe.AXE_SCRIPT)
    arrived(page)
    assert page.evaluate(TARGETS) == []
    upload(page, photo)
    page.locator("#test input").check()
    expect(page.locator("#degradation")).to_be_visible(timeout=PATIENCE)
    assert page.evaluate(TARGETS) == []
