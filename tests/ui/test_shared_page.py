"""A comparison as one HTML file: nothing from elsewhere, every name as text, and all that there is to know."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import sr_demo
from sr_demo.catalogue import APPROACHES
from sr_demo.cli.main import main
from sr_demo.errors import StorageError
from sr_demo.image import Metadata, Size, encode_png, write_png
from sr_demo.imaging.resize import resize
from sr_demo.inference.jobs import Done, Job
from sr_demo.reports import external_results, formatting
from sr_demo.reports.bundle import Comparison
from sr_demo.reports.saved_image import SavedImage, save
from sr_demo.ui.viewer import shared_page
from sr_demo.ui.viewer.shared_page import page, policy, write_page
from tests import fakes
from tests.comparisons import NASTY, Page, comparison_in, result
from tests.conftest import image_of, noise


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    return comparison_in(tmp_path)


def scripts(html: str) -> list[tuple[str, str]]:
    """Attributes and text of each script."""
    return re.findall(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL)


def value_of(html: str) -> dict:
    """What the viewer is given."""
    return json.loads(next(text for attributes, text in scripts(html) if "json" in attributes))


def test_the_page_loads_nothing_from_anywhere(comparison: Comparison) -> None:
    html = page(comparison)
    named = [
        str(a[key]) for _, a in Page(html).tags for key in ("src", "href", "srcset", "data", "action") if a.get(key)
    ]
    assert len(named) == 3 and all(name.startswith("data:image/png;base64,") for name in named)
    assert set(re.findall(r"https?://[\w./]+", html)) == {"http://www.w3.org/2000/svg"}, "the name of SVG, no address"
    # The viewer's mask is an image that it computes itself.
    assert not re.search(r"url\((?!\"\$\{limits\.url\})|@import|fetch\(|XMLHttpRequest|import\(", html)


def test_a_browser_runs_its_own_script_only(comparison: Comparison) -> None:
    html = page(comparison)
    stated = next(a["content"] for tag, a in Page(html).tags if tag == "meta" and "http-equiv" in a)
    assert stated == policy() and "default-src 'none'" in policy()
    (text,) = [text for attributes, text in scripts(html) if "json" not in attributes]
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    assert f"script-src 'sha256-{digest}';" in policy()


def test_hostile_names_stay_text_wherever_they_stand(comparison: Comparison) -> None:
    bad = fakes.good()
    bad = replace(bad, title=NASTY, checkpoints=(replace(bad.checkpoints[0], title=NASTY, licence=NASTY),))
    image = replace(comparison.images[0], label=NASTY, scores=NASTY, alt=NASTY, note=NASTY)
    html = page(replace(comparison, images=[image], results=[result(approach=bad)]))
    own, data = (sum(("json" in attributes) is json for attributes, _ in scripts(html)) for json in (False, True))
    assert (own, data, html.count("<script")) == (1, 1, 2)
    parsed = Page(html)
    assert parsed.text.count(NASTY) >= 8 and [a["alt"] for tag, a in parsed.tags if tag == "img"] == [NASTY]
    assert value_of(html)["images"][0]["label"] == NASTY


def test_every_method_comes_with_licence_cost_and_how_it_was_run(tmp_path: Path) -> None:
    jobs = [Job(a, c, a.options()) for a in APPROACHES for c in a.checkpoints]
    results = [replace(result(), job=job, notes=("The first of 4 frames is used.",)) for job in jobs]
    made = Page(page(replace(comparison_in(tmp_path), results=results)))
    text = " ".join(made.text.split())
    for job in jobs:
        assert job.title in text and f"licence: {formatting.licence(job.checkpoint)}" in text
        assert all(file.sha256 in text for file in job.checkpoint.files)
    inventing = [job.title for job in jobs if job.approach.invents_with(job.checkpoint)]
    assert f"May invent detail: {', '.join(inventing)}." in text
    assert "bf16, 6 tiles 64 px wide, halo 24 px" in text and "The first of 4 frames is used." in text
    assert "cores:" in text and "torch:" in text and "sr_demo 0." in text


def test_of_what_another_tool_made_no_costs_and_weights_are_stated(tmp_path: Path) -> None:
    small = noise(32, 32)
    (job,) = external_results.jobs_of([tmp_path / "topaz.png"])
    done = external_results.attempt(job, lambda: image_of(resize(small, (64, 64))), image_of(small), None)
    assert isinstance(done, Done), done
    facts = shared_page._method(done.result).facts
    assert facts[:3] == ["64 x 64 pixels", "licence: not known", "by another tool; no shift was found"]
    assert not [fact for fact in facts if "weights" in fact or fact.endswith(" s")]


def test_faithful_methods_get_no_warning(comparison: Comparison) -> None:
    assert 'class="sp-warning"' not in page(comparison)


def test_failures_and_identical_results_are_stated(comparison: Comparison) -> None:
    text = Page(page(comparison)).text
    assert "identical" in text and "Did not work" in text and "4 x 4 pixels given to each" in text


def test_images_come_whole_without_the_photos_metadata(comparison: Comparison, tmp_path: Path) -> None:
    photo = replace(image_of(noise(20, 30)), metadata=Metadata(xmp=b"<x>51.5 N</x>", dpi=(300.0, 300.0)))
    saved = save(photo, tmp_path / "input.png", "Your photo", "as uploaded", "The input")
    assert b"51.5 N" in saved.path.read_bytes()
    html = page(replace(comparison, images=[saved]))
    content = base64.b64decode(re.findall(r"base64,([^\"]*)", html)[0])
    assert b"51.5 N" not in content and b"pHYs" in content
    there, wanted = (
        cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR) for one in (content, encode_png(photo))
    )
    np.testing.assert_array_equal(there, wanted)


def test_images_too_large_for_one_file_are_smaller_copies_and_named(
    comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    large = save(image_of(rng.random((160, 200, 3), np.float32)), tmp_path / "large.png", "Large", "", "Result")
    small = comparison.images[1]
    monkeypatch.setattr(shared_page, "LIMIT_BYTES", 20_000)
    html = page(replace(comparison, images=[small, large]))
    sent = [base64.b64decode(one) for one in re.findall(r"base64,([^\"]*)", html)]
    assert sent[0] == small.path.read_bytes() and len(sent[1]) <= 10_000
    assert "smaller copies of the results: Large." in " ".join(html.split())
    assert value_of(html)["images"][1]["width"] == 200, "1:1 means pixels of the result"


def test_a_page_appears_when_it_is_complete(comparison: Comparison, tmp_path: Path) -> None:
    target = write_page(comparison, tmp_path / "report.html")
    assert target.read_text(encoding="utf-8") == page(comparison)
    comparison.images[0].path.unlink()
    target.unlink()
    with pytest.raises(StorageError, match="could not be saved"):
        write_page(comparison, target)
    assert not target.exists() and not list(tmp_path.glob(".*.part"))


def test_a_saved_image_has_a_size_and_a_text(tmp_path: Path) -> None:
    saved = save(image_of(noise(8, 12)), tmp_path / "a.png", "A", "30 dB", "Result of A")
    assert saved == SavedImage(tmp_path / "a.png", Size(8, 12), "A", "30 dB", "Result of A, 12 by 8 pixels")


def test_a_program_gets_the_page_of_what_it_compared(tmp_path: Path) -> None:
    lr, hr, target = tmp_path / "lr.png", tmp_path / "hr.png", tmp_path / "page.html"
    write_png(image_of(noise(16, 16)), lr)
    write_png(image_of(noise(64, 64)), hr)
    sr_demo.compare(lr, ["bicubic", "lanczos"], reference=hr, report=target)
    shown = value_of(target.read_text(encoding="utf-8"))["images"]
    assert [image["label"] for image in shown] == ["Original", "Input", "Bicubic", "Lanczos"] and shown[0]["reference"]


def test_the_command_line_writes_the_page_of_one_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, target = tmp_path / "photo.png", tmp_path / "page.html"
    write_png(image_of(noise(16, 16)), photo)
    command = ["upscale", str(photo), "--approach", "bicubic", "--out", str(tmp_path / "big"), "--report", str(target)]
    assert main(command) == 0 and "page.html" in capsys.readouterr().out
    assert [image["label"] for image in value_of(target.read_text(encoding="utf-8"))["images"]] == ["Input", "Bicubic"]
    assert main(command) == 2 and "exists already" in capsys.readouterr().err
    assert main([*command[:1], str(photo), *command[1:], "--overwrite"]) == 2
    assert "a page of one picture, and 2 are named" in capsys.readouterr().err
