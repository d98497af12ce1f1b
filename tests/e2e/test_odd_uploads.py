"""Files that are no pictures, and hardly any, in the boxes of the page: dropped or chosen, they cost nothing."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from sr_demo.approaches import baselines
from sr_demo.image import encode_png
from sr_demo.inference.runner import Runner
from sr_demo.settings import Settings
from sr_demo.ui import page as pages
from sr_demo.ui.store import Store
from tests.conftest import image_of, noise
from tests.e2e.conftest import OpenPage, Serve

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
PATIENCE = 60_000
GOOD = replace(baselines.BICUBIC, id="good", title="Good")
PHOTO = encode_png(image_of(noise(24, 32)))
PDF = b"%PDF-1.7\n1 0 obj<<>>endobj\n"
NO_PICTURE = "is not a picture this app reads but a PDF document"
_DROP = """([selector, name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type }));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    const event = new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer });
    document.querySelector(selector).dispatchEvent(event);
  }
}"""


@pytest.fixture(scope="module")
def address(serve: Serve) -> str:
    store, settings = Store(), Settings()
    arguments = pages.launch_arguments(store, settings)
    del arguments["server_port"]
    return serve(pages.build_page((GOOD,), Runner(), store, settings), **arguments)


def choose(page: Page, name: str, mime: str, content: bytes) -> None:
    file = {"name": name, "mimeType": mime, "buffer": content}
    page.locator("#photo input[type=file]").set_input_files(file)  # type: ignore[arg-type]


def drop(page: Page, name: str, mime: str, content: bytes, onto: str = "#photo [data-testid=image] button") -> None:
    page.locator(onto).first.wait_for(state="attached")
    page.evaluate(_DROP, [onto, name, mime, base64.b64encode(content).decode()])


def said(page: Page, text: str) -> None:
    expect(page.locator("#about-photo")).to_contain_text(text, timeout=PATIENCE)


def quiet(page: Page) -> None:
    """No pop-up of Gradio's."""
    expect(page.locator("[data-testid=toast-body]")).to_have_count(0)


def test_what_is_no_image_gets_our_sentence_and_what_has_an_unknown_type_is_taken(
    address: str, open_page: OpenPage
) -> None:
    page = open_page(address)
    warnings: list[str] = []
    page.on("console", lambda message: warnings.append(message.text) if message.type == "warning" else None)
    drop(page, "doc.pdf", "application/pdf", PDF)
    said(page, NO_PICTURE)
    drop(page, "photo.heic", "", PHOTO)  # many browsers do not know the type
    said(page, "32 × 24 pixels")
    expect(page.locator("#about-photo [role=alert]")).to_have_count(0)
    quiet(page)
    assert warnings == []


@pytest.mark.slow
def test_a_failed_upload_keeps_the_image_that_is_there(address: str, open_page: OpenPage) -> None:
    page = open_page(address)
    choose(page, "photo.png", "image/png", PHOTO)
    said(page, "photo.png: 32 × 24 pixels")
    for name, by in (("a.pdf", choose), ("b.pdf", drop)):
        by(page, name, "application/pdf", PDF)
        said(page, f"{name} {NO_PICTURE}")
        said(page, "photo.png: 32 × 24 pixels")
    drop(page, "c.pdf", "application/pdf", PDF, "#photo img")
    said(page, f"c.pdf {NO_PICTURE}")
    quiet(page)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#viewer img[alt='Result of Good, 128 by 96 pixels']")).to_have_count(1, timeout=PATIENCE)
    drop(page, "second.png", "image/png", encode_png(image_of(noise(20, 20))), "#photo img")
    said(page, "second.png: 20 × 20 pixels")
    expect(page.locator("#about-photo [role=alert]")).to_have_count(0)


@pytest.mark.slow
def test_a_single_pixel_gets_a_word_and_a_result(address: str, open_page: OpenPage) -> None:
    page = open_page(address)
    choose(page, "dot.png", "image/png", encode_png(image_of(noise(1, 1))))
    said(page, "1 × 1 pixels.")
    said(page, "That is very little to work with")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#viewer img[alt='Result of Good, 4 by 4 pixels']")).to_have_count(1, timeout=PATIENCE)
    page.locator("#test input").click()
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#progress")).to_contain_text(re.compile("at least|too small"), timeout=PATIENCE)


@pytest.mark.slow
@pytest.mark.parametrize(("tab", "box"), [("Mosaic", "#mosaic-picture"), ("Digits", "#digit-upload")])
def test_the_boxes_of_other_tabs_say_so_too(address: str, open_page: OpenPage, tab: str, box: str) -> None:
    page = open_page(address)
    page.get_by_role("tab", name=tab).click()
    # What it shows first would take the place of the sentence.
    first = page.locator("#digit-cards img" if tab == "Digits" else "#mosaic-result img").first
    expect(first).to_be_visible(timeout=PATIENCE)
    page.locator(f"{box} input[type=file]").set_input_files(
        {"name": "doc.pdf", "mimeType": "application/pdf", "buffer": PDF}
    )
    expect(page.locator("[role=alert]:visible").first).to_contain_text(NO_PICTURE, timeout=PATIENCE)
    quiet(page)
