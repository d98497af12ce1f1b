"""The deployability report: everything is measured, and the conclusions follow from the measurements."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import EMBEDDED, Checkpoint
from sr_demo.cli.main import main
from sr_demo.deploy import report as deploy_report
from sr_demo.deploy.cross_check import Check, figures_of, line, resident
from sr_demo.deploy.csv_report import deploy_csv
from sr_demo.deploy.html_report import deploy_html
from sr_demo.deploy.measurement import Plan, measure, measure_in_subprocess, needs_another_run
from sr_demo.deploy.plots import latency_plot, memory_plot
from sr_demo.deploy.quality import false_detail, precisions, quality
from sr_demo.deploy.report import SCHEMA, budget_from, deploy, describe, embedded_jobs, judged, sizes
from sr_demo.deploy.timed_run import Subject
from sr_demo.errors import BadInput, Cancelled, SRError
from sr_demo.image import Image, ImageData, Size, readonly, write_png
from sr_demo.imaging.resize import downscale
from sr_demo.inference.jobs import Job, job_for
from sr_demo.inference.runner import Runner
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.reports.evaluation import pairs
from sr_demo.reports.verdicts import HERE, Budget, Verdict, commercial_use, seconds_for, verdict
from sr_demo.spec import Approach, Request, Upscaler
from tests.conftest import noise
from tests.fakes import Fake, good, upscaled

QUICK = Plan(sizes=(Size(16, 24), Size(32, 32)), seconds=0.0, quality=False)


def _job(approach: Approach) -> Job:
    return Job(approach, approach.checkpoints[0], approach.options())


def _load_crash(request: Request) -> Upscaler:
    os._exit(9)


def _load_refusing(request: Request) -> Upscaler:
    raise SRError("This network is too green. Choose another.")


def _load_hungry(request: Request) -> Upscaler:
    return Fake(_hungry)


def _hungry(image: Image, progress: Progress) -> Image:
    held = np.ones(60_000_000, np.uint8)
    time.sleep(0.03)
    return upscaled(image) if held[0] else image


def loading(load: Any, name: str) -> Approach:
    return replace(good(name), load=load, options=Options)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """A small one, made once, since processes take time: two that work, one that crashes, one that refuses."""
    made = (("hungry", _load_hungry), ("crash", _load_crash), ("refusing", _load_refusing))
    jobs = [_job(BICUBIC), *(_job(loading(load, name)) for name, load in made)]
    return deploy(jobs, replace(QUICK, quality=True), Budget())


def test_the_report_is_valid_by_the_schema(report: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    again = json.loads(json.dumps(report, allow_nan=False))
    jsonschema.validate(again, schema)
    del again["approaches"][0]["verdict"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(again, schema)


def test_a_crash_and_an_error_are_rows_of_the_report(report: dict[str, Any]) -> None:
    bicubic, hungry, crash, refusing = report["approaches"]
    assert bicubic["failed"] is None and hungry["measured"]["latency"][1]["width"] == 32
    assert crash["measured"] is None and "ended by the system (status 9)" in crash["failed"]
    assert refusing["failed"] == "This network is too green. Choose another."
    assert crash["verdict"]["level"] == "not measured"


def test_after_the_time_limit_the_finished_rows_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()

    def measured(job: Job, plan: Plan, progress: Progress) -> dict[str, Any]:
        monkeypatch.setattr(time, "monotonic", lambda: begun + 10)
        return row()["measured"]

    monkeypatch.setattr(deploy_report, "measure_in_subprocess", measured)
    jobs = [_job(good(name)) for name in ("first", "second", "third")]
    first, *others = deploy(jobs, QUICK, Budget(), Progress(deadline=begun + 5))["approaches"]
    assert first["failed"] is None and first["verdict"]["level"] == "fits"
    assert all("longer than one job may take" in other["failed"] for other in others)


def test_quality_of_bicubic_is_as_known(report: dict[str, Any]) -> None:
    bicubic = report["approaches"][0]["measured"]
    found = bicubic["quality"]
    assert bicubic["determinism"]["same_bits_twice"] and bicubic["determinism"]["psnr_to_fp32"] is None
    assert {p["picture"] for p in found["pictures"]} == {"chart", "cat", "text", "cells", "brick"}
    assert 20 < found["photos_mean"]["psnr_y"] < 40 and found["flat_field_error_levels"] < 0.01
    assert 0.5 < found["noise_gain"] < 1.0, "a smooth kernel softens noise"
    assert found["resolution"] == report["chart"]["bicubic"]
    assert found["saturated_error_levels"] < 2, "bicubic rings only near edges"
    assert bicubic["determinism"]["others"] == [] and bicubic["vram_peak_mb"] is None
    assert found["star"] == report["chart"]["bicubic_star"] != report["chart"]["truth_star"]
    assert report["chart"]["truth"]["finest_lines"] > 2 * report["chart"]["bicubic"]["finest_lines"]


def test_the_html_needs_no_other_file_and_escapes_names(report: dict[str, Any]) -> None:
    evil = json.loads(json.dumps(report))
    evil["approaches"][0]["title"] = "<script>alert(1)</script>"
    page = deploy_html(evil)
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "http://" not in page and "https://" not in page and not re.findall('src="(?!data:image/png;base64,)', page)
    assert "could not be measured: This network is too green." in page
    assert "More pixels is not more resolving power" in page and "<svg" in page


def test_another_scale_is_stated_and_not_compared(report: dict[str, Any]) -> None:
    """Twice as much is left of a picture that was made half as small: bicubic beats every network at x4 then."""
    mixed = json.loads(json.dumps(report))
    _, double = mixed["approaches"][:2]
    double |= {"title": "Mine, 2x", "scale": 2}
    double["measured"]["quality"]["resolution"]["finest_lines"] = 1000
    page, plain = deploy_html(mixed), deploy_html(report)
    assert "the best result resolves 1000" not in page and "Mine, 2x: " in page
    assert "made smaller by another factor: Mine, 2x." in page and "another factor" not in plain
    assert "enlarged as much as each method does" in page and "enlarged four times" in plain
    assert 'alt="Middle of the star: Mine, 2x"' not in page
    assert next(csv.DictReader(io.StringIO(deploy_csv(mixed))))["scale"] == "4"
    made = good("twice")
    twice = describe(_job(replace(made, checkpoints=(replace(made.checkpoints[0], scale=2),))))
    assert twice["scale"] == 2 and twice["title"].endswith(", 2x") and "x" not in describe(_job(made))["title"]


def test_the_csv_has_a_line_per_size_and_no_formulas(report: dict[str, Any]) -> None:
    evil = json.loads(json.dumps(report))
    evil["approaches"][1]["title"] = "=1+1"
    lines = list(csv.DictReader(io.StringIO(deploy_csv(evil))))
    assert [line["method"] for line in lines] == ["bicubic", "bicubic", "hungry", "hungry", "crash", "refusing"]
    assert lines[1]["width"] == "32" and float(lines[1]["psnr_y"]) > 20 and float(lines[1]["p95_seconds"]) > 0
    assert lines[2]["title"] == "'=1+1" and lines[4]["median_seconds"] == "" and "status 9" in lines[4]["reason"]


def test_false_detail_is_what_the_reference_does_not_have() -> None:
    reference = noise(96, 96)
    texture = np.random.default_rng(1).normal(0, 10 / 255, (96, 96, 1)).astype(np.float32)
    weaker = readonly(np.divide(reference, np.float32(2), dtype=np.float32) + np.float32(0.25))
    assert false_detail(reference, reference).max() < 0.6
    assert false_detail(weaker, reference).max() < 0.6, "lost contrast is nothing invented"
    blurred = readonly(np.asarray(cv2.GaussianBlur(reference, (0, 0), 1.7), np.float32))
    invented = readonly(np.clip(reference + texture, 0, 1))
    assert false_detail(blurred, reference).mean() < false_detail(invented, reference).mean() / 5, (
        "blur invents nothing"
    )
    assert 7 < false_detail(invented, reference).mean() < 10
    half = readonly(np.concatenate([reference[:48], invented[48:]]))
    assert false_detail(half, reference)[:36].max() < 0.6 < 5 < false_detail(half, reference)[60:].mean()


def test_pairs_of_the_user_are_scored_instead(tmp_path: Path) -> None:
    for folder, image in (("hr", noise(64, 48)), ("lr", downscale(noise(64, 48), 4))):
        (tmp_path / folder).mkdir()
        write_png(ImageData(image), tmp_path / folder / "mine.png")
    for lr in (None, tmp_path / "lr"):
        found = quality(Subject(Runner(), _job(BICUBIC)), pairs(tmp_path / "hr", lr, 4))
        assert [p["picture"] for p in found["pictures"]] == ["chart", "mine.png"]
        assert found["photos_mean"]["psnr_y"] == found["pictures"][1]["psnr_y"] > 15
        assert found["false_detail"]["picture"] == "mine.png"


def test_a_scale_that_does_not_divide_the_chart_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fakes.SCALE", 3)
    found = quality(Subject(Runner(), _job(replace(good("thrice"), scale=3))), ())
    assert len(found["pictures"]) == 5 and found["resolution"]["finest_lines"] > 0


def test_precisions_are_compared_with_fp32() -> None:
    approach = Approach(
        "net", "Net", "s", "a", "convolutional", _load_any, (Checkpoint("own", "own"),), tiling=BICUBIC.tiling
    )
    (other,) = precisions(Subject(Runner(), _job(approach)))["others"]
    assert other["precision"] == "bf16" and 25 < other["psnr_to_fp32"] < 80


def _load_any(request: Request) -> Upscaler:
    import torch
    from torch import nn

    from sr_demo.backends.torch_backend import NetworkUpscaler, choose_precision

    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 48, 3, padding=1), nn.PixelShuffle(4))
    precision = "fp32" if request.precision == "auto" else choose_precision(request.precision)
    return NetworkUpscaler(network, precision)


def test_plots_show_every_run_and_every_size(report: dict[str, Any]) -> None:
    rows = [row for row in report["approaches"] if row["measured"]]
    runs = sum(row["measured"]["latency"][1]["runs"] for row in rows)
    assert latency_plot(rows).count("<circle") == runs >= 6
    assert memory_plot(rows).count("<circle") == 4 and memory_plot(rows).count("<polyline") == 2


def test_gpu_memory_counts_where_there_is_a_gpu() -> None:
    here = row()
    here["measured"] |= {"vram_peak_mb": 700.0, "peak_over_idle_mb": 500.0}
    assert verdict(here, Budget()).level == "fits"
    tight = verdict(here, Budget(vram_mb=600))
    assert tight.level == "does not fit" and "it takes 700 MB of GPU memory, and 600 MB are allowed" in tight.sentence
    there = verdict(here, Budget(vram_mb=400, hardware="T4"))
    assert "500 MB of GPU memory (estimate)" in there.sentence


def test_memory_and_time_are_those_of_the_method(report: dict[str, Any]) -> None:
    facts = report["approaches"][1]["measured"]
    assert 55 < facts["peak_over_idle_mb"] < 120
    line = facts["latency"][0]
    assert line["runs"] >= 3 and line["median_seconds"] >= 0.03 and line["p95_seconds"] >= line["median_seconds"]
    assert line["megapixels_per_second"] == pytest.approx(24 * 16 * 16 / 1e6 / line["median_seconds"], rel=0.01)
    assert line["cpu_seconds_per_megapixel"] * 24 * 16 * 16 / 1e6 < line["median_seconds"], "sleeping is no work"


@pytest.mark.parametrize(
    ("seconds", "left", "more"),
    [
        ([], -5.0, True),  # one is always timed
        ([0.1], 10.0, True),
        ([0.1, 0.1, 0.1], 10.0, True),
        ([0.7, 0.7, 0.7], 10.0, False),  # two seconds are over
        ([0.7, 0.7], 0.6, False),  # patience is over
        ([9.0], 8.0, False),
        ([9.0, 9.0], 10.0, True),
        ([0.01] * 20, 10.0, False),
    ],
)
def test_slow_methods_are_timed_less_often(seconds: list[float], left: float, more: bool) -> None:
    assert needs_another_run(seconds, Plan(), left) is more


@pytest.mark.slow
def test_results_of_earlier_runs_are_not_counted_as_memory() -> None:
    large = replace(QUICK, sizes=(Size(256, 256),), seconds=60.0, most=12)
    facts = measure_in_subprocess(_job(BICUBIC), large)
    # A result takes 12.6 MB; upscaling and scoring it needs a few times as much.
    assert facts["latency"][0]["runs"] == 12 and facts["peak_over_idle_mb"] < 60


def test_stop_ends_the_measuring_process() -> None:
    def stop(fraction: float, note: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        measure_in_subprocess(_job(BICUBIC), QUICK, Progress(stop))


def test_counted_operations_of_a_network_are_those_of_its_weights() -> None:
    """A convolution at LR size uses each weight once per pixel."""
    approach = Approach(
        "net", "Net", "s", "a", "convolutional", _load_network, (Checkpoint("own", "own"),), tiling=BICUBIC.tiling
    )
    facts = measure(_job(approach), replace(QUICK, sizes=(Size(16, 16),)))
    assert facts["multiply_adds_per_pixel"] == {"value": 27 * 48, "how": "counted"}


def _load_network(request: Request) -> Upscaler:
    from torch import nn

    from sr_demo.backends.torch_backend import NetworkUpscaler

    return NetworkUpscaler(nn.Sequential(nn.Conv2d(3, 48, 3, padding=1), nn.PixelShuffle(4)), "fp32")


def row(**changes: Any) -> dict[str, Any]:
    """A measured row, easy to judge."""
    made = describe(_job(BICUBIC))
    lines = [
        {"width": side, "height": side, "median_seconds": seconds, "peak_growth_mb": 50.0}
        for side, seconds in ((64, 0.1), (128, 0.4), (256, 2.0))
    ]
    made["measured"] = {
        "peak_mb": 900.0, "peak_over_idle_mb": 700.0, "loaded_mb": 800.0, "vram_peak_mb": None, "latency": lines,
        "multiply_adds_per_pixel": {"value": 1e6, "how": "counted"},
    }  # fmt: skip
    return made | changes


def judge(budget: Budget, **changes: Any) -> Verdict:
    return verdict(row(**changes), budget)


def test_verdicts_follow_the_figures() -> None:
    assert judge(Budget()).level == "fits"
    small = judge(Budget(seconds=0.5))
    assert small.level == "fits with" and "at most 128 x 128 pixels" in small.sentence and "2.00 s" in small.sentence
    slow = judge(Budget(seconds=0.4))
    assert slow.level == "does not fit" and "takes 2.00 s for 256 x 256 pixels, and 0.40 s" in slow.sentence
    assert "(estimate)" not in slow.sentence
    tight = judge(Budget(memory_mb=800))
    assert tight.level == "does not fit" and "900 MB" in tight.sentence and "800 MB" in tight.sentence
    decisive = next(reason for reason in tight.reasons if reason.holds == "no")
    assert decisive.figure == 900.0 and decisive.source == "measured"


def test_figures_for_other_sizes_and_machines_are_marked_as_estimates() -> None:
    larger = judge(Budget(side=512, seconds=1))
    assert larger.level == "does not fit" and "8.00 s for 512 x 512 pixels (estimate)" in larger.sentence
    assert seconds_for(row(), 512, HERE) == (8.0, "estimate")
    there = judge(Budget(hardware="T4", seconds=0.01), family="convolutional")
    assert there.level == "fits" and there.reasons[0].source == "estimate"
    assert there.reasons[0].figure == pytest.approx(2 * 1e6 * 256**2 / 16e12)


@pytest.mark.parametrize(
    ("side", "peak", "mark"),
    [(64, 900.0, "measured"), (256, 900.0, "measured"), (272, 900.0, "estimate"), (512, 1000.0, "estimate"),
     (8192, 2800.0, "estimate")],
)  # fmt: skip
def test_memory_of_images_larger_than_all_that_were_measured_is_an_estimate(side: int, peak: float, mark: str) -> None:
    for hardware, source in ((HERE, mark), ("laptop", "estimate")):
        found = judge(Budget(side=side, memory_mb=850, hardware=hardware)).reasons[1]
        assert (found.figure, found.source, found.holds) == (peak, source, "no")
        assert ("(estimate)" in found.text) is (source == "estimate")
    gpu = row()
    gpu["measured"] |= {"vram_peak_mb": 100.0}
    on_gpu = verdict(gpu, Budget(side=512, vram_mb=300, seconds=100)).sentence
    assert "it takes 400 MB of GPU memory (estimate)" in on_gpu


def test_images_that_would_be_refused_do_not_fit() -> None:
    """bicubic is tiled into a file; a method that holds its whole result is limited by memory."""
    whole = replace(BICUBIC, tiling=replace(BICUBIC.tiling, bytes_per_result_pixel=100))
    side, tiled = describe(_job(whole))["largest_side"], describe(_job(BICUBIC))["largest_side"]
    assert tiled == 8192 and 16 * side**2 * 100 <= 1.2e9 and 300 < side < 900
    budget = Budget(side=1024, seconds=1000)
    assert judge(budget).level == "fits"
    found = judge(budget, largest_side=side)
    assert found.level == "does not fit" and f"at most {side} x {side} pixels" in found.sentence


@pytest.mark.parametrize("family", ["attention", "diffusion", "retrieval", "baseline"])
def test_only_convolutional_networks_are_estimated_by_their_operations(family: str) -> None:
    """0.5 s by its operations on two cores; 2 s were measured."""
    assert seconds_for(row(family="adversarial"), 256, "2 cores, 8 GB") == (
        pytest.approx(2e6 * 256**2 / 0.25e12),
        "estimate",
    )
    assert seconds_for(row(family=family), 256, "2 cores, 8 GB") == (2.0, "estimate")


def test_network_licence_and_invention_count() -> None:
    hub = {"kind": "hub", "bytes": 85_000_000, "sha256": []}
    assert judge(Budget(), files=hub).sentence == "fits with a file of 85 MB copied here once by hand"
    assert judge(Budget(offline=False), files=hub).level == "fits"
    assert "weights take 85 MB" in judge(Budget(disk_mb=50), files=hub).sentence
    closed = {"code": "Apache-2.0", "weights": "CC-BY-NC-4.0", "commercial": "no"}
    assert "forbids commercial use" in judge(Budget(commercial=True), licence=closed).sentence
    assert judge(Budget(), licence=closed).level == "fits"
    unknown = closed | {"weights": "Custom", "commercial": "ask"}
    assert "fits with permission, since" in judge(Budget(commercial=True), licence=unknown).sentence
    assert judge(Budget(measures=True), may_invent_detail=True).level == "does not fit"


@pytest.mark.parametrize(
    ("share", "generative", "allowed", "sentence"),
    [
        (46.4, True, 35, "does not fit, because the results will be used for measuring: 46 % of its detail is not in"),
        (46.4, True, 50, "fits with a check of each result, since it may invent detail (46 % of it on photos)"),
        (36.0, False, 35, "does not fit, because the results will be used for measuring: 36 %"),
        (30.0, False, 35, "fits"),
    ],
)
def test_measured_invention_counts_where_results_are_measured(
    share: float, generative: bool, allowed: int, sentence: str
) -> None:
    measured = row()["measured"] | {"quality": {"photos_mean": {"hallucination": share}}}
    budget = Budget(measures=True, invented_percent=allowed)
    assert judge(budget, measured=measured, may_invent_detail=generative).sentence.startswith(sentence)
    assert judge(Budget(), measured=measured, may_invent_detail=generative).level == "fits"


MEASURING = "the results will be used for measuring: "


@pytest.mark.parametrize(
    ("budget", "reasons"),
    [
        ({"missing_percent": 44}, [f"{MEASURING}45 % of the original's detail is missing"]),
        ({"consistency_db": 52}, [f"{MEASURING}its LR consistency is 51 dB"]),
        ({"consistency_db": 52, "invented_percent": 20}, [f"{MEASURING}30 %", "its LR consistency"]),
        ({"missing_percent": 45, "consistency_db": 51}, []),
    ],
)  # fmt: skip
def test_each_threshold_of_results_that_are_measured_can_be_set(budget: dict[str, object], reasons: list[str]) -> None:
    means = {"hallucination": 30.0, "omission": 45.0, "lr_consistency": 51.0}
    measured = row()["measured"] | {"quality": {"photos_mean": means}}
    found = judge(budget_from(budget | {"measures": "yes"}), measured=measured)
    refused = [reason.text for reason in found.reasons if reason.holds == "no"]
    assert len(refused) == len(reasons) and all(map(str.startswith, refused, reasons))
    assert judge(budget_from(budget), measured=measured).level == "fits", "only where results are measured"
    identical = row()["measured"] | {"quality": {"photos_mean": means | {"lr_consistency": None}}}
    assert judge(Budget(measures=True, consistency_db=100), measured=identical).level == "fits"


def test_an_image_without_detail_switches_off_no_threshold(tmp_path: Path) -> None:
    flat = readonly(np.full((64, 64, 3), 0.5, np.float32))
    for name, image in (("flat", flat), ("noise", noise(64, 64))):
        write_png(ImageData(image), tmp_path / f"{name}.png")
    means = quality(Subject(Runner(), _job(BICUBIC)), pairs(tmp_path, None, 4))["photos_mean"]
    assert means["hallucination"] is not None and means["omission"] > 1
    strict = Budget(measures=True, missing_percent=1)
    found = judge(strict, measured=row()["measured"] | {"quality": {"photos_mean": means}})
    assert "of the original's detail is missing" in found.sentence
    nothing_lost = {"hallucination": None, "omission": None, "lr_consistency": 20.0}
    found = judge(strict, measured=row()["measured"] | {"quality": {"photos_mean": nothing_lost}})
    assert "its LR consistency is 20 dB" in found.sentence


def test_a_report_can_be_judged_again_without_measuring(report: dict[str, Any]) -> None:
    strict = judged(report, Budget(seconds=0.01, side=8192))
    assert strict["approaches"][0]["verdict"]["level"] == "does not fit"
    assert report["approaches"][0]["verdict"]["level"] == "fits" and strict["budget"]["side"] == 8192


def test_arguments_are_checked() -> None:
    assert sizes(["64x48", "256X256"]) == (Size(48, 64), Size(256, 256))
    for text in ("64", "8x8", "axb", "9999x64", "-1x64", "64x64x64"):
        with pytest.raises(BadInput, match="--size"):
            sizes([text])
    assert budget_from({"seconds": "0.5", "offline": "no"}) == Budget(seconds=0.5, offline=False)
    with pytest.raises(BadInput, match="must be one of"):
        budget_from({"hardware": "abacus"})


def test_without_names_everything_that_needs_no_download_is_measured() -> None:
    assert [job.key for job in embedded_jobs((BICUBIC, good()))] == ["bicubic", "good"]


@pytest.mark.parametrize(
    ("seconds", "peak", "holds"),
    [(0.2, 500.0, True), (0.229, 549.0, True), (0.231, 500.0, False), (0.169, 500.0, False), (0.2, 551.0, False)],
)  # fmt: skip
def test_the_cross_check_applies_its_bounds(seconds: float, peak: float, holds: bool) -> None:
    ours = figures_of([[seconds, 9.0], [seconds]], [peak], 80.0)
    assert (ours.seconds, ours.over_idle_mb, ours.runs) == (seconds, peak - 80, 3)
    found = Check("x", ours, figures_of([[0.2]], [500.0], 80.0))
    assert found.holds is holds and ("OUT OF BOUNDS" in line(found)) is not holds


def test_memory_is_read_from_the_output_of_time() -> None:
    assert resident("\tCommand being timed: x\n\tMaximum resident set size (kbytes): 732776\n\tPage size: 1") == 732776
    with pytest.raises(SRError, match="package `time`"):
        resident("real 0.1")


def test_the_teacher_of_a_network_is_stated_with_its_licence() -> None:
    compact = describe(job_for(APPROACHES, "real-esrgan:compact"))
    assert compact["training_data"].endswith("; teacher real-esrgan:x4plus (BSD-3-Clause)")
    assert "teacher" not in describe(job_for(APPROACHES, "espcn"))["training_data"]


def test_the_licence_of_a_file_is_the_one_that_the_user_states(monkeypatch: pytest.MonkeyPatch) -> None:
    path, stated = EMBEDDED / "espcn-x4.safetensors", list[str]()

    def note(jobs: list[Job], *rest: object) -> dict[str, Any]:
        stated.append(jobs[0].checkpoint.licence)
        assert describe(jobs[0])["training_data"] == "not known here: a file of yours"
        return {"approaches": []}

    monkeypatch.setattr(deploy_report, "deploy", note)
    assert main(["deploy", "--model", str(path)]) == 0
    assert main(["deploy", "--model", str(path), "--licence", "MIT"]) == 0
    assert stated == ["not stated", "MIT, stated by you"]
    assert [commercial_use(licence) for licence in stated] == ["ask", "yes"]
    assert main(["deploy", "espcn", "--licence", "MIT"]) == 2
