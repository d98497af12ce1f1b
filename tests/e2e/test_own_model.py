"""A visitor drops a model file; another visitor drops one of the same name; neither sees the other's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from sr_demo.approaches import baselines
from sr_demo.checkpoint import EMBEDDED
from sr_demo.inference.runner import Runner
from sr_demo.settings import Settings
from sr_demo.ui import page as pages
from sr_demo.ui import visits
from sr_demo.ui.store import Store
from tests.community_server import serving
from tests.e2e.conftest import OpenPage, Serve

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PATIENCE = 120_000
"""Milliseconds. A trial starts a process that imports torch and spandrel."""


def drop(page: Page, path: Path) -> None:
    page.locator("#own-model").get_by_text("Your own model").click()
    page.locator("#own-model-file input[type=file]").set_input_files(str(path))


@pytest.mark.slow
def test_two_visitors_with_models_of_one_name_do_not_see_each_others(
    serve: Serve, open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "_PATIENCE_SECONDS", 1.0)
    store, settings = Store(), Settings()
    built = pages.build_page((baselines.BICUBIC,), Runner(), store, settings)
    arguments = pages.launch_arguments(store, settings)
    url = serve(built, **{key: value for key, value in arguments.items() if not key.startswith("server_")})
    files = {stem: tmp_path / stem / "mine.safetensors" for stem in ("espcn-x4", "edsr-x4")}
    for stem, path in files.items():
        path.parent.mkdir()
        path.write_bytes((EMBEDDED / f"{stem}.safetensors").read_bytes())
    first = open_page(url)
    drop(first, files["espcn-x4"])
    expect(first.locator("#own-model-status")).to_contain_text("ESPCN", timeout=PATIENCE)
    expect(first.locator("#methods input:checked")).to_have_count(2)
    second = open_page(url)
    expect(second.locator("#methods")).to_contain_text("Bicubic")
    expect(second.locator("#methods")).not_to_contain_text("mine")
    drop(second, files["edsr-x4"])
    expect(second.locator("#own-model-status")).to_contain_text("EDSR", timeout=PATIENCE)
    first.locator("#examples button, #examples img").first.click()
    expect(first.locator("#table")).to_contain_text("mine", timeout=PATIENCE)
    expect(first.locator("#progress")).not_to_contain_text(re.compile("wrong", re.IGNORECASE))
    stored = list(store.folder.rglob("mine.safetensors"))
    assert len(stored) == 2
    first.close()
    for _ in range(100):
        if len(left := [path for path in stored if path.exists()]) == 1:
            break
        second.wait_for_timeout(200)
    assert [path.stat().st_size for path in left] == [files["edsr-x4"].stat().st_size], "the visit is over"


@pytest.mark.slow
def test_a_model_of_the_community_is_searched_fetched_and_compared(
    serve: Serve, open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(monkeypatch, tmp_path) as server:
        server.add("2x-Tiny", tags=["photo", "jpeg"], description="For photos.")
        server.add("2x-Unfree", license="CC-BY-NC-SA-4.0")
        server.add("2x-Elsewhere", resource={"urls": ["https://mega.nz/file/a#b"]})
        store, settings = Store(), Settings()
        built = pages.build_page((baselines.BICUBIC,), Runner(), store, settings)
        arguments = pages.launch_arguments(store, settings)
        page = open_page(serve(built, **{k: value for k, value in arguments.items() if not k.startswith("server_")}))
        page.locator("#own-model").get_by_text("Your own model").click()
        page.locator("#community-words textarea, #community-words input").fill("photo")
        page.locator("#community-search").click()
        found = page.locator("#community-found")
        expect(found).to_contain_text("CC-BY-4.0", timeout=PATIENCE)
        expect(found).not_to_contain_text("Unfree")
        expect(page.locator("#community-status")).to_contain_text("does not allow commercial use")
        expect(page.locator("#community-absent")).to_contain_text("1 cannot run here")
        found.get_by_label("Tiny").check()
        page.locator("#community-fetch").click()
        expect(page.locator("#community-status")).to_contain_text("It is ticked among the methods", timeout=PATIENCE)
        expect(page.locator("#methods input:checked")).to_have_count(2)
        page.locator("#examples button, #examples img").first.click()
        expect(page.locator("#table")).to_contain_text("Tiny", timeout=PATIENCE)
        expect(page.locator("#table")).to_contain_text("CC-BY-4.0")
