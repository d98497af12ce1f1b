"""The page in the language of the browser, and in another one that is chosen, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from sr_demo.ui.languages import texts
from tests.e2e.conftest import OpenPage
from tests.e2e.launched import PHOTO, Server
from tests.e2e.test_page import PATIENCE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

GERMAN, JAPANESE, ENGLISH = texts("de"), texts("ja"), texts("en")
MARKS = """() => [...document.body.querySelectorAll("*:not(script)")].flatMap((node) => [
  ...[...node.attributes].map(({ value }) => value),
  ...[...node.childNodes].filter(({ nodeType }) => nodeType === 3).map(({ data }) => data),
]).filter((text) => /__i18n__|\\bpage\\.\\w+_/.test(text))"""
"""Marks that were not replaced by a text."""


def tabs(page: Page) -> list[str]:
    return page.locator("[role=tab]:visible").all_inner_texts()


def test_a_german_browser_gets_german_and_results_stay_translated(api_server: Server, open_page: OpenPage) -> None:
    page = open_page(api_server.url, locale="de-DE")
    expect(page.locator("#compare")).to_have_text("Vergleichen", timeout=PATIENCE)
    assert page.evaluate("document.documentElement.lang") == "de"
    assert tabs(page)[:3] == ["Vergleich", "Mehrere Fotos", "Mosaik"]
    expect(page.get_by_role("button", name="Lupe", exact=True)).to_be_visible()
    page.locator("#photo input[type=file]").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": PHOTO})
    expect(page.locator("#about-photo")).to_contain_text("32 × 24 Pixel", timeout=PATIENCE)
    page.locator("#compare").click()
    expect(page.locator("#table th button").first).to_have_text("Verfahren", timeout=PATIENCE)
    expect(page.locator("#table th button", has_text=re.compile("^Sekunden$"))).to_have_attribute(
        "title", GERMAN["column_seconds_help"]
    )
    expect(page.get_by_role("button", name="Ihr Foto speichern als")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#download-zip")).to_have_text(GERMAN["download_all"], timeout=PATIENCE)
    expect(page.locator("#methods")).to_contain_text(GERMAN["word_m_bicubic"])
    expect(page.locator("#viewer")).to_contain_text(re.compile(r"LR-Konsistenz [\d.]+ dB"))
    page.locator("#viewer img[alt='Ergebnis von Bicubic, 128 mal 96 Pixel']").wait_for()
    page.get_by_role("tab", name=GERMAN["tab_several"]).click()
    page.locator("#several-files input[type=file]").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": b"hello"}
    )
    page.locator("#several-start").click()
    expect(page.locator("#several-line")).to_contain_text("0 von 1 Fotos sind vergrößert.", timeout=PATIENCE)
    expect(page.locator("#several-photos")).to_contain_text("a.png ist kein Bild, sondern eine Textdatei.")
    for tab in page.locator("[role=tab]:visible").all():
        tab.click()
        page.wait_for_timeout(200)
    assert page.evaluate(MARKS) == []


@pytest.mark.slow
def test_words_that_do_not_arrive_stay_english_and_come_with_the_next_click(
    api_server: Server, open_page: OpenPage
) -> None:
    page = open_page(api_server.url)
    asked: list[Route] = []

    def damaged_at_first(route: Route) -> None:
        asked.append(route)
        if len(asked) == 1:
            route.fulfill(body="{", content_type="application/json")
        else:
            route.continue_()

    page.route("**/texts/de.json", damaged_at_first)
    page.goto(f"{api_server.url}?lang=de")
    expect(page.locator("#compare")).to_have_text("Vergleichen", timeout=PATIENCE)
    page.get_by_role("tab", name=GERMAN["tab_labs"]).click()
    expect(page.locator("#lab-methods")).to_contain_text("Bicubic", timeout=PATIENCE)
    page.wait_for_function("() => performance.getEntriesByName(new URL('texts/de.json', location).href).length === 2")
    assert len(asked) == 2


@pytest.mark.slow
def test_another_language_can_be_chosen(api_server: Server, open_page: OpenPage) -> None:
    page = open_page(api_server.url)
    choice = page.get_by_label("Language", exact=True)
    expect(page.locator("#compare")).to_have_text("Compare", timeout=PATIENCE)
    expect(choice).to_have_value("en")
    choice.select_option("ja")
    expect(page.locator("#compare")).to_have_text(JAPANESE["compare"], timeout=PATIENCE)
    expect(page.locator("#viewer button", has_text=JAPANESE["viewer_lens"])).to_be_visible(timeout=PATIENCE)
    expect(page.locator("[role=tab]").first).to_have_text(JAPANESE["tab_compare"])
    assert tabs(page)[:2] == [JAPANESE["tab_compare"], JAPANESE["tab_several"]], "tabs that were not opened yet"
    assert page.evaluate("document.documentElement.lang") == "ja" and "lang=ja" in page.url


def test_arrow_keys_choose_a_language_and_enter_loads_it(api_server: Server, open_page: OpenPage) -> None:
    page = open_page(api_server.url)
    choice = page.get_by_label("Language", exact=True)
    expect(page.locator("#compare")).to_have_text("Compare", timeout=PATIENCE)
    choice.focus()
    for language in ("de", "fr"):
        choice.press("ArrowDown")
        expect(choice).to_have_value(language)
    page.wait_for_timeout(300)
    assert "lang=" not in page.url
    choice.press("Enter")
    expect(page.locator("#compare")).to_have_text(texts("fr")["compare"], timeout=PATIENCE)


def test_a_browser_in_a_language_that_the_page_lacks_gets_english(api_server: Server, open_page: OpenPage) -> None:
    page = open_page(api_server.url, locale="pl-PL")
    expect(page.locator("#compare")).to_have_text("Compare", timeout=PATIENCE)
    expect(page.locator("h1")).to_have_text(ENGLISH["header_title"])
    assert page.evaluate("document.documentElement.lang") == "en"
