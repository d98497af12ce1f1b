"""The Digits tab in a browser: draw a digit, change its size, zoom in, download; fit a network to a photo."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from sr_demo.image import read, write_png
from tests.conftest import image_of, noise
from tests.e2e.conftest import OpenPage, click_into
from tests.e2e.test_page import PATIENCE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def opened(open_page: OpenPage, url: str) -> Page:
    page = open_page(url)
    page.get_by_role("tab", name="Digits", exact=True).click()
    return page


@pytest.mark.slow
@pytest.mark.parametrize(("width", "rows"), [(1280, 1), (390, 2)])
def test_the_six_images_of_a_digit_stand_in_rows_of_one_length(
    made_up_page: str, open_page: OpenPage, width: int, rows: int
) -> None:
    page = open_page(made_up_page, width=width, phone=width < 600)
    if width < 600:
        page.locator(".overflow-menu > button").click()
        page.locator(".overflow-dropdown button", has_text="Digits").click()
    else:
        page.get_by_role("tab", name="Digits", exact=True).click()
    figures = page.locator("#digit-cards figure")
    expect(figures).to_have_count(6, timeout=PATIENCE)
    tops = figures.evaluate_all("all => all.map((one) => Math.round(one.getBoundingClientRect().top))")
    assert [tops.count(top) for top in sorted(set(tops))] == [6 // rows] * rows


def test_a_digit_is_drawn_resized_zoomed_and_downloaded(made_up_page: str, open_page: OpenPage, tmp_path: Path) -> None:
    page = opened(open_page, made_up_page)
    box = page.locator("#digit-sketch canvas").bounding_box()
    assert box is not None
    stroke = [
        (box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in ((0.3, 0.2), (0.7, 0.2), (0.45, 0.85))
    ]
    page.mouse.move(*stroke[0])
    page.mouse.down()
    for point in stroke[1:]:
        page.mouse.move(*point, steps=6)
    page.mouse.up()
    cards = page.locator("#digit-cards figure")
    expect(cards).to_have_count(6, timeout=PATIENCE)
    expect(cards.nth(3)).to_contain_text("read as 7", timeout=PATIENCE)
    expect(page.locator("#digit-note")).to_contain_text("white on black")
    status = page.locator("#digit-status")
    expect(status).to_contain_text("400 × 400", timeout=PATIENCE)

    slider = page.locator("#digit-size input")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#digit-size output")).to_contain_text("394")
    expect(status).to_contain_text("394 × 394", timeout=PATIENCE)

    click_into(page, "#digit-large img", 60, 60)
    expect(status).to_contain_text("1/2 of its width", timeout=PATIENCE)
    with page.expect_download() as waiting:
        page.locator("#digit-download").click()
    waiting.value.save_as(tmp_path / "digit.png")
    drawn = read(tmp_path / "digit.png")
    assert drawn.rgb.shape[:2] == (394, 394) and drawn.rgb.max() > 0.8

    page.locator("#walk-go").click()
    expect(page.locator("#walk-status")).to_contain_text("20 pictures", timeout=PATIENCE)
    with page.expect_download() as waiting:
        page.locator("#walk-mp4").click()
    waiting.value.save_as(tmp_path / "walk.mp4")
    assert cv2.VideoCapture(str(tmp_path / "walk.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 114


@pytest.mark.slow
def test_a_blank_upload_gives_a_message(made_up_page: str, open_page: OpenPage, tmp_path: Path) -> None:
    write_png(image_of(np.full((60, 90, 3), 0.5, np.float32)), tmp_path / "blank.png")
    page = opened(open_page, made_up_page)
    page.locator("#digit-upload input[type=file]").set_input_files(str(tmp_path / "blank.png"))
    expect(page.locator("#digit-note")).to_contain_text("There is no digit to see", timeout=PATIENCE)


@pytest.mark.slow
def test_a_photo_is_learned_until_stop(made_up_page: str, open_page: OpenPage, tmp_path: Path) -> None:
    write_png(image_of(noise(20, 28)), tmp_path / "photo.png")
    page = opened(open_page, made_up_page)
    page.get_by_role("tab", name="A photo as a function").click()
    page.locator("#fit-photo input[type=file]").set_input_files(str(tmp_path / "photo.png"))
    expect(page.locator("#fit-photo img").first).to_be_visible(timeout=PATIENCE)
    page.locator("#fit-go").click()
    status = page.locator("#fit-status")
    expect(status).to_contain_text("dB after", timeout=PATIENCE)
    page.locator("#fit-stop").click()
    expect(status).to_contain_text("Stopped", timeout=PATIENCE)
    expect(status).to_contain_text("112 × 80 points")
