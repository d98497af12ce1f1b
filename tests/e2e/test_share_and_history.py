"""A comparison that is sent on as a file or a link, and earlier ones that come back, in a real browser."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from sr_demo.image import write_png
from sr_demo.settings import Settings
from tests.conftest import image_of, noise
from tests.e2e.conftest import OpenPage, Serve
from tests.e2e.launched import GOOD, SLOW, launch
from tests.e2e.test_page import choose_only, compare, finished, upload

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

STEADY = replace(GOOD, load=SLOW.load)
"""It takes a moment, so that the page can be seen while it runs."""
OTHER = replace(STEADY, id="other", title="Other", invents=True)


@pytest.fixture(scope="module")
def url(serve: Serve) -> str:
    return launch(serve, (STEADY, OTHER), Settings(share=True))


def photo(folder: Path, name: str, seed: int) -> Path:
    write_png(image_of(noise(96, 128, seed)), folder / name)
    return folder / name


def run(page: Page, *methods: str) -> None:
    choose_only(page, *methods)
    compare(page)
    expect(page.locator("#download-zip")).to_be_hidden()
    finished(page)


def level(page: Page, text: str) -> None:
    expect(page.locator(".srv-level").first).to_have_text(text)


def press(page: Page, name: str) -> None:
    page.locator(".srv").get_by_role("button", name=name, exact=True).click()


def use_shared(page: Page) -> None:
    """Zoom, compare, magnify and sort in a shared page."""
    press(page, "4×")
    level(page, "400 %")
    images = page.locator(".srv-grid .srv-stage > .srv-layer > img")
    expect(images).to_have_count(3)
    assert {image.evaluate("image => image.naturalWidth") for image in images.all()} == {128, 512}
    assert len({image.evaluate("image => image.style.transform") for image in images.all()}) == 1
    press(page, "Compare two")
    page.get_by_role("slider").focus()
    page.keyboard.press("Shift+ArrowRight")
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuenow", "60")
    page.keyboard.press("l")
    expect(page.locator(".srv-two .srv-lens")).to_be_visible()
    page.locator("#table th button", has_text="Seconds").click()
    expect(page.locator("#table th[aria-sort=ascending]")).to_have_count(1)
    expect(page.get_by_text("May invent detail: Other.")).to_be_visible()


@pytest.mark.slow
def test_a_comparison_is_sent_on_as_a_file_and_as_a_link(
    url: str, open_page: OpenPage, browser: Browser, tmp_path: Path
) -> None:
    page = open_page(url)
    upload(page, photo(tmp_path, "photo.png", 0))
    run(page, "Good", "Other")
    button = page.locator("#download-html")
    expect(button).to_have_text(re.compile(r"Share: one HTML file, [\d.]+ MB"))
    with page.expect_download() as waiting:
        button.click()
    file = tmp_path / "report.html"
    waiting.value.save_as(file)

    complaints: list[str] = []
    requested: list[str] = []
    alone = browser.new_context(offline=True)
    shared = alone.new_page()
    shared.on("console", lambda message: complaints.append(message.text))
    shared.on("pageerror", lambda error: complaints.append(str(error)))
    shared.on("request", lambda request: requested.append(request.url.split(":")[0]))
    shared.goto(file.as_uri())
    use_shared(shared)
    assert complaints == [] and set(requested) <= {"file", "data", "blob"}
    alone.close()

    page.locator("#share-link").click()
    link = page.locator("#share-link-note a").first
    expect(link).to_have_text(re.compile(rf"^{re.escape(url)}shared/[\w-]{{32}}$"))
    expect(page.locator("#share-link")).to_be_hidden()
    linked = open_page(link.inner_text(), width=390, height=844, phone=True)
    assert linked.evaluate("document.documentElement.scrollWidth") <= 390
    expect(linked.locator(".srv-stage:visible")).to_have_count(1)
    assert linked.evaluate("window.origin") == "null", "it is of no origin, so it cannot use the server"
    address = link.inner_text()
    page.locator("#share-unlink").click()
    expect(page.locator("#share-link-note")).to_have_text("The link is deleted: it opens nothing now.")
    expect(page.locator("#share-link")).to_be_visible()
    assert page.request.get(address).status == 404

    page.locator("#share-link").click()
    expect(page.locator("#share-link-note a")).to_have_text([re.compile("/shared/")] * 2)
    address, deletion = page.locator("#share-link-note a").all_inner_texts()
    later = open_page(deletion)
    page.close()
    assert later.request.get(address).ok
    later.get_by_role("button", name="Delete the link").click()
    expect(later.get_by_text("The link is deleted")).to_be_visible()
    assert later.request.get(address).status == 404


@pytest.mark.slow
def test_earlier_runs_come_back_with_zoom_and_pair(url: str, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(url)
    first, second = photo(tmp_path, "first.png", 1), photo(tmp_path, "second.png", 2)
    upload(page, first)
    run(page, "Good")
    expect(page.locator("#history")).to_be_hidden()
    press(page, "2×")
    run(page, "Good", "Other")
    level(page, "200 %")
    page.get_by_role("button", name=re.compile("Clear|Remove")).first.click()
    upload(page, second)
    run(page, "Good")
    expect(page.locator("#viewer .srv-level")).not_to_have_text("200 %")

    earlier = page.locator("#history button")
    expect(earlier).to_have_text(["second.png: Good", "first.png: Good, Other", "first.png: Good"])
    earlier.nth(1).click()
    expect(page.locator("#viewer figure.srv-pane")).to_have_count(3)
    expect(page.locator("#table tbody tr")).to_have_count(2)
    expect(earlier.nth(1)).to_have_attribute("aria-pressed", "true")
    level(page, "200 %")
    source = page.locator("#viewer img[alt^='Result of Other']").first.get_attribute("src")
    assert page.request.get(f"{url}{source}").ok
    finished(page)

    other = open_page(url)
    expect(other.locator("#viewer .srv-level")).to_have_text(re.compile("%"))
    expect(other.locator("#history button")).to_have_count(0)
