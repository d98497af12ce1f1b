"""Tables, charts, texts and the reports to download, from results made by hand."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import replace
from itertools import combinations
from math import inf
from pathlib import Path

import pytest

import sr_demo
from sr_demo.checkpoint import Checkpoint, WeightFile
from sr_demo.errors import StorageError
from sr_demo.inference.jobs import Job
from sr_demo.metrics.scores import COLUMNS, LR_CONSISTENCY, PSNR_Y, SSIM_Y, Scores
from sr_demo.reports import formatting
from sr_demo.reports.bundle import Comparison, report_json, write_downloads
from sr_demo.reports.scatter_chart import Point, front, quality_against_time
from sr_demo.reports.table import fields, html_table, record
from sr_demo.system.file_sizes import file_size
from tests import fakes
from tests.comparisons import GOOD, NASTY, Page, comparison_in, result


def rows(html: str) -> list[list[str]]:
    """The text of the table's cells, body only, without tags."""
    found: list[list[str]] = []
    for row in re.findall(r"<tr>(.*?)</tr>", html.partition("<tbody>")[2].partition("</tbody>")[0]):
        found.append([re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)])
    return found


def titles(html: str) -> list[str]:
    return re.findall(r"<th scope=\"col\"[^>]*><button[^>]*>([^<]*)</button>", html)


# --- table ----------------------------------------------------------------------------------------------------------


def test_the_best_of_each_column_is_marked() -> None:
    html = html_table([
        result("a", Scores(30.0, 0.90, 29.0, 41.0), seconds=2.0, peak_memory_mb=9.0),
        result("b", Scores(31.0, 0.80, 28.0, 39.0), seconds=0.5, peak_memory_mb=90.0),
    ])  # fmt: skip
    first, second = rows(html)
    marked = lambda row: [title for title, cell in zip(titles(html), row, strict=True) if "★" in cell]  # noqa: E731
    assert marked(first) == ["SSIM-Y", "PSNR-RGB", "Peak memory"]
    assert marked(second) == ["PSNR-Y", "Seconds"]


def test_a_measure_whose_weights_are_missing_is_not_here_and_null() -> None:
    scored = result(scores=GOOD)
    assert {"LPIPS", "DISTS", "FLIP"} <= {field.title for part in fields([scored]) for field in part}
    assert "not here" in html_table([scored]) and record(scored)["lpips"] is None
    assert "LPIPS" not in html_table([result(scores=Scores(lr_consistency=33.0))])


def test_four_columns_are_shown_at_first_those_that_matter_with_and_without_a_reference() -> None:
    for scores, expected in (
        (GOOD, ["PSNR-Y", "SSIM-Y", "Seconds", "Invents detail"]),
        (Scores(lr_consistency=33.0, niqe=5.0), [LR_CONSISTENCY.title, "Seconds", "Invents detail", "Licence"]),
    ):
        html = html_table([result(scores=scores)])
        shown = re.findall(
            r'<th scope="col" aria-sort="none"(?: data-column="\w+")?><button[^>]*>([^<]*)</button>', html
        )
        assert shown == ["Method", *expected]
        assert len(titles(html)) > len(shown) and 'type="checkbox"' in html


def test_no_star_on_scores_that_a_worse_result_can_win() -> None:
    scores = (Scores(lr_consistency=33.0, niqe=5.0), Scores(lr_consistency=44.0, niqe=3.0))
    html = html_table([
        result("a", scores[0], seconds=1.0, peak_memory_mb=9.0), result("b", scores[1], seconds=2.0, peak_memory_mb=90.0),
    ])  # fmt: skip
    starred = {title for row in rows(html) for title, cell in zip(titles(html), row, strict=True) if "★" in cell}
    assert starred == {"Seconds", "Peak memory"}


def test_a_single_result_has_no_best_values() -> None:
    assert "★" not in "".join(rows(html_table([result()]))[0])


def test_equal_results_share_the_mark() -> None:
    html = html_table([result("a"), result("b"), result("c", replace(GOOD, psnr_y=29.0))])
    assert [row[1] for row in rows(html)] == ["★ 30.00 dB", "★ 30.00 dB", "29.00 dB"]


def test_a_value_that_all_results_have_is_not_marked() -> None:
    html = html_table([result("a"), result("b")])
    assert not any("★" in cell for row in rows(html) for cell in row)


def test_without_a_reference_there_is_no_psnr() -> None:
    html = html_table([result(scores=Scores(lr_consistency=33.0))])
    assert "PSNR-Y" not in titles(html) and "SSIM-Y" not in titles(html)
    assert LR_CONSISTENCY.title in titles(html)


def test_cells_carry_the_numbers_that_the_page_sorts_by() -> None:
    html = html_table([result(scores=Scores(inf, 1.0, inf, 9.5)), result(seconds=120.0)])
    keys = re.findall(r'data-sort="([^"]*)"', html)
    assert keys[0] == "inf" and "120.0" in keys and "9.5" in keys
    assert all(re.fullmatch(r"inf|\d+\.\d+(e[+-]\d+)?", key) for key in keys), "the page's script reads these"
    licence = rows(html)[0][titles(html).index("Licence")]
    assert licence == "none needed" and "120 s" not in html


def test_every_column_is_explained_in_a_sentence() -> None:
    html = html_table([result()])
    page = Page(html)
    explained = [attributes["title"] for tag, attributes in page.tags if tag == "button" and "title" in attributes]
    assert len(explained) == len(titles(html)) - 1
    assert all(text and text.endswith(".") and page.text.count(text) == 1 for text in explained)


def test_names_are_escaped() -> None:
    odd = replace(fakes.good(), title=NASTY)
    odd_checkpoint = Checkpoint("two", NASTY, licence=NASTY)
    html = html_table([result(approach=replace(odd, checkpoints=(odd.checkpoints[0], odd_checkpoint)),
                              checkpoint=odd_checkpoint)])  # fmt: skip
    page = Page(html)
    assert "script" not in [tag for tag, _ in page.tags]
    assert page.text.count(NASTY) == 3


def test_no_results_make_no_table() -> None:
    assert html_table([]) == ""


def test_a_record_is_json_and_holds_what_changes_the_numbers() -> None:
    file = WeightFile("net.pth", "a" * 64, 1000, ("a/b:net.pth",))
    made = record(result(scores=Scores(inf, 1.0, 31.23456, None), checkpoint=Checkpoint("x", "X", (file,), "MIT", 7)))
    made = json.loads(json.dumps(made))
    assert made["psnr_y"] == "identical" and made["psnr_rgb"] == 31.2346 and made["lr_consistency"] is None
    assert (made["precision"], made["tile"], made["tiles"], made["halo"]) == ("bf16", 64, 6, 24)
    assert made["sha256"] == ["a" * 64] and made["bytes"] == 1000 and made["licence"] == "MIT"
    assert made["options"] == {"strength": 0.5, "steps": 3} and made["may_invent_detail"] is False
    assert (made["width"], made["height"]) == (12, 8)


# --- texts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.314, "0.31 s"),
        (0.0049, "under 0.01 s"),
        (0.0051, "0.01 s"),
        (0.999, "1.0 s"),
        (9.96, "10 s"),
        (12.3, "12 s"),
        (99.7, "2 min"),
        (185, "3 min"),
    ],
)
def test_seconds(value: float, text: str) -> None:
    assert formatting.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "–"),
        (12, "1 kB"),
        (49_400, "49 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_234_567, "1.2 MB"),
        (9_940_000, "9.9 MB"),
        (67e6, "67 MB"),
        (2.66e9, "2.7 GB"),
    ],
)
def test_sizes_of_files(value: float, text: str) -> None:
    assert file_size(value) == text


def test_all_sizes_of_files_that_people_read_come_from_one_function() -> None:
    """Small files had "0.0 MB". Limits, and what is downloaded up to them, are large and in MB throughout."""
    found = [
        f"{path.name}: {line.strip()}"
        for path in sorted(Path(sr_demo.__file__).parent.rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"(bytes|st_size)\S* / 1e6:.*MB", line) and not re.search("downloading|accepted", line)
    ]
    assert found == []


@pytest.mark.parametrize(("value", "text"), [(0.0, "under 1 MB"), (0.99, "under 1 MB"), (1.26, "1.3 MB")])
def test_memory(value: float, text: str) -> None:
    assert formatting.memory(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "–"), (621_424, "621 k"), (999_999, "1.0 M"), (20_772_507, "20.8 M"), (2_700_000_000, "2.7 billion")],
)
def test_parameters(value: int, text: str) -> None:
    assert formatting.parameters(value) == text


def test_scores_have_units_and_an_infinite_psnr_is_called_identical() -> None:
    assert formatting.measure(PSNR_Y, 28.426) == "28.43 dB"
    assert formatting.measure(SSIM_Y, 0.81) == "0.8100"
    assert formatting.measure(PSNR_Y, inf) == "identical"
    assert formatting.measure(PSNR_Y, None) == "–"
    assert formatting.scores_line(GOOD) == "30.00 dB   SSIM 0.9000"
    assert formatting.scores_line(Scores(lr_consistency=33.0)) == "LR consistency 33.00 dB"


def test_backend_precision_and_tiles_are_described() -> None:
    assert formatting.how(result()) == "bf16, 6 tiles 64 px wide, halo 24 px"
    assert formatting.how(replace(result(), tiles=1, tile=0, halo=0)) == "bf16, no tiles"


def test_the_label_of_a_method_states_its_cost() -> None:
    file = WeightFile("net.pth", "a" * 64, 67_000_000, ("a/b:net.pth",))
    made = fakes.good()
    far = Job(made, Checkpoint("x", "large", (file,), "MIT", note="Better."), made.options())
    name, costs = formatting.method_label(far, 12.0, here=False).splitlines()
    assert name == "Good (large) · 12 s"
    assert costs == "Better. · 67 MB, downloaded once · MIT"
    plain = Job(made, made.checkpoints[0], made.options())
    name, costs = formatting.method_label(plain, 0.01, here=True).splitlines()
    assert (name, costs) == ("Good · 0.01 s", "made for tests")


# --- chart ----------------------------------------------------------------------------------------------------------


def rings(html: str) -> list[tuple[float, float]]:
    """The places of the numbered dots, in the order of their points."""
    found = re.findall(r'<circle cx="([\d.-]+)" cy="([\d.-]+)" r="10"', html)
    return [(float(x), float(y)) for x, y in found]


def test_better_points_are_higher_and_slower_ones_further_right() -> None:
    html = quality_against_time([Point("fast", 0.02, 28.4), Point("slow", 40.0, 32.1)], "PSNR-Y", "dB")
    fast, slow = rings(html)
    assert fast[0] < slow[0] and fast[1] > slow[1]
    assert [re.sub("<[^>]+>", "", entry) for entry in re.findall("<li>(.*?)</li>", html)] == [
        "fast: 28.40 dB, 0.02 s", "slow: 32.10 dB, 40 s",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "points",
    [
        [Point("only", 1.0, 30.0)],
        [Point("low", 0.001, 5.0), Point("high", 5000.0, 95.0)],
        [Point(f"number {n}", 0.01, 20.0) for n in range(20)],
        [Point(f"number {n}", 9.0 + n / 10, 27.0 + n / 50) for n in range(20)],
    ],
    ids=["one", "wide", "equal", "crowded"],
)
def test_twenty_dots_lie_inside_and_not_on_each_other(points: list[Point]) -> None:
    placed = rings(quality_against_time(points, "PSNR-Y", "dB"))
    assert len(placed) == len(points)
    assert all(10 <= x <= 430 and 10 <= y <= 252 for x, y in placed)
    for (x1, y1), (x2, y2) in combinations(placed, 2):
        assert (x1 - x2) ** 2 + (y1 - y2) ** 2 > 20**2, "two dots overlap"


def test_the_line_joins_those_that_nothing_beats_in_both() -> None:
    slow, fast, beaten = Point("slow", 9.0, 32.0), Point("fast", 0.1, 28.0), Point("beaten", 9.5, 31.0)
    assert front([slow, fast, beaten]) == [fast, slow]
    assert "<b>slow</b>" in quality_against_time([slow, beaten], "PSNR-Y", "dB")
    consistency = quality_against_time([slow, beaten], "LR consistency", "dB", ranks=False)
    assert "<b>" not in consistency, "agreement with the photo ranks nothing"


def test_a_label_is_escaped_and_the_chart_has_a_name() -> None:
    html = quality_against_time([Point("<i>&", 1.0, 30.0)], "PSNR-Y", "dB")
    assert "&lt;i&gt;&amp;" in html and "<i>" not in html
    assert 'role="img" aria-label="PSNR-Y against seconds' in html


# --- reports to download ------------------------------------------------------------------------------------------


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    return comparison_in(tmp_path)


def test_the_zip_contains_all_images_and_both_reports(comparison: Comparison, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<p>The page.</p>", encoding="utf-8")
    files = write_downloads(comparison, page, tmp_path)
    with zipfile.ZipFile(files["zip"]) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == [
            "rdn.png", "real-esrgan-compact.png", "report.html", "report.json", "truth.png",
        ]  # fmt: skip
        for image in comparison.images:
            assert archive.read(image.path.name) == image.path.read_bytes()
        assert archive.read("report.html") == page.read_bytes() and files["html"] == page
        data = json.loads(archive.read("report.json"))
    assert [entry["approach"] for entry in data["results"]] == ["rdn", "real-esrgan"]
    assert not list(tmp_path.glob(".*.part"))


def test_the_json_report_states_identical_results_and_failures(comparison: Comparison) -> None:
    data = json.loads(report_json(comparison))
    assert data["results"][1]["psnr_y"] == "identical"
    assert data["failures"] == [{"title": "HAT", "message": f"could not read {NASTY}"}]
    assert set(data["conventions"]) == {column.key for column in COLUMNS}
    assert data["input"] == {"name": NASTY, "width": 4, "height": 4}
    assert data["machine"]["cores"] >= 1


def test_a_failed_zip_raises_one_sentence_and_leaves_no_file(comparison: Comparison, tmp_path: Path) -> None:
    comparison.images[1].path.unlink()
    page = tmp_path / "report.html"
    page.touch()
    with pytest.raises(StorageError, match="could not be saved"):
        write_downloads(comparison, page, tmp_path)
    assert not list(tmp_path.glob("*.zip")) and not list(tmp_path.glob(".*.part"))
