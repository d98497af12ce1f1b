"""Networks run in int8 without a request where that ships and is faster here: at once, without nncf, and on record."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

pytest.importorskip("openvino")

from sr_demo.backends import openvino_backend, selection, shipped_int8
from sr_demo.backends.openvino_backend import ConvertedNetwork
from sr_demo.backends.selection import BackendVerdict
from sr_demo.catalogue import APPROACHES
from sr_demo.errors import Cancelled, TookTooLong
from sr_demo.image import Image
from sr_demo.inference import default_int8, time_estimates
from sr_demo.inference.jobs import Job, is_prepared, job_for
from sr_demo.inference.runner import Runner
from sr_demo.progress import Progress
from sr_demo.reports import formatting
from sr_demo.reports.catalogue_listing import describe
from sr_demo.reports.table import record
from sr_demo.spec import ModelIdentity
from sr_demo.system import hardware
from tests.conftest import image_of, noise

ROOT = Path(__file__).resolve().parents[2]
NAME = "espcn"
"""The smallest network."""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, int8_by_default: None) -> Job:
    """A job whose network was never opened on this machine."""
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path))
    return job_for(APPROACHES, NAME)


def shipped(job: Job) -> shipped_int8.ShippedInt8:
    found = shipped_int8.by_default(job.identity)
    assert found is not None
    return found


def timed(monkeypatch: pytest.MonkeyPatch, *, int8_wins: bool, calls: list[float] | None = None) -> None:
    """Replace the timing, which depends on the machine."""

    def faster(first: object, candidate: object, least_agreement: float, check: object) -> BackendVerdict:
        if calls is not None:
            calls.append(least_agreement)
        precision = "int8" if int8_wins else openvino_backend.fast_precision()
        return BackendVerdict("OpenVINO", precision, 0.25, 0.5, 50.0)

    monkeypatch.setattr(selection, "compare_speed", faster)


def test_without_nncf_or_torch_an_embedded_network_runs_in_int8_on_first_use(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['nncf'] = sys.modules['torch'] = None;"
        "import json, numpy as np; from sr_demo.backends import selection;"
        "selection.compare_speed = lambda *_: selection.BackendVerdict('OpenVINO', 'int8', 0.1, 0.2, 50.0);"
        "import sr_demo; from sr_demo.reports.table import record;"
        f"result = sr_demo.upscale(np.full((12, 9, 3), 0.5, np.float32), {NAME!r});"
        "print(json.dumps(record(result)))"
    )
    environment = {**os.environ, "SR_DEMO_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=environment, check=True
    )
    found = json.loads(done.stdout)
    assert (found["precision"], found["engine"], found["width"]) == ("int8", "OpenVINO", 36)  # words: ok
    assert isinstance(found["precision_loss_db"], float)


def test_the_faster_precision_is_measured_once_and_reported_with_its_loss(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[float] = []
    timed(monkeypatch, int8_wins=True, calls=calls)
    runner, image = Runner(), image_of(noise(20, 30))
    first = runner.run(job, image)
    assert (first.backend, first.precision, first.loss_db) == ("OpenVINO", "int8", shipped(job).loss_db)
    assert f"int8 ({0.0 - shipped(job).loss_db:+.2f} dB)" in formatting.how(first)
    assert record(first)["precision_loss_db"] == pytest.approx(shipped(job).loss_db, abs=1e-4)
    again = Runner().run(job, image)
    np.testing.assert_array_equal(again.image.rgb, first.image.rgb)
    assert calls == [shipped(job).agreement - 3], "the second process opens what the first one chose"
    wanted = Runner().run(replace(job, precision="int8"), image)
    np.testing.assert_array_equal(wanted.image.rgb, first.image.rgb)


def test_where_int8_is_not_faster_the_network_runs_in_the_fast_precision_at_once(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(monkeypatch, int8_wins=False)
    for _ in range(2):
        result = Runner().run(job, image_of(noise(9, 9)))
        assert (result.backend, result.precision) == ("OpenVINO", openvino_backend.fast_precision())
        assert result.loss_db is None


def test_a_timing_that_other_programs_disturbed_is_repeated_in_the_next_process(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts = [
        BackendVerdict("OpenVINO", openvino_backend.fast_precision(), 0.25, 0.5, 50.0, settled=False),
        BackendVerdict("OpenVINO", "int8", 0.25, 0.5, 50.0),
    ]

    def faster(first: object, candidate: object, least_agreement: float, check: object) -> BackendVerdict:
        return verdicts.pop(0)

    monkeypatch.setattr(selection, "compare_speed", faster)
    for precision in (openvino_backend.fast_precision(), "int8", "int8"):
        assert Runner().run(job, image_of(noise(9, 9))).precision == precision
    assert not verdicts


@pytest.mark.parametrize("int8_wins", [True, False])
def test_the_network_that_won_is_used_as_it_was_opened_for_the_timing(
    job: Job, monkeypatch: pytest.MonkeyPatch, int8_wins: bool
) -> None:
    timed(monkeypatch, int8_wins=int8_wins)
    opened: list[str] = []
    original = openvino_backend.ConvertedNetwork.__init__

    def counted(self: ConvertedNetwork, folder: Path, precision: str, scale: int, **more: Any) -> None:
        opened.append(precision)
        original(self, folder, precision, scale, **more)

    monkeypatch.setattr(openvino_backend.ConvertedNetwork, "__init__", counted)
    result = Runner().run(job, image_of(noise(9, 9)))
    assert result.precision == ("int8" if int8_wins else openvino_backend.fast_precision())
    assert sorted(opened) == sorted([openvino_backend.fast_precision(), "int8"])


def test_stop_ends_the_timing_and_leaves_no_verdict(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[object] = []
    stop = Event()
    original = openvino_backend.ConvertedNetwork.upscale

    def upscale(self: ConvertedNetwork, *arguments: Any) -> Image:
        runs.append(self)
        stop.set()
        return original(self, *arguments)

    monkeypatch.setattr(openvino_backend.ConvertedNetwork, "upscale", upscale)
    with pytest.raises(Cancelled):
        Runner().run(job, image_of(noise(9, 9)), progress=Progress(stop=stop))
    which = selection.converted_files(job.identity)
    assert len(runs) == 1 and which is not None and selection.stored_verdict(which) is None


@pytest.mark.parametrize("ended_by", [Cancelled(), TookTooLong()])
def test_a_timing_that_ended_early_decides_nothing_and_its_networks_are_used_by_the_next_request(
    job: Job, monkeypatch: pytest.MonkeyPatch, ended_by: Exception
) -> None:
    def ended(*_: object) -> BackendVerdict:
        raise ended_by

    runner, image = Runner(), image_of(noise(9, 9))
    with monkeypatch.context() as patched:
        patched.setattr(selection, "compare_speed", ended)
        with pytest.raises(type(ended_by)):
            runner.run(job, image)
    timed(monkeypatch, int8_wins=True)
    monkeypatch.setattr(default_int8, "_both_opened", lambda *_: pytest.fail("compiled again"))
    assert runner.run(job, image).precision == "int8"


def test_what_is_timed_here_gives_the_first_estimate(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    timed(monkeypatch, int8_wins=True)
    runner = Runner()
    runner.warm(job)
    assert runner.estimates.seconds(job, (96, 96), again=True) == pytest.approx(0.25)


def test_the_estimate_before_the_first_run_is_that_of_the_backend_that_will_run_it(job: Job) -> None:
    card = next(timing for timing in job.checkpoint.timings if timing.backend == "OpenVINO")
    scaled = card.scaled(card.threads / time_estimates.threads())
    found = Runner().estimates.seconds(job, (1000, 1000), again=True)
    assert found == pytest.approx(scaled.seconds(1e6, again=True), rel=0.4)  # tiles have halos
    assert is_prepared(job) and not is_prepared(replace(job, precision="fp32"))


def test_a_result_that_differs_here_more_than_where_it_was_quantized_is_not_taken(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def agreement(one: Image, other: Image) -> float:
        return shipped(job).agreement - 3.1

    monkeypatch.setattr(selection, "float_psnr", agreement)
    assert Runner().run(job, image_of(noise(9, 9))).precision == openvino_backend.fast_precision()


def test_a_damaged_file_leaves_the_network_to_torch_with_a_line_in_the_log(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / shipped(job).file
    file.write_bytes((shipped_int8.FOLDER / file.name).read_bytes()[:-100])
    form = replace(shipped(job), file=str(file))

    def by_default(model: ModelIdentity) -> shipped_int8.ShippedInt8:
        return form

    monkeypatch.setattr(shipped_int8, "by_default", by_default)
    with caplog.at_level(logging.WARNING, "sr_demo"):
        result = Runner().run(job, image_of(noise(9, 9)))
    assert result.backend == "torch" and "does not run in the form that ships with this app" in caplog.text


def test_it_is_for_processors_and_the_default_precision(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    for precision in ("fp32", "bf16", "int8"):
        assert shipped_int8.by_default(replace(job, precision=precision).identity) is None
    monkeypatch.setattr(hardware, "gpu_bytes", lambda: 10**9)
    assert shipped_int8.by_default(job.identity) is None


def test_the_listing_names_what_int8_costs(job: Job) -> None:
    entries = {entry["id"]: entry["checkpoints"][0] for entry in describe(APPROACHES)}
    assert entries[NAME]["int8_loss_db"] == round(shipped(job).loss_db, 4)
    assert entries["bicubic"]["int8_loss_db"] is None
