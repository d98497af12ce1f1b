"""The Mosaic tab in a browser: build a memory of three photos, move the slider, click to see the matches."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from sr_demo.image import Limits, write_png
from sr_demo.progress import SILENT
from sr_demo.ui.photo_upload import read_photos
from tests.conftest import image_of, noise
from tests.e2e.conftest import OpenPage, click_into
from tests.e2e.test_page import PATIENCE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.mark.slow
def test_own_photos_slider_and_look_inside(made_up_page: str, open_page: OpenPage, tmp_path: Path) -> None:
    photos = []
    for number in range(3):
        photos.append(tmp_path / f"memory{number}.png")
        write_png(image_of(noise(160, 200, seed=number)), photos[-1])
    own = tmp_path / "own.png"
    write_png(image_of(noise(48, 64, seed=7)), own)

    page = open_page(made_up_page)
    page.get_by_role("tab", name="Mosaic").click()
    page.get_by_text("Teach it your own photos").click()  # words: ok
    page.locator("#memory-files input[type=file]").set_input_files([str(photo) for photo in photos])
    expect(page.locator("#memory-files")).to_contain_text("memory2", timeout=PATIENCE)
    page.get_by_role("button", name="Build a memory of them").click()
    expect(page.locator("#memory-words")).to_contain_text("ready: 3 photos", timeout=PATIENCE)
    expect(page.locator("#memory")).to_contain_text("Yours, 3 photos")

    page.locator("#mosaic-picture input[type=file]").set_input_files(str(own))
    expect(page.locator("#mosaic-words")).to_contain_text("of 3 photos", timeout=PATIENCE)
    expect(page.locator("#mosaic-words")).to_contain_text("tiles of 8 px")

    patch = page.get_by_label(re.compile("number input for Patch size"))
    patch.fill("16")
    patch.press("Enter")
    page.get_by_label(re.compile("range slider for Patch size")).focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#mosaic-words")).to_contain_text(re.compile("tiles of 1[67] px"), timeout=PATIENCE)

    click_into(page, "#mosaic-result img", 20, 20)
    inside = page.locator("#mosaic-inside")
    expect(inside).to_contain_text(re.compile(r"memory\d"), timeout=PATIENCE)
    expect(inside).to_contain_text("distance")
    expect(inside.locator("img")).to_have_count(2)

    page.get_by_label("Your picture with remembered fine detail").check()
    expect(page.locator("#mosaic-words")).to_contain_text("remembered windows of 3 photos", timeout=PATIENCE)
    click_into(page, "#mosaic-result img", 60, 60)
    expect(inside).to_contain_text(re.compile(r"1\. \d+_memory\d\.png, distance"), timeout=PATIENCE)
    expect(inside.locator("img")).to_have_count(6)
    page.get_by_label("Learned from 1200 photos").check()
    expect(page.locator("#mosaic-words")).to_contain_text("1024 learned entries", timeout=PATIENCE)
    # A click while the image is being replaced reads the old one, so click again.
    for _ in range(5):
        click_into(page, "#mosaic-result img", 60, 60)
        page.wait_for_timeout(2000)
        if "entry" in inside.inner_text():
            break
    expect(inside).to_contain_text(re.compile(r"1\. entry \d+, distance"))

    other = open_page(page.url)
    other.get_by_role("tab", name="Mosaic").click()
    expect(other.locator("#memory")).to_contain_text("scikit-image")
    expect(other.locator("#memory")).not_to_contain_text("Yours")

    page.get_by_label("Yours, 3 photos").check()
    page.get_by_role("button", name="Delete this memory of yours").click()
    expect(page.locator("#memory-words")).to_contain_text("deleted", timeout=PATIENCE)
    expect(page.locator("#memory")).not_to_contain_text("Yours")
    expect(page.locator("#mosaic-words")).to_contain_text("remembered windows of", timeout=PATIENCE)


def test_a_zip_is_opened_and_what_is_no_image_is_named(tmp_path: Path) -> None:
    good = tmp_path / "good.png"
    write_png(image_of(noise(64, 64)), good)
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.write(good, "../../outside.png")
        made.write(good, "folder/inside.png")
        made.writestr("notes.txt", "no picture")
        made.writestr("broken.png", "no picture either")
    folder = tmp_path / "taken"
    folder.mkdir()
    taken = read_photos([archive], folder, Limits(), SILENT)
    assert [path.name for path in taken.written] == ["000_outside.png", "001_inside.png"]
    assert all(path.parent == folder for path in taken.written)
    assert [sentence.split()[0] for sentence in taken.sentences] == ["notes.txt", "broken.png"]
    assert not (tmp_path / "outside.png").exists()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("huge.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 3_000_000)
    good = tmp_path / "good.png"
    write_png(image_of(noise(64, 64)), good)
    folder = tmp_path / "taken"
    folder.mkdir()
    taken = read_photos([archive, good], folder, Limits(max_bytes=2**20), SILENT)
    assert len(taken.written) == taken.left_out == 1
    assert taken.sentences == ["huge.png unpacks to more than the limit of 1 MB."]


def test_the_tab_opens_with_a_mosaic_once(made_up_page: str, open_page: OpenPage) -> None:
    page = open_page(made_up_page)
    page.get_by_role("tab", name="Mosaic").click()
    expect(page.locator("#mosaic-words")).to_contain_text("tiles of 8 px", timeout=PATIENCE)
    expect(page.locator("#mosaic-result img")).to_be_visible()
    page.locator("#mosaic-picture").get_by_label("Remove Image").click()
    expect(page.locator("#mosaic-result img")).to_have_count(0, timeout=PATIENCE)
    page.get_by_role("tab", name="About").click()
    page.get_by_role("tab", name="Mosaic").click()
    page.wait_for_timeout(500)
    expect(page.locator("#mosaic-picture img")).to_have_count(0)
