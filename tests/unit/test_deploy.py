"""The deployability report: what it measures is there, what it concludes follows from it."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from sr_demo.approaches.baselines import BICUBIC, LANCZOS
from sr_demo.errors import BadInput, Cancelled, SRError
from sr_demo.image import Image
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.reports.deploy import SCHEMA, budget_from, deploy, describe, embedded_jobs, judged, sizes
from sr_demo.reports.deploy_html import deploy_html
from sr_demo.reports.deploy_measure import Plan, measure, measure_apart
from sr_demo.reports.verdicts import HERE, Budget, Verdict, seconds_for, verdict
from sr_demo.runner import Job
from sr_demo.spec import Approach, Checkpoint, Request, Upscaler
from tests.fakes import Fake, enlarged, good

QUICK = Plan(sizes=((24, 16), (32, 32)), seconds=0.0, quality=False)


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
    return enlarged(image) if held[0] else image


def loading(load: Any, name: str) -> Approach:
    return replace(good(name), load=load, options=Options)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """A small one, made once: two that work, one that crashes, one that refuses."""
    jobs = [_job(a) for a in (BICUBIC, LANCZOS, loading(_load_crash, "crash"), loading(_load_refusing, "refusing"))]
    return deploy(jobs, replace(QUICK, quality=True), Budget())


def test_the_report_is_valid_by_the_schema(report: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    again = json.loads(json.dumps(report, allow_nan=False))
    jsonschema.validate(again, schema)
    del again["approaches"][0]["verdict"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(again, schema)


def test_a_crash_and_a_refusal_are_rows(report: dict[str, Any]) -> None:
    bicubic, lanczos, crash, refusing = report["approaches"]
    assert bicubic["failed"] is None and lanczos["measured"]["latency"][1]["width"] == 32
    assert crash["measured"] is None and "ended by the system (status 9)" in crash["failed"]
    assert refusing["failed"] == "This network is too green. Choose another."
    assert crash["verdict"]["level"] == "not measured"


def test_quality_says_what_is_true_of_bicubic(report: dict[str, Any]) -> None:
    bicubic = report["approaches"][0]["measured"]
    found = bicubic["quality"]
    assert bicubic["determinism"]["same_bits_twice"] and bicubic["determinism"]["psnr_to_fp32"] is None
    assert {p["picture"] for p in found["pictures"]} == {"chart", "cat", "text", "cells", "brick"}
    assert 20 < found["photos_mean"]["psnr_y"] < 40 and found["flat_field_error_levels"] < 0.01
    assert 0.5 < found["noise_gain"] < 1.0, "a smooth kernel softens noise"
    assert found["resolution"] == report["chart"]["bicubic"]
    assert report["chart"]["truth"]["finest_lines"] > 2 * report["chart"]["bicubic"]["finest_lines"]


def test_the_page_stands_alone_and_escapes(report: dict[str, Any]) -> None:
    evil = json.loads(json.dumps(report))
    evil["approaches"][0]["title"] = "<script>alert(1)</script>"
    page = deploy_html(evil)
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "http://" not in page and "https://" not in page and "src=" not in page
    assert "could not be measured: This network is too green." in page
    assert "More pixels is not more resolving power" in page and "<svg" in page


def test_memory_and_time_are_those_of_the_work() -> None:
    facts = measure_apart(_job(loading(_load_hungry, "hungry")), QUICK)
    assert 55 < facts["peak_over_idle_mb"] < 120
    line = facts["latency"][0]
    assert line["runs"] >= 3 and line["median_seconds"] >= 0.03 and line["p95_seconds"] >= line["median_seconds"]
    assert line["megapixels_per_second"] == pytest.approx(24 * 16 * 16 / 1e6 / line["median_seconds"], rel=0.01)
    assert line["cpu_seconds_per_megapixel"] * 24 * 16 * 16 / 1e6 < line["median_seconds"], "sleeping is no work"


def test_results_of_earlier_runs_are_not_counted_as_memory() -> None:
    large = replace(QUICK, sizes=((256, 256),), seconds=60.0, most=12)
    facts = measure_apart(_job(BICUBIC), large)
    # A result takes 12.6 MB; enlarging and scoring it needs a few times as much.
    assert facts["latency"][0]["runs"] == 12 and facts["peak_over_idle_mb"] < 110


def test_stop_ends_the_process() -> None:
    def stop(fraction: float, note: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        measure_apart(_job(BICUBIC), QUICK, Progress(stop))


def test_counted_operations_of_a_network_are_those_of_its_weights() -> None:
    """A convolution at LR size uses each weight once per pixel."""
    approach = Approach(
        "net", "Net", "s", "a", "convolutional", _load_network, (Checkpoint("own", "own"),), tiling=BICUBIC.tiling
    )
    facts = measure(_job(approach), replace(QUICK, sizes=((16, 16),)))
    assert facts["multiply_adds_per_pixel"] == {"value": 27 * 48, "how": "counted"}


def _load_network(request: Request) -> Upscaler:
    from torch import nn

    from sr_demo.torch_runtime import NetworkUpscaler

    return NetworkUpscaler(nn.Sequential(nn.Conv2d(3, 48, 3, padding=1), nn.PixelShuffle(4)), "fp32")


def row(**changes: Any) -> dict[str, Any]:
    """A measured row, easy to judge."""
    made = describe(_job(BICUBIC))
    lines = [
        {"width": side, "height": side, "median_seconds": seconds}
        for side, seconds in ((64, 0.1), (128, 0.4), (256, 2.0))
    ]
    made["measured"] = {
        "peak_mb": 900.0, "latency": lines, "multiply_adds_per_pixel": {"value": 1e6, "how": "counted"},
    }  # fmt: skip
    return made | changes


def judge(budget: Budget, **changes: Any) -> Verdict:
    return verdict(row(**changes), budget)


def test_what_fits_and_what_does_not_follows_the_figures() -> None:
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
    assert seconds_for(row()["measured"], 512, HERE) == (8.0, "estimate")
    there = judge(Budget(hardware="T4", seconds=0.01))
    assert there.level == "fits" and there.reasons[0].source == "estimate"
    assert there.reasons[0].figure == pytest.approx(2 * 1e6 * 256**2 / 16e12)


def test_network_licence_and_invention_count() -> None:
    hub = {"kind": "hub", "bytes": 85_000_000, "sha256": []}
    assert judge(Budget(), files=hub).sentence == "fits with a file of 85 MB brought in once by hand"
    assert judge(Budget(offline=False), files=hub).level == "fits"
    assert "weights take 85 MB" in judge(Budget(disk_mb=50), files=hub).sentence
    closed = {"code": "Apache-2.0", "weights": "CC-BY-NC-4.0", "commercial": "no"}
    assert "forbids commercial use" in judge(Budget(commercial=True), licence=closed).sentence
    assert judge(Budget(), licence=closed).level == "fits"
    unknown = closed | {"weights": "Custom", "commercial": "ask"}
    assert "permission asked for first" in judge(Budget(commercial=True), licence=unknown).sentence
    assert judge(Budget(measures=True), may_invent_detail=True).level == "does not fit"


def test_a_report_can_be_judged_again_without_measuring(report: dict[str, Any]) -> None:
    strict = judged(report, Budget(seconds=0.01, side=8192))
    assert strict["approaches"][0]["verdict"]["level"] == "does not fit"
    assert report["approaches"][0]["verdict"]["level"] == "fits" and strict["budget"]["side"] == 8192


def test_arguments_are_checked() -> None:
    assert sizes(["64x48", "256X256"]) == ((64, 48), (256, 256))
    for text in ("64", "8x8", "axb", "9999x64", "-1x64", "64x64x64"):
        with pytest.raises(BadInput, match="--size"):
            sizes([text])
    assert budget_from({"seconds": "0.5", "offline": "no"}) == Budget(seconds=0.5, offline=False)
    with pytest.raises(BadInput, match="must be one of"):
        budget_from({"hardware": "abacus"})


def test_without_names_all_that_needs_no_download_is_taken() -> None:
    assert [job.key for job in embedded_jobs((BICUBIC, good()))] == ["bicubic", "good"]


def test_the_schema_travels_with_the_package() -> None:
    project = Path(__file__).resolve().parents[2] / "pyproject.toml"
    assert SCHEMA.is_file() and '"sr_demo.reports" = ["*.json"]' in project.read_text()
