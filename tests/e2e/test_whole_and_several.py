"""A large photo in the browser: one method enlarges it whole, the others a part. And fifty photos at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

from sr_demo.image import write_png
from tests.conftest import image_of, noise
from tests.e2e.conftest import OpenPage, Serve
from tests.e2e.launched import GOOD, launch
from tests.e2e.test_page import PATIENCE, compare, finished, upload

QUICK = replace(GOOD, id="quick", title="Quick", family="convolutional")


@pytest.fixture(scope="module")
def url(serve: Serve) -> str:
    return launch(serve, (GOOD, QUICK))


def test_a_whole_photo_is_shown_around_the_part(url: str, open_page: OpenPage, tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    write_png(image_of(noise(200, 300)), file)
    page = open_page(url, width=1280, height=800)
    upload(page, file)
    page.locator("#region").get_by_text("128 px").click()
    expect(page.locator("#estimate")).to_contain_text("for the whole photo by Quick", timeout=PATIENCE)
    compare(page)
    finished(page)
    viewer = page.locator("#viewer")
    expect(viewer.locator("img[alt='Result of Quick, 1200 by 800 pixels']")).to_have_count(1)
    part = viewer.locator("figure", has_text="Good").locator(".srv-stage")
    expect(part.locator("img[alt='Result of Good, 512 by 512 pixels']")).to_be_visible()
    expect(part.locator(".srv-around")).to_be_visible()
    expect(page.locator("#viewer figure", has_text="Good")).to_contain_text("a part of 128 × 128 pixels")
    expect(viewer.get_by_role("button", name="Part")).to_have_attribute("aria-pressed", "true")
    stage, image = part.bounding_box(), part.locator("img[alt^='Result']").bounding_box()
    assert stage and image and abs(image["height"] / stage["height"] - 0.92) < 0.02, "the part fills its box"
    around = part.locator(".srv-around").bounding_box()
    assert around and abs(around["width"] / image["width"] - 300 / 128) < 0.02, "at the same scale"
    assert abs((image["x"] - around["x"]) / around["width"] - 86 / 300) < 0.01, "and at its place"
    viewer.get_by_role("button", name="Fit").click()
    expect(viewer.get_by_role("button", name="Part")).to_have_attribute("aria-pressed", "false")
    page.locator("#whole-photo").click()
    expect(viewer.locator("img[alt='Result of Good, 1200 by 800 pixels']")).to_have_count(1, timeout=PATIENCE)
    expect(page.locator("#whole-photo")).to_be_hidden()
    finished(page)
