"""The comparison viewer in a real browser: one view for all images, which further results do not disturb."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from skimage import data

from sr_demo.ui.languages import texts
from sr_demo.ui.viewer.viewer import ViewerImage, file_url, viewer, viewer_value

from .conftest import OpenPage, Serve

pytestmark = pytest.mark.e2e

SIDE = 512
HOSTILE = "<img src=x onerror=\"document.title='taken over'\">"
NAMES = ["Your picture", "Bicubic", "RDN", HOSTILE]


def _write(image: np.ndarray, folder: Path, name: str) -> str:
    file = folder / name
    Image.fromarray(image).save(file, compress_level=1)
    return file_url(file)


def _images(folder: Path, scene: str, count: int) -> list[ViewerImage]:
    """The scene itself and `count - 1` coarser versions of it, as an approach would return them."""
    reference = np.asarray(Image.fromarray(getattr(data, scene)()).resize((SIDE, SIDE)))
    made = []
    for index in range(count):
        coarse = reference[:: index + 1, :: index + 1]
        image = np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        difference = np.abs(image.astype(int) - reference).clip(0, 63).astype(np.uint8) * 4
        label = NAMES[index] if index < len(NAMES) else f"Method {index} with a rather long name, published checkpoint"
        made.append(
            ViewerImage(
                id=f"method-{index}",
                label=label,
                scores=f"{32 - index}.00 dB  0.900" if index else "",
                note="may invent detail: do not measure in it" if index == 2 else "",
                url=_write(image, folder, f"{scene} {index}.png"),
                difference_url=_write(difference, folder, f"{scene} {index} d.png") if index else "",
                width=SIDE,
                height=SIDE,
                alt=f"Result of {label}, {SIDE} by {SIDE} pixels",
                reference=index == 0,
            )
        )
    return made


@pytest.fixture(scope="module")
def url(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("images")
    astronaut, cat = _images(folder, "astronaut", 12), _images(folder, "cat", 3)
    values = {"One": astronaut[:1], "Three": astronaut[:3], "Four": astronaut[:4], "Twelve": astronaut, "Cat": cat}
    small = replace(astronaut[0], width=SIDE // 2, height=SIDE // 2)
    values |= {"Small": [small], "Mixed": [small, astronaut[1]]}
    adjusted = replace(
        astronaut[1], invents=True, faithful_url=cat[0].url, detailed_url=cat[1].url, invention_url=cat[2].url
    )
    shown, now = viewer_value([astronaut[0], adjusted], scene="s", adjustable=True), {"detail": 0.4, "mapped": True}
    later = viewer_value([replace(cat[0], id="method-0"), replace(astronaut[1], url="", status="waiting")], scene="s")
    states = {
        "finished": shown, "adjusted": {**shown, "adjusted": {**now, "number": 0}},
        "late": {**shown, "faces": [(0.1, 0.1, 0.5, 0.5)]}, "next": later, "gone": {"gone": True},
    }  # fmt: skip
    working = replace(astronaut[1], url="", difference_url="", status="tile 3 of 12", fraction=0.25)
    failed = replace(astronaut[2], url="", difference_url="", status="It does not fit.", failed=True)
    values |= {"Working": [astronaut[0], working, failed]}
    with gr.Blocks(analytics_enabled=False) as page:
        first = viewer("Nothing here yet.", elem_id="first")
        viewer("Another viewer.", elem_id="second", first=False)
        begun = gr.Button("Show Three at a place")
        begun.click(
            lambda: viewer_value(astronaut[:3], scene="place", centre=(0.5, 0.25)),
            outputs=first,
            show_progress="hidden",
        )
        third = viewer("A third one.", elem_id="third", savable=True, first=False)
        for name, state in states.items():
            button = gr.Button(f"Third {name}")
            button.click(lambda shown=state: shown, outputs=third, show_progress="hidden")
        for name, images in values.items():
            button = gr.Button(f"Show {name}")
            button.click(lambda shown=images: viewer_value(shown), outputs=first, show_progress="hidden")
    return serve(page, allowed_paths=[str(folder)])


def _show(page: Page, name: str) -> Locator:
    page.get_by_role("button", name=f"Show {name}", exact=True).click()
    view = page.locator("#first .srv")
    count = {"One": 1, "Three": 3, "Four": 4, "Twelve": 12, "Cat": 3, "Small": 1, "Mixed": 2, "Working": 3}[name]
    expect(view.locator("figure.srv-pane")).to_have_count(count)
    return view


def test_a_result_that_is_not_there_yet_shows_how_far_it_is(url: str, open_page: OpenPage) -> None:
    page = open_page(url)
    view = _show(page, "Working")
    panes = view.locator("figure.srv-pane")
    expect(panes.nth(1)).to_contain_text("tile 3 of 12")
    assert panes.nth(1).get_by_role("progressbar").evaluate("bar => bar.value") == 0.25
    expect(panes.nth(2).get_by_role("alert")).to_have_text("It does not fit.")
    expect(panes.nth(1).locator("a:visible")).to_have_count(0)
    expect(view.get_by_role("button", name="Compare two")).to_be_disabled()
    before = panes.nth(1).bounding_box()
    _show(page, "Three")
    expect(panes.nth(1)).not_to_contain_text("tile")
    expect(view.get_by_role("button", name="Compare two")).to_be_enabled()
    assert panes.nth(1).bounding_box() == before, "nothing moves when a result arrives"


def _press(view: Locator, name: str) -> None:
    view.get_by_role("button", name=name, exact=True).click()


def _images_in_grid(view: Locator) -> Locator:
    return view.locator(".srv-grid .srv-stage > .srv-layer > img")


def _transform(image: Locator) -> str:
    return image.evaluate("node => getComputedStyle(node).transform")


def _expect_one_view(view: Locator, level: str) -> str:
    """Check that all panes show the same spot in the same size; return their transform."""
    expect(view.locator(".srv-level")).to_have_text(level)
    images = _images_in_grid(view)
    for _ in range(50):  # a further image makes all panes smaller, in the next frame
        shared = images.evaluate_all("nodes => nodes.map(node => getComputedStyle(node).transform)")
        if len(set(shared)) == 1:
            return shared[0]
        view.page.wait_for_timeout(100)
    raise AssertionError(f"not one view: {shared}")


def _middle(stage: Locator) -> tuple[float, float]:
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def _drag(page: Page, start: tuple[float, float], dx: float, dy: float) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + dx / 2, start[1] + dy / 2)
    page.mouse.move(start[0] + dx, start[1] + dy)
    page.mouse.up()


def test_without_images_one_sentence_is_shown(url: str, open_page: OpenPage):
    page = open_page(url)
    expect(page.locator("#first .srv-empty")).to_have_text("Nothing here yet.")
    for part in (".srv-bar", ".srv-chips", ".srv-area", ".srv-hint"):
        expect(page.locator(f"#first {part}")).to_be_hidden()


def test_all_panes_share_one_zoom_and_position(url: str, open_page: OpenPage):
    page = open_page(url)
    view = _show(page, "Three")
    _press(view, "4×")
    before = _expect_one_view(view, "400 %")
    assert before.startswith("matrix(4, 0, 0, 4,")
    expect(_images_in_grid(view).nth(2)).to_have_css("image-rendering", "pixelated")

    _drag(page, _middle(view.locator(".srv-stage").nth(1)), 40, -30)
    expect(_images_in_grid(view).first).not_to_have_css("transform", before)
    x, y = (float(part) for part in before[:-1].split(",")[-2:])
    assert _expect_one_view(view, "400 %") == f"matrix(4, 0, 0, 4, {x + 40:.0f}, {y - 30:.0f})"

    _press(view, "1:1")
    _expect_one_view(view, "100 %")
    expect(view.get_by_role("button", name="1:1", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(_images_in_grid(view).first).to_have_css("image-rendering", "auto")


def test_a_comparison_with_a_place_opens_there_in_real_pixels(url: str, open_page: OpenPage):
    page = open_page(url)
    page.get_by_role("button", name="Show Three at a place", exact=True).click()
    view = page.locator("#first .srv")
    expect(view.locator("figure.srv-pane")).to_have_count(3)
    before = _expect_one_view(view, "100 %")
    box = view.locator(".srv-stage").first.bounding_box()
    assert box is not None and box["width"] < SIDE
    left, top = (float(number) for number in before.strip("matrix()").split(",")[-2:])
    assert abs(box["width"] / 2 - left - SIDE / 2) <= 1
    assert top == 0, "as near to the place as leaves the stage full"
    _press(view, "Fit")
    expect(view.locator(".srv-level")).not_to_have_text("100 %")
    fitted = view.locator(".srv-level").inner_text()
    _show(page, "Cat")
    page.get_by_role("button", name="Show Three at a place", exact=True).click()
    _expect_one_view(view, fitted)  # as it was left


def test_on_a_phone_a_comparison_with_a_place_opens_whole(url: str, open_page: OpenPage):
    page = open_page(url, width=390)
    page.get_by_role("button", name="Show Three at a place", exact=True).click()
    view = page.locator("#first .srv")
    expect(view.get_by_role("button", name="Fit", exact=True)).to_have_attribute("aria-pressed", "true")


def test_the_wheel_belongs_to_the_page_until_the_viewer_is_clicked(url: str, open_page: OpenPage):
    page = open_page(url, height=500)
    view = _show(page, "Three")
    level = view.locator(".srv-level")
    fitted = level.inner_text()
    x, y = _middle(view.locator(".srv-stage").first)
    page.mouse.move(x, y)
    page.evaluate("window.scrollTo(0, 0)")
    page.mouse.wheel(0, 120)
    page.wait_for_function("window.scrollY > 0")
    expect(level).to_have_text(fitted)

    x, y = _middle(view.locator(".srv-stage").first)
    page.mouse.click(x, y)
    expect(view.locator(".srv-hint")).to_contain_text("Esc")
    page.mouse.wheel(0, -240)
    expect(level).not_to_have_text(fitted)
    page.keyboard.press("0")
    expect(level).to_have_text(fitted)
    page.keyboard.press("Escape")
    expect(view.locator(".srv-hint")).to_contain_text("Click a picture")

    page.keyboard.down("Control")
    page.mouse.wheel(0, -240)
    page.keyboard.up("Control")
    expect(level).not_to_have_text(fitted)


def test_the_wheel_zooms_at_the_pointer(url: str, open_page: OpenPage):
    page = open_page(url)
    view = _show(page, "Three")
    stage = view.locator(".srv-stage").first
    x, y = _middle(stage)
    box = stage.bounding_box()
    assert box is not None
    at = (x - box["width"] / 4, y - box["height"] / 4)
    under = f"""node => {{ const box = node.getBoundingClientRect();
        return [({at[0]} - box.left) / box.width, ({at[1]} - box.top) / box.height]; }}"""
    before = _images_in_grid(view).first.evaluate(under)
    page.mouse.click(*at)
    page.mouse.wheel(0, -200)
    page.mouse.wheel(0, -200)
    expect(view.locator(".srv-level")).not_to_have_text("76 %")
    after = _images_in_grid(view).first.evaluate(under)
    assert after == pytest.approx(before, abs=0.01)


def test_a_further_result_disturbs_nothing(url: str, open_page: OpenPage):
    page = open_page(url)
    view = _show(page, "Three")
    _press(view, "2×")
    before = _expect_one_view(view, "200 %")
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url) if request.url.endswith(".png") else None)
    _images_in_grid(view).first.evaluate("node => { node.dataset.kept = 'yes'; }")

    view = _show(page, "Four")
    expect(_images_in_grid(view).nth(3)).to_have_js_property("naturalWidth", SIDE)
    expect(_images_in_grid(view).first).to_have_attribute("data-kept", "yes")
    assert [address.rsplit("/", 1)[1] for address in requested] == ["astronaut%203.png"]
    after = _expect_one_view(view, "200 %")
    assert after[: len("matrix(2, 0, 0, 2")] == before[: len("matrix(2, 0, 0, 2")]

    view.get_by_role("button", name="Bicubic", exact=True).click()
    view.get_by_role("button", name="RDN", exact=True).click()
    _show(page, "Twelve")
    expect(view.locator(".srv-two")).to_be_visible()
    expect(view.locator(".srv-side .srv-name")).to_have_text(["Bicubic", "RDN"])
    expect(view.locator(".srv-level")).to_have_text("200 %")


def test_images_of_different_sizes_show_the_same_spot(url: str, open_page: OpenPage):
    page = open_page(url)
    view = _show(page, "Small")
    _press(view, "4×")
    _expect_one_view(view, "400 %")
    _show(page, "Mixed")  # the second has twice the pixels: what was 4x on the first is 2x now, and looks the same
    _expect_one_view(view, "200 %")
    for index in range(2):
        expect(_images_in_grid(view).nth(index)).to_have_css("width", f"{SIDE}px")


def test_a_new_comparison_starts_fitted(url: str, open_page: OpenPage):
    page = open_page(url)
    view = _show(page, "Three")
    _press(view, "4×")
    _expect_one_view(view, "400 %")
    page.get_by_role("button", name="Show Cat", exact=True).click()
    expect(view.get_by_role("button", name="Fit", exact=True)).to_have_attribute("aria-pressed", "true")


def test_the_slider_moves_by_mouse_and_by_keyboard(url: str, open_page: OpenPage):
    page = open_page(url)
    view = _show(page, "Three")
    _press(view, "Compare two")
    divider = view.get_by_role("slider")
    expect(divider).to_have_attribute("aria-valuenow", "50")
    expect(view.locator(".srv-grid")).to_be_hidden()

    stage = view.locator(".srv-two .srv-stage").bounding_box()
    assert stage is not None
    _drag(page, _middle(divider), stage["width"] / 4, 0)
    expect(divider).to_have_attribute("aria-valuenow", "75")
    expect(divider).to_have_attribute("aria-valuetext", "75 percent Your picture, 25 percent Bicubic")
    clip = view.locator(".srv-two .srv-stage > .srv-layer").nth(1)
    expect(clip).to_have_css("clip-path", re.compile(r"inset\(0px 0px 0px \d+(\.\d+)?px\)"))

    divider.focus()
    page.keyboard.press("ArrowLeft")
    expect(divider).to_have_attribute("aria-valuenow", "74")
    page.keyboard.press("Shift+ArrowLeft")
    expect(divider).to_have_attribute("aria-valuenow", "64")
    page.keyboard.press("Home")
    expect(divider).to_have_attribute("aria-valuenow", "0")

    view.get_by_label("Picture on the right, B").select_option(label="RDN")
    expect(view.locator(".srv-side .srv-name")).to_have_text(["Your picture", "RDN"])
    _press(view, "Swap")
    expect(view.locator(".srv-side .srv-name")).to_have_text(["RDN", "Your picture"])
    _press(view, "2×")
    images = view.locator(".srv-two .srv-stage > .srv-layer > img")
    expect(view.locator(".srv-level")).to_have_text("200 %")
    expect(images.nth(1)).to_have_css("transform", _transform(images.first))
    _press(view, "All")
    _expect_one_view(view, "200 %")


def test_two_names_chosen_in_the_grid_are_compared(url: str, open_page: OpenPage):
    page = open_page(url)
    view = _show(page, "Three")
    name = view.get_by_role("button", name="RDN", exact=True)
    name.click()
    marked = view.get_by_role("button", name="A RDN", exact=True)
    expect(marked).to_have_attribute("aria-pressed", "true")
    marked.click()
    expect(name).to_have_attribute("aria-pressed", "false")
    name.click()
    _press(view, "Your picture")
    expect(view.locator(".srv-side .srv-name")).to_have_text(["RDN", "Your picture"])
    expect(view.get_by_role("slider")).to_be_focused()


def test_the_lens_magnifies_the_same_spot_everywhere(url: str, open_page: OpenPage):
    page = open_page(url)
    view = _show(page, "Three")
    lenses = view.locator(".srv-grid .srv-lens")
    expect(lenses.first).to_be_hidden()
    _press(view, "Lens")
    x, y = _middle(view.locator(".srv-stage").nth(1))
    page.mouse.move(x + 20, y + 10)
    page.mouse.move(x + 30, y + 20)
    for index in range(3):
        expect(lenses.nth(index)).to_be_visible()
    magnified = view.locator(".srv-grid .srv-lens img")
    shared = _transform(magnified.first)
    assert shared.startswith("matrix(2, 0, 0, 2,")
    for index in range(3):
        expect(magnified.nth(index)).to_have_css("transform", shared)
        expect(lenses.nth(index)).to_have_css("transform", _transform(lenses.first))
    page.mouse.move(x, 2)
    expect(lenses.first).to_be_hidden()


@pytest.mark.slow
def test_difference_to_the_reference(url: str, open_page: OpenPage):
    page = open_page(url)
    view = _show(page, "One")
    toggle = view.get_by_role("button", name="Difference to the original", exact=True)
    expect(toggle).to_be_hidden()
    _show(page, "Three")
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    images = _images_in_grid(view)
    expect(images.nth(0)).to_have_attribute("src", re.compile("astronaut%200.png$"))
    expect(images.nth(1)).to_have_attribute("src", re.compile("astronaut%201%20d.png$"))
    expect(images.nth(1)).to_have_attribute("alt", re.compile("^Difference to the original"))
    expect(view.locator(".srv-pane").nth(1).locator(".srv-tag")).to_have_text("difference")
    toggle.click()
    expect(images.nth(1)).to_have_attribute("src", re.compile("astronaut%201.png$"))


def test_every_image_has_a_text_alternative_and_a_download(url: str, open_page: OpenPage):
    page = open_page(url)
    view = _show(page, "Four")
    for index, name in enumerate(NAMES):
        expect(_images_in_grid(view).nth(index)).to_have_attribute("alt", f"Result of {name}, 512 by 512 pixels")
    save = view.get_by_role("link", name="Download RDN as PNG")
    expect(save).to_have_attribute("download", "method-2.png")
    with page.expect_download() as download:
        save.click()
    assert download.value.suggested_filename == "astronaut 2.png"  # Gradio states the name of the file; that wins
    with Image.open(download.value.path()) as saved:
        assert saved.size == (SIDE, SIDE)
    expect(view.get_by_role("link", name="Open RDN in full size")).to_have_attribute("target", "_blank")


def test_labels_are_text_whatever_they_contain(url: str, open_page: OpenPage):
    page = open_page(url)
    view = _show(page, "Four")
    expect(view.locator(".srv-pane").nth(3).locator(".srv-name")).to_have_text(HOSTILE)
    expect(view.locator("img[src='x']")).to_have_count(0)
    assert "taken over" not in page.title()


def test_the_keyboard_is_enough(url: str, open_page: OpenPage):
    page = open_page(url)
    view = _show(page, "Three")
    area = view.get_by_role("group", name=re.compile("^Pictures"))
    view.get_by_role("button", name="Compare two", exact=True).focus()
    page.keyboard.press("Tab")
    expect(area).to_be_focused()
    expect(area).to_have_css("outline-style", "solid")
    page.keyboard.press("1")
    before = _expect_one_view(view, "100 %")
    page.keyboard.press("ArrowRight")
    expect(_images_in_grid(view).first).not_to_have_css("transform", before)
    page.keyboard.press("+")
    expect(view.locator(".srv-level")).to_have_text("150 %")
    expect(view.get_by_role("status")).to_have_text("Zoom 150 percent")
    page.keyboard.press("-")
    _expect_one_view(view, "100 %")
    page.keyboard.press("l")
    expect(view.locator(".srv-grid .srv-lens").first).to_be_visible()
    page.keyboard.press("0")
    expect(view.get_by_role("status")).to_contain_text("fit")


def test_two_viewers_on_one_page_do_not_disturb_each_other(url: str, open_page: OpenPage):
    page = open_page(url)
    _show(page, "Three")
    expect(page.locator("#second .srv-empty")).to_have_text("Another viewer.")
    expect(page.locator("#second .srv-area")).to_be_hidden()


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 768, 1280, 1920])
def test_twelve_images_fit_every_width(url: str, open_page: OpenPage, width: int):
    page = open_page(url, width=width, phone=width < 600)
    view = _show(page, "Twelve")
    expect(_images_in_grid(view).nth(11)).to_have_js_property("naturalWidth", SIDE)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    shown = 1 if width < 600 else 12
    expect(view.locator("figure.srv-pane:visible")).to_have_count(shown)


def test_a_resized_window_is_laid_out_again(url: str, open_page: OpenPage):
    page = open_page(url)
    page.evaluate("window.addEventListener('error', (event) => console.error(event.message))")
    view = _show(page, "Three")
    expect(view.locator("figure.srv-pane:visible")).to_have_count(3)
    page.set_viewport_size({"width": 390, "height": 844})
    expect(view.locator("figure.srv-pane:visible")).to_have_count(1)
    page.set_viewport_size({"width": 900, "height": 844})
    expect(view.locator("figure.srv-pane:visible")).to_have_count(3)


def test_a_phone_shows_one_image_and_chips_select_the_next(url: str, open_page: OpenPage):
    page = open_page(url, width=390, height=844, phone=True)
    view = _show(page, "Three")
    shown = view.locator("figure.srv-pane:visible .srv-name")
    expect(shown).to_have_text(["Your picture"])
    chips = view.get_by_role("group", name="Picture in front")
    chips.get_by_role("button", name="RDN").tap()
    expect(shown).to_have_text(["RDN"])
    expect(chips.get_by_role("button", name="RDN")).to_have_attribute("aria-pressed", "true")
    box = view.locator("figure.srv-pane:visible .srv-stage").bounding_box()
    assert box is not None
    assert box["width"] > 320


class _Fingers:
    """Touches on a page; one protocol session, because the browser ties a touch to the session that began it."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)

    def send(self, kind: str, points: Sequence[tuple[float, float]]) -> None:
        touches = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(points)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def move(self, *path: Sequence[tuple[float, float]]) -> None:
        """Put fingers down at the first points, move them along the others, lift them."""
        self.send("touchStart", path[0])
        for before, points in pairwise(path):
            self.send("touchStart" if len(points) > len(before) else "touchMove", points)
        self.send("touchEnd", [])

    def swipe(self, start: tuple[float, float], dx: float) -> None:
        self.move(*([(start[0] + dx * step / 5, start[1])] for step in range(6)))


def test_a_phone_swipes_pinches_and_keeps_the_zoom(url: str, open_page: OpenPage):
    page = open_page(url, width=390, height=844, phone=True)
    view = _show(page, "Three")
    fingers = _Fingers(page)
    shown = view.locator("figure.srv-pane:visible .srv-name")
    stage = view.locator("figure.srv-pane:visible .srv-stage")
    fingers.swipe(_middle(stage), -140)
    expect(shown).to_have_text(["Bicubic"])
    fingers.swipe(_middle(stage), 140)
    expect(shown).to_have_text(["Your picture"])

    x, y = _middle(stage)
    fingers.move(*([(x - spread, y), (x + spread, y)] for spread in (30, 40, 60, 80, 100, 120)))
    fit = view.get_by_role("button", name="Fit", exact=True)
    expect(fit).to_have_attribute("aria-pressed", "false")
    zoomed = view.locator("figure.srv-pane:visible .srv-stage > .srv-layer > img")
    before = _transform(zoomed)
    fingers.swipe(_middle(stage), -100)  # zoomed in: the finger moves the image, not on to the next one
    expect(shown).to_have_text(["Your picture"])
    expect(zoomed).not_to_have_css("transform", before)
    moved = _transform(zoomed)
    view.get_by_role("group", name="Picture in front").get_by_role("button", name="RDN").tap()
    expect(shown).to_have_text(["RDN"])
    expect(zoomed).to_have_css("transform", moved)


def test_a_phone_moves_the_slider_by_touch(url: str, open_page: OpenPage):
    page = open_page(url, width=390, height=844, phone=True)
    view = _show(page, "Three")
    view.get_by_role("button", name="Compare two", exact=True).tap()
    divider = view.get_by_role("slider")
    expect(divider).to_have_attribute("aria-valuenow", "50")
    _Fingers(page).swipe(_middle(divider), -80)
    expect(divider).not_to_have_attribute("aria-valuenow", "50")


def test_a_swipe_that_becomes_a_pinch_leaves_the_image_in_its_place(url: str, open_page: OpenPage):
    page = open_page(url, width=390, height=844, phone=True)
    view = _show(page, "Three")
    stage = view.locator("figure.srv-pane:visible .srv-stage")
    x, y = _middle(stage)
    fingers = _Fingers(page)
    fingers.send("touchStart", [(x, y)])
    for dx in range(10, 150, 10):
        fingers.send("touchMove", [(x + dx, y)])
    assert stage.evaluate("node => node.style.translate") != ""
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "a swiped picture does not widen the page"
    fingers.send("touchStart", [(x + 140, y), (x - 40, y)])
    fingers.send("touchMove", [(x + 150, y), (x - 60, y)])
    fingers.send("touchEnd", [])
    assert stage.evaluate("node => node.style.translate") == ""


def test_fingers_on_two_images_zoom_as_on_one(url: str, open_page: OpenPage):
    page = open_page(url, width=1024, height=768, phone=True)
    view = _show(page, "Three")
    first, second = (_middle(view.locator(".srv-stage").nth(index)) for index in range(2))
    far = second[0] - first[0]
    fit = int(view.locator(".srv-level").inner_text().split()[0])
    steps = [[(first[0] - dx, first[1]), (second[0] + dx, first[1])] for dx in range(0, 61, 10)]
    _Fingers(page).move(steps[0][:1], *steps)
    assert int(view.locator(".srv-level").inner_text().split()[0]) == pytest.approx(fit * (far + 120) / far, rel=0.03)


def test_pixels_are_those_of_the_screen_and_sharp_where_one_takes_several(url: str, open_page: OpenPage):
    for density, title, drawn in (
        (1, "1 screen pixel for each pixel", "auto"),
        (2, "2 screen pixels for each pixel", "pixelated"),
    ):
        page = open_page(url, density=density)
        view = _show(page, "Three")
        button = view.get_by_role("button", name="1:1", exact=True)
        button.click()
        expect(button).to_have_attribute("title", title)
        expect(_images_in_grid(view).first).to_have_css("image-rendering", drawn)


def test_a_higher_window_gives_higher_images(url: str, open_page: OpenPage):
    page = open_page(url, height=500)
    view = _show(page, "Three")
    _press(view, "Compare two")
    stage = view.locator(".srv-two .srv-stage")
    expect(stage).to_have_css("height", "255px")
    page.set_viewport_size({"width": 1280, "height": 900})
    expect(stage).to_have_css("height", "459px")


def test_an_image_whose_stage_was_removed_under_the_pointer_does_not_follow_it(url: str, open_page: OpenPage):
    page = open_page(url)
    view = _show(page, "Three")
    _press(view, "4×")
    x, y = _middle(view.locator(".srv-stage").first)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y)
    page.get_by_role("button", name="Show Cat", exact=True).evaluate("node => node.click()")
    expect(_images_in_grid(view).first).to_have_attribute("src", re.compile("cat"))
    page.mouse.move(x, 2)
    page.mouse.up()
    _press(view, "4×")
    before = _expect_one_view(view, "400 %")
    page.mouse.move(x, y)
    page.mouse.move(x + 50, y + 30, steps=3)
    page.wait_for_timeout(100)
    assert _expect_one_view(view, "400 %") == before


def _third(page: Page, state: str) -> Locator:
    page.get_by_role("button", name=f"Third {state}", exact=True).click()
    return page.locator("#third .srv")


def test_nothing_of_an_earlier_result_is_seen_where_the_next_is_awaited(url: str, open_page: OpenPage):
    page = open_page(url)
    view = _third(page, "adjusted")
    expect(view.locator(".srv-over:visible")).to_have_count(3)
    _third(page, "next")
    expect(view.locator(".srv-pane").nth(1)).to_contain_text("waiting")
    expect(view.locator(".srv-over")).to_have_count(0)


def test_a_reply_to_something_else_leaves_the_slider_where_it_was_moved(url: str, open_page: OpenPage):
    page = open_page(url)
    view = _third(page, "finished")
    slider = view.get_by_role("slider", name=re.compile("^Detail"))
    expect(slider).to_be_enabled()
    slider.focus()
    slider.press("ArrowLeft")
    view.get_by_role("button", name="Faces", exact=True).click()
    _third(page, "late")
    expect(view).to_contain_text("1 found")
    expect(view.locator(".srv-percent")).to_have_text("95 % …")


def test_what_is_requested_of_deleted_files_is_not_awaited(url: str, open_page: OpenPage):
    page = open_page(url)
    view = _third(page, "finished")
    slider = view.get_by_role("slider", name=re.compile("^Detail"))
    slider.focus()
    slider.press("ArrowLeft")
    expect(view.get_by_role("button", name="Save Bicubic as")).to_be_disabled()
    _third(page, "gone")
    expect(view.locator(".srv-percent")).to_have_text("100 %")
    expect(slider).to_be_disabled()
    expect(view.get_by_role("button", name="Save Bicubic as")).to_be_enabled()
    expect(view.locator("figure.srv-pane")).to_have_count(2)


def test_the_hint_names_keys_that_do_something(url: str, open_page: OpenPage):
    page = open_page(url)
    expect(_show(page, "Three").locator(".srv-hint")).to_contain_text(texts("en")["viewer_hint_idle_fixed"])
    expect(_third(page, "finished").locator(".srv-hint")).to_contain_text(texts("en")["viewer_hint_idle"])


_CONTRAST = """node => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let behind = node;
  while (/^(transparent|rgba\\(0, 0, 0, 0\\))$/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
  const [a, b] = [light(getComputedStyle(node).color), light(getComputedStyle(behind).backgroundColor)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_can_be_read_in_light_and_dark(url: str, open_page: OpenPage, dark: bool):
    page = open_page(url, dark=dark)
    expect(page.locator("#first .srv-empty")).to_be_visible()
    assert page.locator("#first .srv-empty").evaluate(_CONTRAST) >= 4.5
    view = _show(page, "Three")
    luminous = "node => parseInt(getComputedStyle(node).color.match(/\\d+/)[0]) > 128"
    assert view.locator(".srv-name").first.evaluate(luminous) is dark
    view.get_by_title("Help").click()
    for part in (
        ".srv-hint",
        ".srv-help p",
        ".srv-help dd",
        ".srv-level",
        ".srv-name",
        ".srv-tag",
        ".srv-pane:nth-child(3) .srv-note",
    ):
        assert view.locator(part).first.evaluate(_CONTRAST) >= 4.5, part
    assert view.get_by_role("button", name="Fit", exact=True).evaluate(_CONTRAST) >= 4.5


def test_values_that_cannot_be_shown_are_refused():
    image = ViewerImage(id="a", label="A", url="gradio_api/file=/tmp/a.png", width=4, height=4, alt="A")
    with pytest.raises(ValueError, match="different ids"):
        viewer_value([image, image])
    for url in ("https://example.org/a.png", "//example.org/a.png", "javascript:alert(1)"):
        with pytest.raises(ValueError, match="on this server"):
            ViewerImage(id="a", label="A", url=url, width=4, height=4, alt="A")
    assert file_url("/tmp/a b#1.png") == "gradio_api/file=/tmp/a%20b%231.png"
