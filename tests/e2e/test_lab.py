"""The Deploy tab in a browser: set a budget, measure, read the verdicts, download the report."""

from __future__ import annotations

import json
import re
from pathlib import Path

import gradio as gr
import pytest
from playwright.sync_api import expect

from sr_demo.approaches.baselines import BICUBIC, LANCZOS
from sr_demo.deploy.measurement import Plan
from sr_demo.image import Limits, Size
from sr_demo.inference.runner import Runner
from sr_demo.ui.deploy.layout import deploy_tab
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests.e2e.conftest import OpenPage, Serve

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
PATIENCE = 90_000


def test_methods_are_judged_by_the_budget_and_the_report_is_downloaded(
    serve: Serve, open_page: OpenPage, tmp_path: Path
) -> None:
    store = Store()
    context = PageContext((BICUBIC, LANCZOS), Runner(), store, Stops(), Limits())
    with gr.Blocks(analytics_enabled=False) as blocks:
        deploy_tab(context, Plan(sizes=(Size(32, 32),), seconds=0, quality=False))
    page = open_page(serve(blocks, allowed_paths=[str(store.folder)]))
    report = page.locator("#lab-report")
    page.get_by_label("Lanczos").check()
    page.locator("#lab-measure").click()
    expect(report).to_contain_text("Lanczos fits:", timeout=PATIENCE)  # the example has Bicubic too
    expect(report).to_contain_text("Bicubic fits:")

    # So little time for so large an image that no hardware is near the border between "smaller pictures" and "not at all".
    for budget, value in (("Seconds per picture", "0.1"), ("Picture side", "8192")):
        field = page.get_by_label(budget)
        field.fill(value)
        field.press("Enter")
        field.blur()
    expect(page.locator("#lab-line")).to_contain_text("nothing was measured again", timeout=PATIENCE)
    expect(report).to_contain_text(
        re.compile(r"Bicubic does not fit, because it takes .* 8192 x 8192 pixels \(estimate\)")
    )

    links = page.locator("a[download]")
    expect(links).to_have_count(3, timeout=PATIENCE)
    saved: dict[str, str] = {}
    for number in range(3):
        with page.expect_download() as download:
            links.nth(number).click()
        target = tmp_path / download.value.suggested_filename
        download.value.save_as(target)
        saved[target.suffix] = target.read_text()
    assert json.loads(saved[".json"])["budget"]["side"] == 8192
    assert saved[".csv"].count("does not fit") >= 2 and saved[".csv"].startswith("method,")
    assert "does not fit" in saved[".html"] and "<script" not in saved[".html"]
