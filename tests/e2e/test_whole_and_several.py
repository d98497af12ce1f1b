"""A large photo in the browser: one method enlarges it whole, the others a part. And fifty photos at once."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from PIL import Image as Pillow
from playwright.sync_api import expect

from sr_demo.image import write_png
from tests.conftest import image_of, noise
from tests.e2e.conftest import OpenPage, Serve
from tests.e2e.launched import GOOD, launch
from tests.e2e.test_page import PATIENCE, choose_only, compare, downloaded, finished, upload

QUICK = replace(GOOD, id="quick", title="Quick", family="convolutional")


@pytest.fixture(scope="module")
def url(serve: Serve) -> str:
    return launch(serve, (GOOD, QUICK))


@pytest.mark.slow
def test_a_whole_photo_is_shown_around_the_part(url: str, open_page: OpenPage, tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    write_png(image_of(noise(200, 300)), file)
    page = open_page(url, width=1280, height=800)
    upload(page, file)
    choose_only(page, "Good", "Quick")
    page.locator("#region").get_by_text("128 px").click()
    expect(page.locator("#estimate")).to_contain_text("for the whole photo (Quick)", timeout=PATIENCE)
    compare(page)
    finished(page)
    viewer = page.locator("#viewer")
    expect(viewer.locator("img[alt='Result of Quick, 1200 by 800 pixels']")).to_have_count(1)
    part = viewer.locator("figure", has_text="Good").locator(".srv-stage")
    expect(part.locator("img[alt='Result of Good, 512 by 512 pixels']")).to_be_visible()
    expect(part.locator(".srv-around")).to_be_visible()
    expect(page.locator("#viewer figure", has_text="Good")).to_contain_text("a part of 128 × 128 pixels")
    expect(viewer.get_by_role("button", name="1:1")).to_have_attribute("aria-pressed", "true")
    viewer.get_by_role("button", name="Part").click()
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


@pytest.mark.slow
def test_fifty_photos_of_which_one_is_broken_make_one_zip(url: str, open_page: OpenPage, tmp_path: Path) -> None:
    files = [tmp_path / f"photo{number:02}.png" for number in range(50)]
    for number, file in enumerate(files):
        write_png(image_of(noise(16, 16, number)), file)
    files[7].write_text("just some text")
    page = open_page(url, width=1280, height=800)
    page.get_by_role("tab", name="Several photos").click()
    page.locator("#several-files input[type=file]").set_input_files([str(file) for file in files])
    expect(page.locator("#several-files")).to_contain_text("photo49", timeout=PATIENCE)
    page.locator("#several-format").get_by_text("JPEG").click()
    expect(page.locator("#several-quality")).to_be_visible()
    page.get_by_role("button", name="Enlarge").click()
    line = page.locator("#several-line")
    expect(line).to_contain_text(
        "49 of 50 photos are enlarged. Some results are missing for: photo07.png.", timeout=PATIENCE
    )
    expect(page.locator("#several-photos figure")).to_have_count(50)
    bad = page.locator("#several-photos figure", has_text="photo07.png")
    expect(bad).to_contain_text("is not a picture but a text file")
    box = page.locator("#several-zip").bounding_box()
    assert box is not None and box["y"] + box["height"] <= 800, "the zip is in sight"
    with zipfile.ZipFile(io.BytesIO(downloaded(page, "#several-zip"))) as archive:
        good = [file for file in files if file is not files[7]]
        assert set(archive.namelist()) == {"photos.json", *(f"{file.stem}_quick.jpg" for file in good)}
        with Pillow.open(io.BytesIO(archive.read("photo49_quick.jpg"))) as result:
            assert (result.size, result.format) == ((64, 64), "JPEG")


def test_programs_send_several_images_and_get_one_zip(url: str, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_png(image_of(noise(16, 20)), tmp_path / name)
    (tmp_path / "c.png").write_text("just some text")
    client = Client(url, verbose=False, download_files=str(tmp_path / "got"))
    files = [handle_file(str(tmp_path / name)) for name in ("a.png", "c.png", "b.png")]
    packed, report = client.predict(files, ["good", "quick"], "2x", {"format": "jpeg"}, api_name="/several")
    states = {photo["name"]: photo["state"] for photo in report["photos"]}
    assert states == {"a.png": "done", "c.png": "did not work", "b.png": "done"}
    assert "a text file" in report["photos"][1]["failures"][0]
    with zipfile.ZipFile(packed) as archive:
        assert sorted(archive.namelist()) == ["a_good.jpg", "a_quick.jpg", "b_good.jpg", "b_quick.jpg", "photos.json"]
        assert Pillow.open(io.BytesIO(archive.read("a_good.jpg"))).size == (40, 32)
