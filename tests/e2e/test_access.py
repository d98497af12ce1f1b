"""Everybody can use the page: axe-core finds nothing serious, at the width of a desk and of a phone, light and dark."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.launched import PHOTO, Server

axe = pytest.importorskip("axe_playwright_python.base", reason="axe-core is missing: requirements-dev.txt has it")
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

PATIENCE = 60_000
TABS = ("Compare", "Several photos", "Mosaic", "Diffusion", "Digits", "For labs", "Data", "Training", "About")
CHECK = """async () => {
  const found = await axe.run({ resultTypes: ["violations"] });
  return found.violations.filter(({ id, impact }) => ["serious", "critical"].includes(impact) || id === "heading-order")
    .flatMap(({ id, nodes }) => nodes.map(({ html, any }) => [id, html.slice(0, 200), any[0]?.message ?? ""]));
}"""


def complaints(page: Page) -> list[Any]:
    """What axe-core finds on the open page, at each width and in each theme, and what is wider; at the end it is wide."""
    found: list[Any] = []
    for width, dark in product((390, 1280), (True, False)):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)
        found += [(width, "dark" if dark else "light", *one) for one in page.evaluate(CHECK)]
        shown = page.evaluate("document.documentElement.scrollWidth")
        found += [(width, f"is {shown} pixels wide")] if shown > width else []
    return found


@pytest.mark.slow
def test_axe_finds_nothing_serious_on_any_tab(api_server: Server, open_page: OpenPage) -> None:
    page = open_page(api_server.url, height=800)
    page.evaluate(axe.AXE_SCRIPT)
    page.add_style_tag(content="* { transition: none !important }")  # else colours are still on their way
    page.locator("#photo input[type=file]").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": PHOTO})
    button = page.get_by_role("button", name="Compare", exact=True)
    expect(button).to_be_enabled(timeout=PATIENCE)
    button.click()
    expect(page.locator("#download-zip")).to_be_visible(timeout=PATIENCE)
    page.locator("#test input").click()
    expect(page.locator("#degradation")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Save Bicubic as").click()
    expect(page.locator("#save-menu")).to_contain_text("Bicubic", timeout=PATIENCE)
    found: list[Any] = []
    for tab in TABS:
        page.get_by_role("tab", name=tab, exact=True).first.click()
        found += [(tab, *one) for one in complaints(page)]
    assert found == []


def test_a_new_image_has_its_name_before_anything_else_can_see_it(api_server: Server, open_page: OpenPage) -> None:
    page = open_page(api_server.url, height=800)
    page.locator('.block > [data-testid="block-label"]').first.wait_for(state="attached")
    names = page.evaluate("""async () => {
      const label = document.querySelector('.block > [data-testid="block-label"]');
      const image = label.parentElement.appendChild(document.createElement("img"));
      const seen = [];
      for (let round = 0; round < 2; round++) {  // made, and emptied again
        image.alt = "";
        await null;  // a frame or a timer would be too late: a screen reader may read in between
        seen.push(image.alt);
      }
      return [label.textContent.trim(), ...seen];
    }""")
    assert names[0]
    assert names[1:] == [names[0]] * 2
