"""GAN against diffusion in a real browser: the preset, a run, the drawing and the table; and the Diffusion tab."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

from sr_demo.approaches import baselines
from sr_demo.diffusion.sampler import Sampler
from sr_demo.diffusion.upscaler import DiffusionUpscaler
from sr_demo.image import write_png
from sr_demo.networks.shift_unet import ShiftUNet
from sr_demo.spec import Request
from tests.conftest import image_of, noise
from tests.diffusion.test_sampler import networks
from tests.e2e.conftest import OpenPage, Serve
from tests.e2e.test_page import PATIENCE, compare, finished, launch, upload
from tests.ui.test_presets import GAN, WALKER

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def _longer(request: Request) -> DiffusionUpscaler:
    """Load a tiny model with as many steps as the page offers."""
    calm, _ = networks()
    return DiffusionUpscaler(
        Sampler(calm, ShiftUNet([8, 8, 8], levels=15, kappa=0.12, least=0.01, power=0.7, spread=0.04))
    )


OTHER = replace(GAN, id="other", title="Another GAN with a long name")


@pytest.fixture(scope="module")
def page_url(serve: Serve) -> str:
    return launch(serve, (baselines.BICUBIC, GAN, OTHER, replace(WALKER, id="diffusion", load=_longer)))


@pytest.mark.slow
def test_what_suits_a_new_photo_is_ticked_until_the_visitor_chooses(
    page_url: str, open_page: OpenPage, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    write_png(image_of(noise(200, 260)), photo)
    page = open_page(page_url, width=390, height=844, phone=True)
    upload(page, photo)
    advice = page.locator("#advice")
    expect(advice).to_contain_text("For this photo (small", timeout=PATIENCE)
    expect(advice.locator("li").first).not_to_be_visible()
    advice.get_by_text("Why?").click()
    expect(advice.locator("li").last).to_contain_text("Estimated from the photo")
    ticked = page.locator("#methods input:checked")
    expect(ticked).to_have_count(1, timeout=PATIENCE)
    page.locator("#methods input:not(:checked)").first.check()
    write_png(image_of(noise(2000, 1600, 1)), photo)
    upload(page, photo)
    expect(advice).not_to_contain_text("(small", timeout=PATIENCE)
    page.wait_for_timeout(500)  # for the event after that
    expect(ticked).to_have_count(2)
    advice.get_by_role("button", name="Tick these").click()
    expect(ticked).to_have_count(1, timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.slow
def test_gan_against_diffusion_is_one_click(page_url: str, open_page: OpenPage, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    write_png(image_of(noise(200, 260)), photo)
    page = open_page(page_url, width=390, height=844, phone=True, dark=True)
    upload(page, photo)
    page.locator("#preset").get_by_text("GAN against diffusion").click()
    expect(page.locator("#preset-note")).to_contain_text("the methods are given 65 × 50", timeout=PATIENCE)
    compare(page)
    finished(page)
    table = page.locator("#table table")
    for heading in (
        "PSNR-Y",
        "SSIM-Y",
        "LR consistency",
        "NIQE",
        "Seconds",
        "Peak memory",
        "File size",
        "Runs on CPU",
        "Licence",
    ):
        expect(table).to_contain_text(heading)
    expect(table.locator("th button", has_text="Edge device")).to_have_count(1)
    expect(table.locator("tbody th")).to_have_text(["Plain GAN", "Another GAN with a long name", "Walker"])
    families = page.locator("#families")
    expect(families.get_by_role("region", name="Backward: how it enlarges").locator("img").first).to_be_visible()
    expect(families.locator("img[alt^='Step 8 is given, noise']")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.locator("#preset").get_by_text("my choice").click()
    expect(page.locator("#preset-note")).to_be_empty(timeout=PATIENCE)
    expect(page.locator("#methods label", has_text="Bicubic").locator("input")).to_be_checked()
    expect(page.locator("#test input")).not_to_be_checked()


@pytest.mark.slow
def test_guesses_are_shown_with_where_they_differ_and_there_is_no_prompt(
    page_url: str, open_page: OpenPage, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    write_png(image_of(noise(40, 30)), photo)
    page = open_page(page_url)
    page.get_by_role("tab", name="Diffusion").click()
    tab = page.get_by_role("tabpanel").filter(has=page.locator("#diffusion-start"))
    result = page.locator("#diffusion-result")
    expect(result.locator("img[alt^='Guess 1, an example']")).not_to_have_count(0)
    expect(page.locator("#diffusion-explained")).to_contain_text("An example, made beforehand")
    tab.get_by_text("More options").click()
    expect(tab.get_by_label("Seed").first).to_be_visible()
    expect(tab.locator("textarea")).to_have_count(0)
    page.locator("#diffusion-picture input[type=file]").set_input_files(str(photo))
    expect(page.locator("#diffusion-picture img")).to_be_visible(timeout=PATIENCE)
    page.locator("#diffusion-start").click()
    expect(result.locator("img[alt^='Guess 1, ']:not([alt*='example'])")).to_be_visible(timeout=PATIENCE)
    expect(result.locator("img[alt^='Where it is guessing, ']:not([alt*='example'])")).to_be_visible(timeout=PATIENCE)
    shown = {image.get_attribute("alt") for image in result.locator("img[alt^='Guess ']:visible").all()}
    assert len(shown) == 4 and not any("example" in str(alt) for alt in shown)
    expect(page.locator("#diffusion-explained img[alt^='Step ']")).to_have_count(8)
    page.locator("#diffusion-quick").click()
    expect(tab.get_by_label("number input for Steps")).to_have_value("1")
    page.locator("#diffusion-start").click()
    expect(page.locator("#diffusion-explained img[alt^='Step ']")).to_have_count(1, timeout=PATIENCE)
    page.locator("#diffusion-fine").click()
    expect(tab.get_by_label("number input for Steps")).to_have_value("8")
