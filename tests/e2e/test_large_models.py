"""Without a GPU, offline: the large models are listed with the reason why they cannot run, and do not disturb the others."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

from sr_demo.approaches import baselines, faithdiff, sd_x4_upscaler, supir
from sr_demo.system import hardware
from tests.e2e.conftest import OpenPage, Serve
from tests.e2e.test_page import PATIENCE, choose_only, compare, finished, launch, photo, upload

__all__ = ["photo"]
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
LARGE = (sd_x4_upscaler.APPROACH, faithdiff.APPROACH, supir.APPROACH)


@pytest.fixture(scope="module")
def page_without_gpu(serve: Serve) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardware, "_gpu_bytes", lambda: 0)
        return launch(serve, (baselines.BICUBIC, baselines.LANCZOS, *LARGE))


@pytest.mark.slow
def test_they_are_listed_folded_and_disabled_with_the_reason(page_without_gpu: str, open_page: OpenPage) -> None:
    page = open_page(page_without_gpu, width=390)
    group = page.locator("#absent")
    assert "needs a GPU" not in group.inner_text()  # folded
    group.get_by_text("Large diffusion models: not on this server").click()
    for approach in LARGE:
        label = group.locator("label").filter(has_text=f"{approach.title}:")
        expect(label).to_contain_text("needs a GPU with")
        expect(label).to_contain_text("(here: none)")
        expect(label.locator("input")).to_be_disabled()
        expect(label.locator("input")).not_to_be_checked()
    expect(group.locator("label").filter(has_text="FaithDiff:")).to_contain_text(
        "needs a GPU with 8 GB (here: none) · about 17.7 GB to download, only on request"
    )
    expect(group.locator("label").filter(has_text="SUPIR:")).to_contain_text("no commercial use")
    expect(page.get_by_label("Negative prompt")).to_have_count(0)
    expect(page.locator("#agree-to-download")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.slow
def test_the_others_still_compare(page_without_gpu: str, open_page: OpenPage, photo: Path) -> None:
    page = open_page(page_without_gpu)
    upload(page, photo)
    choose_only(page, "Bicubic", "Lanczos")
    compare(page)
    finished(page)
    expect(page.locator("#viewer")).not_to_contain_text("GPU")


@pytest.mark.slow
def test_where_they_can_run_a_box_asks_before_gigabytes(serve: Serve, open_page: OpenPage, photo: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardware, "_missing", lambda needs: "")
        patch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=64 * 10**9, available=32 * 10**9))
        page = open_page(launch(serve, (baselines.BICUBIC, sd_x4_upscaler.APPROACH)))
        expect(page.locator("#absent")).to_be_hidden()
        upload(page, photo)
        choose_only(page)
        page.get_by_text("More methods and published networks").click()
        box = page.locator("#agree-to-download")
        expect(box).to_contain_text("Download what is missing: Stable Diffusion x4 about 1.7 GB")
        expect(box.locator("input")).not_to_be_checked()
        page.locator("#more-methods label").filter(has_text="Stable Diffusion x4").locator("input").check()
        compare(page)
        expect(page.locator("#viewer")).to_contain_text("nothing that large is fetched unasked", timeout=PATIENCE)
        box.locator("input").check()
        compare(page)
        expect(page.locator("#viewer")).to_contain_text("could not be fetched from the Hub (offline)", timeout=PATIENCE)
        page.get_by_text("Options for each method").click()
        page.locator("button.label-wrap", has_text="Stable Diffusion x4").click()
        expect(page.get_by_label("Negative prompt")).to_be_visible()
        agreed = page.locator("#agree-to-captions")
        expect(agreed).to_contain_text("Download SmolVLM 256M: about 518 MB, Apache-2.0")
        agreed.locator("input").check()
        page.locator("#describer label").filter(has_text="LLaVA 1.5 7B: 14.1 GB").locator("input").check()
        expect(agreed).to_contain_text(
            "Download LLaVA 1.5 7B: about 14.1 GB, Llama 2 Community License", timeout=PATIENCE
        )
        expect(agreed.locator("input")).not_to_be_checked()
        page.get_by_role("button", name="Describe my picture").click()
        expect(page.locator("#described")).to_contain_text("Tick the box beside the button", timeout=PATIENCE)
