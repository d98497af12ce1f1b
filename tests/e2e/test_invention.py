"""Less detail, and maps of what was invented, in a real browser."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from playwright.sync_api import Page, expect

from sr_demo.approaches import baselines
from sr_demo.image import Image, read, readonly, unit, write_png
from sr_demo.imaging.back_projection import difference, distance
from sr_demo.imaging.resize import resize
from sr_demo.inference import faithful
from sr_demo.options import GenerativeOptions
from sr_demo.progress import Progress
from tests import fakes
from tests.bundled_photos import bundled
from tests.conftest import image_of, noise
from tests.e2e.conftest import OpenPage, Serve
from tests.e2e.launched import GOOD, launch
from tests.e2e.test_access import CHECK, axe
from tests.e2e.test_page import PATIENCE, choose_only, compare, downloaded, finished, upload

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def stripes(image: Image, progress: Progress) -> Image:
    """Bicubic with stripes, a pixel wide, that are in no photo."""
    made = resize(image, (4 * image.shape[0], 4 * image.shape[1])) * np.float32(0.6) + np.float32(0.2)
    made[::2] += np.float32(0.15)
    made[1::2] -= np.float32(0.15)
    return readonly(np.clip(made, 0, 1))


@pytest.fixture(scope="module")
def url(serve: Serve) -> Iterator[str]:
    invents = replace(fakes.approach(fakes.Fake(stripes), name="inventor", invents=True), options=GenerativeOptions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faithful, "APPROACH", baselines.BICUBIC)
        yield launch(serve, (GOOD, invents))


@pytest.fixture
def smooth(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    write_png(image_of(resize(noise(12, 16), (48, 64))), path)
    return path


@pytest.fixture
def rough(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    write_png(image_of(noise(48, 64)), path)
    return path


def slide(page: Page, percent: int) -> None:
    slider = page.locator("#viewer").get_by_role("slider", name=re.compile("^Detail"))
    expect(slider).to_be_enabled(timeout=PATIENCE)
    slider.focus()
    slider.press("End" if percent > 50 else "Home")
    for _ in range(abs((100 if percent > 50 else 0) - percent) // 5):
        slider.press("ArrowLeft" if percent > 50 else "ArrowRight")
    expect(page.locator("#viewer .srv-percent")).to_have_text(f"{percent} %", timeout=PATIENCE)


def seen(page: Page) -> np.ndarray:
    """The middle of the second result as the screen shows it."""
    box = page.locator("figure[aria-label=Inventor] .srv-stage")
    box.scroll_into_view_if_needed()
    page.wait_for_function("[...document.querySelectorAll('#viewer .srv-grid img')].every((node) => node.complete)")
    page.wait_for_timeout(200)
    return np.asarray(Pillow.open(io.BytesIO(box.screenshot())).convert("RGB"), float)[60:-60, 120:-120]


def composed(page: Page) -> Image:
    """The whole second result as the browser composes it, shown 1:1."""
    stage = page.locator("figure[aria-label=Inventor] .srv-stage")
    stage.scroll_into_view_if_needed()
    page.wait_for_function("[...document.querySelectorAll('#viewer .srv-grid img')].every((node) => node.complete)")
    page.wait_for_timeout(200)
    around, box = stage.bounding_box(), stage.locator("img.srv-image").first.bounding_box()
    assert around is not None and box is not None
    top, left = round(box["y"] - around["y"]), round(box["x"] - around["x"])
    shot = np.asarray(Pillow.open(io.BytesIO(stage.screenshot())).convert("RGB"), np.uint8)
    return unit(shot[top : top + round(box["height"]), left : left + round(box["width"])])


@pytest.mark.slow
def test_the_slider_moves_the_image_between_two_known_results(url: str, open_page: OpenPage, smooth: Path) -> None:
    page = open_page(url)
    upload(page, smooth)
    choose_only(page, "Good", "Inventor")
    compare(page)
    finished(page)
    page.locator("#viewer").get_by_role("button", name="1:1").click()
    contrast, far = list[float](), list[float]()
    for percent in (100, 50, 0):
        slide(page, percent)
        rows = seen(page).mean(axis=(1, 2))
        contrast.append(float(np.abs(np.diff(rows)).mean()))
        far.append(distance(difference(read(smooth).rgb, composed(page))))
    stripes_seen = 0.3 * 255
    assert contrast[0] == pytest.approx(stripes_seen, rel=0.1)
    assert contrast[1] == pytest.approx(stripes_seen / 2, rel=0.15) and contrast[2] < 0.1 * stripes_seen

    slide(page, 60)
    expect(page.locator("#table")).to_contain_text("Inventor, detail 0.6")
    expect(page.locator("figure[aria-label=Inventor]")).to_contain_text("detail 0.6")
    archive = zipfile.ZipFile(io.BytesIO(downloaded(page, "#download-zip")))
    saved = np.asarray(Pillow.open(io.BytesIO(archive.read("inventor_detail-60.png"))).convert("RGB"), np.float32) / 255
    np.testing.assert_allclose(composed(page), saved, atol=2.01 / 255)
    assert far == sorted(far, reverse=True) and far[-1] < 0.1 / 255, "made small again it is the photo"
    page.get_by_role("button", name="Save Inventor as").click()
    expect(page.locator("#save-file")).to_contain_text("inventor_detail-60", timeout=PATIENCE)


def halves(page: Page) -> tuple[float, float]:
    """How strong stripes are on the screen in the left half and in the right half of the result."""
    box = page.locator("figure[aria-label=Inventor] .srv-stage")
    box.scroll_into_view_if_needed()
    page.wait_for_function("[...document.querySelectorAll('#viewer .srv-grid img')].every((node) => node.complete)")
    page.wait_for_timeout(200)
    pixels = np.asarray(Pillow.open(io.BytesIO(box.screenshot())).convert("RGB"), float)[40:120]
    middle = pixels.shape[1] // 2
    left, right = (pixels[:, at : at + 40].mean(axis=(1, 2)) for at in (middle - 80, middle + 40))
    return float(np.abs(np.diff(left)).mean()), float(np.abs(np.diff(right)).mean())


def fingers(page: Page, *moves: list[tuple[float, float]]) -> None:
    """Touch the screen at these places, one after the other; an empty list lifts all fingers."""
    session, touching = page.context.new_cdp_session(page), 0
    for places in moves:
        kind = "touchEnd" if not places else "touchStart" if len(places) > touching else "touchMove"
        points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        touching = len(places)
    session.detach()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_where_people_paint_the_result_is_the_faithful_one(
    url: str, open_page: OpenPage, smooth: Path, width: int
) -> None:
    phone = width == 390
    page = open_page(url, width, 900, dark=phone, phone=phone)
    upload(page, smooth)
    choose_only(page, "Good", "Inventor")
    compare(page)
    finished(page)
    viewer, figure = page.locator("#viewer"), page.locator("figure[aria-label=Inventor]")
    if phone:
        viewer.locator(".srv-chip", has_text="Inventor").click()
    viewer.get_by_role("button", name="1:1").click()
    tool, bar = viewer.get_by_role("button", name="Protect"), viewer.get_by_role("group", name="Protect")
    expect(tool).to_be_enabled(timeout=PATIENCE)
    whole = halves(page)
    if phone:  # by a finger
        tool.click()
        brush = bar.get_by_role("slider", name="Brush size")
        brush.fill("30")
        expect(figure.locator(".srv-detailed").first).to_be_attached(timeout=PATIENCE)
        box = figure.locator(".srv-stage").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2 - 60, box["y"] + box["height"] / 2
        fingers(page, [(x, y - 90)], [(x, y)], [(x, y + 90)], [])
        expect(bar).to_contain_text("of the picture stays faithful")
        share, level = bar.locator("output"), page.locator("#viewer .srv-level")
        before = share.inner_text(), level.text_content() or ""
        fingers(page, [(x, y)], *([(x - far, y), (x + far, y)] for far in (40, 60, 90)), [])
        expect(level).not_to_have_text(before[1])
        assert share.inner_text() == before[0], "two fingers zoom, and paint nothing"
        viewer.get_by_role("button", name="1:1").click()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    else:  # by keys alone
        viewer.locator(".srv-area").focus()
        page.keyboard.press("m")
        for name, percent in (("left", "0"), ("top", "0"), ("width", "50"), ("height", "100")):
            bar.get_by_label(name, exact=True).fill(percent)
        bar.get_by_role("button", name="Paint rectangle").press("Enter")
    expect(bar).to_contain_text("of the picture stays faithful")
    page.evaluate(axe.AXE_SCRIPT)
    assert page.evaluate(CHECK) == []
    expect(figure).to_contain_text("a part kept faithful by a mask", timeout=PATIENCE)
    expect(page.locator("#table")).to_contain_text("Inventor, masked")
    tool.click()
    left, right = halves(page)
    assert left < 0.1 * whole[0] and right == pytest.approx(whole[1], rel=0.1)
    if phone:
        return
    slide(page, 50)
    left, right = halves(page)
    assert left < 0.1 * whole[0] and right == pytest.approx(whole[1] / 2, rel=0.15)
    archive = zipfile.ZipFile(io.BytesIO(downloaded(page, "#download-zip")))
    name = next(name for name in archive.namelist() if name.startswith("inventor_detail-50_masked-"))
    saved = np.asarray(Pillow.open(io.BytesIO(archive.read(name))).convert("RGB"), float)
    left, right = (np.abs(np.diff(saved[:, part].mean(axis=(1, 2)))).mean() for part in (np.s_[:100], np.s_[160:]))
    assert left < 0.1 * right
    tool.click()
    bar.get_by_role("button", name="Clear all").click()
    expect(figure).not_to_contain_text("kept faithful", timeout=PATIENCE)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_the_map_is_off_until_its_key_is_pressed_and_has_a_legend(
    url: str, open_page: OpenPage, rough: Path, width: int
) -> None:
    page = open_page(url, width, 800, dark=width == 390, phone=width == 390)
    upload(page, rough)
    page.locator("#test input").click()
    choose_only(page, "Good", "Inventor")
    compare(page)
    finished(page)
    maps, legend = page.locator("#viewer .srv-invention"), page.locator("#viewer .srv-legend")
    assert maps.count() == 0 and not legend.is_visible()
    expect(page.get_by_role("button", name="Map of invented detail")).to_be_enabled(timeout=PATIENCE)
    page.locator("#viewer .srv-area").focus()
    page.keyboard.press("i")
    expect(legend).to_contain_text("invented: the original has something else", timeout=PATIENCE)
    expect(maps.first).to_be_attached(timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.keyboard.press("i")
    expect(maps).to_have_count(0, timeout=PATIENCE)

    heading = page.locator('#table th[data-column="gmsd"]')
    expect(heading).to_be_hidden()
    page.locator("#table summary", has_text="Choose columns").click()
    page.locator("#table .sr-choose").get_by_label("GMSD").check()
    expect(heading).to_be_visible()
    page.locator("#table .sr-choose").get_by_label("GMSD").uncheck()
    expect(heading).to_be_hidden()
    page.locator("#table .sr-all").check()
    shares = [
        [float(text.strip("★ %")) for text in row.locator("td", has_text="%").all_inner_texts()]
        for row in page.locator("#table tbody tr").all()
    ]
    assert len(shares) == 2 and all(len(row) == 3 and abs(sum(row) - 100) <= 1 for row in shares), shares
    expect(page.locator("#chart figure", has_text="invented")).to_be_visible()


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    """A face of about 75 pixels, which the bundled cascade finds."""
    path = tmp_path / "photo.png"
    write_png(image_of(readonly(bundled("astronaut.png")[20:220, 120:320])), path)
    return path


def contrast(page: Page, *, top: float, left: float, side: float) -> float:
    """How much rows differ in a square part of the second result, given as fractions, as the file has it."""
    source = page.locator("figure[aria-label=Inventor] img").first.get_attribute("src")
    pixels = np.asarray(Pillow.open(io.BytesIO(page.request.get(f"{page.url}{source}").body())).convert("RGB"), float)
    height, width = pixels.shape[:2]
    rows, columns = (slice(int(at * of), int((at + side) * of)) for at, of in ((top, height), (left, width)))
    return float(np.abs(np.diff(pixels[rows, columns].mean(axis=(1, 2)))).mean())


@pytest.mark.slow
def test_kept_faces_show_less_of_what_is_invented_and_their_boxes_are_drawn_on_demand(
    url: str, open_page: OpenPage, portrait: Path
) -> None:
    page = open_page(url)
    upload(page, portrait)
    keep = page.get_by_label("Keep faces closer to your photo")
    expect(keep).to_be_visible(timeout=PATIENCE)
    choose_only(page, "Good", "Inventor")
    compare(page)
    finished(page)
    inventor = page.locator("figure[aria-label=Inventor]")
    expect(inventor).not_to_contain_text("faces kept faithful")
    face, beside = {"top": 0.4, "left": 0.42, "side": 0.15}, {"top": 0.85, "left": 0.0, "side": 0.12}
    before = contrast(page, **face), contrast(page, **beside)

    keep.check()
    compare(page)
    expect(inventor).to_contain_text("faces kept faithful in 1 place", timeout=PATIENCE)
    finished(page)
    after = contrast(page, **face), contrast(page, **beside)
    assert after[0] < 0.5 * before[0] and after[1] > 0.8 * before[1], (before, after)

    boxes = inventor.locator(".srv-face")
    assert boxes.count() == 0
    page.locator("#viewer .srv-area").focus()
    page.keyboard.press("f")
    expect(boxes).to_have_count(1, timeout=PATIENCE)
    expect(page.locator("#viewer .srv-adjust")).to_contain_text("1 found")
    box, stage = boxes.bounding_box(), inventor.locator("img").first.bounding_box()
    assert box is not None and stage is not None
    middle = [(box[side] + box[of] / 2 - stage[side]) / stage[of] for side, of in (("x", "width"), ("y", "height"))]
    assert middle == pytest.approx([0.51, 0.49], abs=0.08)
    page.get_by_role("button", name="Faces", exact=True).click()
    expect(boxes).to_have_count(0)
