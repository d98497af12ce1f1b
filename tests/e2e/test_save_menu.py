"""The Save menu in a real browser: format, quality with the size beside it, what is kept, and the zip."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from playwright.sync_api import Page, expect

from sr_demo.image import quantize
from tests.conftest import noise
from tests.e2e.conftest import OpenPage
from tests.e2e.test_page import PATIENCE, choose_only, compare, downloaded, finished, upload

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A JPEG of 64 x 48 pixels with a position."""
    data = Pillow.Exif()
    data[0x0132] = "2020:01:02 03:04:05"
    data.get_ifd(0x8825).update({1: "N", 2: (47.0, 30.0, 0.0)})
    path = tmp_path / "photo.jpg"
    Pillow.fromarray(quantize(noise(48, 64))).save(path, exif=data, quality=95, dpi=(300, 300))
    return path


def kilobytes(page: Page) -> float:
    """The size beside the slider."""
    return float(page.locator("#save-about b").inner_text().split()[0])


def saved(page: Page) -> Pillow.Image:
    return Pillow.open(io.BytesIO(downloaded(page, "#save-file")))


@pytest.mark.slow
def test_the_keyboard_goes_on_where_a_button_is_disabled_or_hidden(
    made_up_page: str, open_page: OpenPage, photo: Path
) -> None:
    page = open_page(made_up_page)
    upload(page, photo)
    choose_only(page, "Slow")
    button = page.get_by_role("button", name="Compare", exact=True)
    expect(button).to_be_enabled(timeout=PATIENCE)
    button.focus()
    button.press("Enter")
    expect(page.locator("#stop")).to_be_focused(timeout=PATIENCE)
    finished(page)
    expect(button).to_be_focused(timeout=PATIENCE)
    opener = page.get_by_role("button", name="Save Slow as")
    opener.focus()
    opener.press("Enter")
    expect(page.locator("#save-format input:checked")).to_be_focused(timeout=PATIENCE)
    page.locator("#save-close").focus()
    page.locator("#save-close").press("Enter")
    expect(opener).to_be_focused(timeout=PATIENCE)
    button.click()
    expect(page.locator("#stop")).to_be_enabled(timeout=PATIENCE)
    page.wait_for_timeout(500)
    expect(page.locator("#stop")).not_to_be_focused()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "phone"), [(1280, False), (390, True)], ids=["desktop", "phone"])
def test_a_result_is_saved_in_the_chosen_format(
    made_up_page: str, open_page: OpenPage, photo: Path, width: int, phone: bool
) -> None:
    page = open_page(made_up_page, width, 800, phone=phone)
    upload(page, photo)
    expect(page.locator("#about-photo")).to_contain_text("Results leave out its GPS position.")
    choose_only(page, "Good")
    compare(page)
    finished(page)
    if phone:
        page.locator(".srv-chip", has_text="Good").click()
    page.get_by_role("button", name="Save Good as").click()
    menu = page.locator("#save-menu")
    expect(menu).to_be_in_viewport()
    expect(menu.get_by_label("JPEG")).to_be_checked(timeout=PATIENCE)
    button = page.locator("#save-file")
    expect(button).to_contain_text(re.compile(r"Save good\.jpg \(\d+ kB\)"), timeout=PATIENCE)
    expect(page.locator("#save-about")).to_contain_text("Removed: GPS position.")
    fine = kilobytes(page)
    image = saved(page)
    assert (image.format, image.size, image.info["dpi"]) == ("JPEG", (256, 192), (300, 300))
    assert not image.getexif().get_ifd(0x8825) and image.getexif()[0x0132] == "2020:01:02 03:04:05"

    slider = page.locator("#save-quality input[type=number]")
    slider.fill("20")
    slider.press("Tab")
    page.wait_for_function(
        "fine => parseFloat(document.querySelector('#save-about b').textContent) < fine", arg=fine, timeout=PATIENCE
    )
    page.get_by_label("Keep GPS position").check()
    expect(page.locator("#save-about")).not_to_contain_text("Removed", timeout=PATIENCE)
    assert saved(page).getexif().get_ifd(0x8825)[2] == (47.0, 30.0, 0.0)

    menu.get_by_text("TIFF", exact=True).click()
    expect(button).to_contain_text("good.tif", timeout=PATIENCE)
    expect(page.locator("#save-quality")).to_be_hidden()
    assert np.asarray(saved(page)).shape == (192, 256, 3)

    menu.get_by_text("WebP", exact=True).click()
    expect(button).to_contain_text("good.webp", timeout=PATIENCE)
    page.locator("#save-pack").click()
    expect(page.locator("#save-packed")).to_be_visible(timeout=PATIENCE)
    archive = zipfile.ZipFile(io.BytesIO(downloaded(page, "#save-packed")))
    assert sorted(archive.namelist()) == ["good.webp", "input.webp", "report.html", "report.json"]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=f"/tmp/save_{width}.png")
    page.locator("#save-close").click()
    expect(menu).to_be_hidden()
