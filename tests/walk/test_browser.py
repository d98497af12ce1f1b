"""Three of the files in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.inference.runner import Runner
from sr_demo.ui import page as pages
from sr_demo.ui.store import Store
from tests.e2e.conftest import OpenPage, Serve
from tests.walk.conftest import Locate
from tests.walk.doors import SETTINGS
from tests.walk.table import MADE

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]


def test_the_browser_shows_images_and_sentences(serve: Serve, open_page: OpenPage, locate: Locate) -> None:
    store = Store()
    arguments = pages.launch_arguments(store, SETTINGS)
    del arguments["server_port"]
    page = open_page(serve(pages.build_page((BICUBIC,), Runner(), store, SETTINGS), **arguments))
    expected = {
        "evil.svg": "evil.svg is not a picture made of pixels but an SVG drawing",
        '"><img src=x onerror=alert(1)>.png': "64 × 48 pixels.",
        "bomb_50000.png": "This picture has 2500 megapixels; the limit here is 20.",
    }
    about = page.locator("#about-photo")
    for name, sentence in expected.items():
        page.locator("#photo input[type=file]").set_input_files(locate(next(c for c in MADE if c.name == name)))
        expect(about).to_contain_text(sentence, timeout=60_000)
    expect(about.locator("img")).to_have_count(0)
