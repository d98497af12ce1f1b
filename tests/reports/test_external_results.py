"""Results that other tools made: aligned with what is said about it, scored like ours, or refused in one sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from sr_demo.errors import BadInput
from sr_demo.image import Image, ImageData, Size, Values, read, write_png
from sr_demo.imaging.alignment import NONE, Shift, undo_shift
from sr_demo.imaging.resize import downscale, resize
from sr_demo.imaging.samples import SAMPLES
from sr_demo.inference.jobs import Done, Failed, ImageResult
from sr_demo.inference.runner import Runner
from sr_demo.metrics.scores import score
from sr_demo.reports import external_results, formatting
from sr_demo.reports.bundle import Comparison, report_json
from sr_demo.reports.scatter_chart import Point, quality_against_time
from sr_demo.reports.table import html_table, record
from sr_demo.ui.viewer.shared_page import page
from tests import fakes
from tests.conftest import image_of, noise

FILE = Path("theirs.png")


@pytest.fixture(scope="module")
def hr() -> Image:
    (cat,) = (sample for sample in SAMPLES if sample.id == "cat")
    return cat.make()[:240, :320]


@pytest.fixture(scope="module")
def lr(hr: Image) -> Image:
    return downscale(hr, 4)


@pytest.fixture(scope="module")
def theirs(lr: Image) -> Image:
    return resize(lr, (240, 320), "lanczos")


def outcome(image: ImageData, lr: Image, reference: Image | None = None) -> Done | Failed:
    (job,) = external_results.jobs_of([FILE])
    return external_results.attempt(job, lambda: replace(image, name=FILE.name), ImageData(lr), reference)


def result(image: ImageData, lr: Image, reference: Image | None = None) -> ImageResult:
    done = outcome(image, lr, reference)
    assert isinstance(done, Done), done.message
    return done.result


def refusal(image: ImageData, lr: Image, reference: Image | None = None) -> str:
    failed = outcome(image, lr, reference)
    assert isinstance(failed, Failed)
    return failed.message


def test_what_lies_on_the_photo_is_left_alone_and_scored_like_ours(hr: Image, lr: Image, theirs: Image) -> None:
    for reference in (None, hr):
        made = result(image_of(theirs), lr, reference)
        assert made.shift == NONE
        np.testing.assert_array_equal(made.rgb, theirs)
        assert made.scores == score(theirs, lr, reference, 4)
        assert formatting.how(made) == "by another tool; no shift was found"


@pytest.mark.parametrize(
    ("shift", "said"),
    [(Shift(1.5, 0.0), "1.5 px down"), (Shift(0.0, -3.0), "3 px left"), (Shift(-1.5, 3.0), "3 px right, 1.5 px up")],
)
def test_a_shift_is_undone_and_said(hr: Image, lr: Image, theirs: Image, shift: Shift, said: str) -> None:
    made = result(image_of(undo_shift(theirs, Shift(-shift.down, -shift.right))), lr, hr)
    assert made.shift == shift
    assert formatting.how(made) == f"by another tool; it was shifted {said}, which was corrected"
    assert record(made)["shift"] == {"down": shift.down, "right": shift.right}
    right_place = score(theirs, lr, hr, 4).psnr_y
    assert made.scores.psnr_y == pytest.approx(right_place, abs=0.3)


def test_forty_pixels_are_refused_as_a_crop(lr: Image, theirs: Image) -> None:
    said = refusal(image_of(undo_shift(theirs, Shift(-40.0, 0.0))), lr)
    assert said.startswith("theirs.png is shifted by 40 pixels against this photo") and said.count("\n") == 0


def test_another_photo_is_refused(lr: Image, hr: Image) -> None:
    assert "does not show this photo" in refusal(image_of(noise(240, 320)), lr)
    assert "does not show this photo" in refusal(image_of(hr[:, ::-1]), lr, hr)


@pytest.mark.parametrize(("height", "width"), [(240, 300), (30, 40), (239, 320), (241, 320)])
def test_another_shape_than_the_photos_is_refused(lr: Image, height: int, width: int) -> None:
    assert f"theirs.png has {width} x {height} pixels" in refusal(image_of(noise(height, width)), lr)


@pytest.mark.parametrize(("height", "width"), [(60, 80), (120, 160), (210, 280), (480, 640)])
def test_without_an_original_any_enlargement_will_do(lr: Image, height: int, width: int) -> None:
    made = result(image_of(resize(lr, (height, width))), lr)
    assert made.size == (height, width) and made.scores.psnr_y is None
    assert made.scores.lr_consistency is not None and made.scores.lr_consistency > 30


def test_with_an_original_the_size_must_be_its_own(hr: Image, lr: Image) -> None:
    assert "the original 320 x 240" in refusal(image_of(resize(lr, (120, 160))), lr, hr)
    larger = np.pad(hr, ((0, 3), (0, 2), (0, 0)), "edge")
    assert result(image_of(larger), lr, hr).scores.psnr_y == float("inf"), "rows beyond a multiple of the scale"


@pytest.mark.parametrize("bits", [8, 16])
def test_gray_alpha_and_16_bit_stay_as_they_are(theirs: Image, lr: Image, tmp_path: Path, bits: Literal[8, 16]) -> None:
    gray = np.repeat(theirs.mean(axis=2, keepdims=True), 3, axis=2)
    alpha = np.ones((240, 320), np.float32)
    alpha[:60] = 0.5
    write_png(ImageData(undo_shift(gray, Shift(0.0, -2.0)), alpha, gray=True, bits=bits), tmp_path / FILE)
    (job,) = external_results.jobs_of([tmp_path / FILE])
    done = external_results.attempt(job, lambda: read(tmp_path / FILE), ImageData(lr), None)
    assert isinstance(done, Done) and done.result.shift == Shift(0.0, 2.0)
    image = done.result.image
    assert image.gray and image.bits == bits and image.alpha is not None
    assert image.alpha[30, 100] == pytest.approx(0.5, abs=0.01) and image.alpha[150, 100] == 1


def test_values_of_a_result_are_mapped_like_those_of_the_photo(hr: Image, lr: Image, theirs: Image) -> None:
    """The result has the range 0..600 and the photo 0..400, so that equal values have other levels."""
    (job,) = external_results.jobs_of([FILE])
    made = replace(image_of(theirs * np.float32(2 / 3)), values=Values(0.0, 600.0), bits=16)
    photo = ImageData(lr, values=Values(0.0, 400.0))
    done = external_results.attempt(job, lambda: made, photo, hr)
    assert isinstance(done, Done) and done.result.values == photo.values
    expected = result(image_of(theirs), lr, hr)
    assert done.result.scores.psnr_y == pytest.approx(expected.scores.psnr_y)
    assert done.result.scores.lr_consistency == pytest.approx(expected.scores.lr_consistency)
    assert "from different ranges" in refusal(made, lr, hr)


def test_a_region_is_cut_out_where_it_falls_on_whole_pixels(theirs: Image, lr: Image) -> None:
    cut = external_results.part(image_of(theirs), Size(60, 80), 10, 20, Size(30, 40))
    np.testing.assert_array_equal(cut.rgb, theirs[40:160, 80:240])
    assert result(cut, lr[10:40, 20:60]).shift == NONE
    odd = image_of(noise(150, 200))
    assert external_results.part(odd, Size(60, 80), 0, 0, Size(60, 80)) is odd
    with pytest.raises(BadInput, match="not a whole number of times those of the photo"):
        external_results.part(odd, Size(60, 80), 10, 20, Size(30, 40))


def test_files_of_one_name_are_numbered_and_five_are_too_many() -> None:
    jobs = external_results.jobs_of([Path("a/up.png"), Path("b/up.jpg"), Path("<b>?.png")])
    assert [job.title for job in jobs] == ["brought: up", "brought: up (2)", "brought: <b>?"]
    assert [job.file_name for job in jobs] == ["brought-up", "brought-up-2", "brought-_b__"]
    with pytest.raises(BadInput, match="At most 4 results"):
        external_results.jobs_of([Path(f"{n}.png") for n in range(5)])


def test_a_file_that_cannot_be_read_is_a_sentence(lr: Image, tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("just some text\n" * 20)
    (job,) = external_results.jobs_of([path])
    failed = external_results.attempt(job, lambda: read(path), ImageData(lr), None)
    assert isinstance(failed, Failed) and "not a picture but a text file" in failed.message


def test_table_report_and_chart_show_scores_and_no_costs(theirs: Image, lr: Image, hr: Image) -> None:
    made = fakes.good()
    ours = Runner().run(fakes.job(made), ImageData(lr), hr)
    results = [ours, result(image_of(theirs), lr, hr)]
    html = html_table(results)
    row = html[html.index("brought: theirs") :]
    assert row.count(">–</td>") == 8 and "by another tool; no shift was found" in row
    assert html.index('title="best"') > 0, "costs of ours alone are no best values"
    data = json.loads(report_json(Comparison("cat.png", Size(60, 80), "", results, ())))
    theirs_row = data["results"][1]
    assert (theirs_row["approach"], theirs_row["checkpoint"]) == ("brought", "theirs")
    assert theirs_row["psnr_y"] > 20 and theirs_row["seconds"] is theirs_row["licence"] is theirs_row["edge"] is None
    assert data["results"][0]["shift"] is None and data["results"][0]["seconds"] >= 0
    assert "brought: theirs" in page(Comparison("cat.png", Size(60, 80), "", results, ()))
    chart = quality_against_time([Point("ours", 0.5, 30.0), Point("brought: theirs", None, 28.0)], "PSNR-Y", "dB")
    assert "brought: theirs</b>" not in chart and "28.00 dB, time not known (dashed)" in chart
    assert chart.count('stroke-dasharray="6 4"') == 1 and "<b>ours</b>" in chart
    assert "<svg" in quality_against_time([Point("brought: theirs", None, 28.0)], "PSNR-Y", "dB")
