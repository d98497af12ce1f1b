"""Networks are quantized once, on request, report their loss, and are refused with a reason where int8 is impossible."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

pytest.importorskip("openvino")

from sr_demo.backends import quantization, selection
from sr_demo.backends.quantization import Operations, Sample
from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import EMBEDDED, Checkpoint, Tiling, WeightFile
from sr_demo.cli.main import main
from sr_demo.errors import BadInput, Cancelled, MissingDependency, SRError
from sr_demo.image import Image, readonly
from sr_demo.inference import int8
from sr_demo.inference.jobs import Job, is_prepared, job_for
from sr_demo.inference.runner import Runner
from sr_demo.options import Options
from sr_demo.progress import SILENT, Progress
from sr_demo.reports import formatting
from sr_demo.reports.table import record
from sr_demo.spec import Approach, Request, Upscaler
from sr_demo.system import hardware, integrity
from tests.conftest import image_of, noise


def network(request: Request) -> Upscaler:
    import torch

    from sr_demo.backends.torch_backend import NetworkUpscaler
    from sr_demo.networks.edsr import EDSR

    torch.manual_seed(0)
    return NetworkUpscaler(EDSR(1, 8, 4), request.precision)


def job_of(name: str) -> Job:
    file = WeightFile("edsr-x4.safetensors", name * 8, 1)
    approach = Approach(
        id=name, title=name, summary="", about="", family="convolutional", load=network,
        checkpoints=(Checkpoint("one", "one", (file,), bytes_per_pixel=100),), tiling=Tiling("tiles", halo=6),
    )  # fmt: skip
    return Job(approach, approach.checkpoints[0], Options(), "int8")


@pytest.fixture(autouse=True)
def _files_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sr_demo.hub.checkpoints.fetch", lambda checkpoint, progress, agreed: [Path("edsr-x4.safetensors")]
    )


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[frozenset[str]]:
    """Quantize in this process, with two images, scored on two small ones; return the choices that were tried."""
    tried: list[frozenset[str]] = []

    def quickly(model: Path, out: Path, left: Iterable[str], scale: int, progress: Progress) -> None:
        tried.append(frozenset(left))
        progress(0.5, "quantizing, once for this network")
        quantization.quantize(model, out, left, quantization.calibration(scale)[:2])

    monkeypatch.setattr(quantization, "_SCORED", ("cat", "brick"))
    monkeypatch.setattr(quantization, "_SCORED_SIDE", 64)
    monkeypatch.setattr(quantization, "quantize_in_subprocess", quickly)
    return tried


def test_a_network_is_quantized_once_then_opened_without_torch_and_reports_its_loss(
    here: list[frozenset[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "MOST_LOSS", 0.05)  # random weights lose more than what is shipped
    job, notes = job_of("made-once"), list[str]()
    first = Runner().run(job, image_of(noise(20, 30)), progress=Progress(lambda _, note: notes.append(note)))
    which = selection.converted_files(job.identity)
    assert which is not None
    loss = int8.stored(which)
    assert loss is not None and loss.decibels == max(loss.scored, loss.expected) == first.loss_db
    assert (first.backend, first.precision) == ("OpenVINO", "int8") and 0 < loss.expected <= int8.MOST_LOSS
    assert loss.kept == 2 and len(here) == 1, "the boldest way does for this network"
    assert {"converting, once for this network", "quantizing, once for this network"} <= set(notes)
    assert f"OpenVINO, int8 ({-loss.decibels:+.2f} dB)" in formatting.how(first)
    assert record(first)["precision_loss_db"] == pytest.approx(loss.decibels, abs=1e-4)

    def never(request: Request) -> Upscaler:
        raise AssertionError("torch was used")

    again = replace(job, approach=replace(job.approach, load=never))
    second = Runner().run(again, image_of(noise(20, 30)))
    np.testing.assert_array_equal(second.image.rgb, first.image.rgb)
    assert len(here) == 1
    # int8 is used on request only.
    assert not is_prepared(replace(job, precision="auto"))
    assert Runner().run(replace(job, precision="fp32"), image_of(noise(20, 30))).precision == "fp32"

    stored = which.folder / int8.RECORD
    written = integrity.read_json_with_checksum(stored)
    stored.write_text(json.dumps(written))
    assert int8.stored(which) is None, "it has no checksum"
    stored.write_bytes(integrity.json_with_checksum(written))
    (which.folder / int8.MODEL).write_text("no model")
    assert int8.opened(which, "") is None and int8.stored(which) is None, "damaged: it will be made again"


def test_a_network_that_loses_too_much_is_refused_after_every_choice_was_tried_and_the_refusal_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here: list[frozenset[str]] = []

    def as_it_was(model: Path, out: Path, left: Iterable[str], scale: int, progress: Progress) -> None:
        here.append(frozenset(left))
        for source, target in ((model, out), (model.with_suffix(".bin"), out.with_suffix(".bin"))):
            shutil.copy(source, target)

    monkeypatch.setattr(quantization, "quantize_in_subprocess", as_it_was)
    job = job_of("lossy")
    monkeypatch.setattr(int8, "lost", lambda exact, network, samples, progress: (0.01, 0.07 - 0.001 * len(here)))
    sentence = (
        r"lossy \(ours\) loses 0\.07 dB of PSNR-Y in int8, even where .* left out; 0\.03 dB is allowed\. Choose auto"
    )
    with pytest.raises(BadInput, match=sentence):
        Runner().run(job, image_of(noise(9, 9)))
    assert len(here) == len(set(here)) >= 2
    tried = len(here)
    with pytest.raises(BadInput, match=sentence):
        Runner().run(job, image_of(noise(9, 9)))
    assert len(here) == tried
    which = selection.converted_files(job.identity)
    assert which is not None and not (which.folder / int8.MODEL).exists()
    assert not list(which.folder.glob("int8*")), "nothing is left behind"


def test_the_command_line_states_the_allowed_loss(capsys: pytest.CaptureFixture[str]) -> None:
    """The number is repeated there: importing this module would delay the start of every command."""
    with pytest.raises(SystemExit):
        main(["upscale", "--help"])
    assert f"refused where it loses more than {int8.MOST_LOSS} dB" in " ".join(capsys.readouterr().out.split())


def refusal(name: str, values: dict[str, object] | None = None) -> str:
    with pytest.raises(SRError) as caught:
        int8.load(job_for(APPROACHES, name, values, "int8"), [], SILENT)
    return str(caught.value)


def test_an_impossible_request_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("liif", "diffusion"):
        assert (
            "cannot run in int8, which is for convolutional and attention networks. Choose auto, bf16 or fp32."
            in refusal(name)
        )
    assert "only with denoise at the default" in refusal("real-esrgan:general-x4v3", {"denoise": 0.5})
    monkeypatch.setattr(hardware, "gpu_bytes", lambda: 10**9)
    assert refusal("edsr").startswith("int8 is for processors, and networks run on the GPU")


def padded_by_spandrel(request: Request) -> Upscaler:
    """As the networks of Real-ESRGAN for a scale of 2 load."""
    import torch
    from spandrel import ModelLoader
    from spandrel.architectures.ESRGAN import ESRGAN

    from sr_demo.backends.torch_backend import NetworkUpscaler

    torch.manual_seed(0)
    network = ESRGAN(num_filters=8, num_blocks=1, scale=4, in_nc=12, out_nc=3, shuffle_factor=2)
    descriptor = ModelLoader().load_from_state_dict(network.state_dict())
    return NetworkUpscaler(descriptor, request.precision)


def padded_by_itself(request: Request) -> Upscaler:
    import torch
    from spandrel.architectures.RCAN import RCAN

    from sr_demo.backends.torch_backend import NetworkUpscaler

    torch.manual_seed(0)
    network = RCAN(scale=2, n_resgroups=1, n_resblocks=1, n_feats=8, reduction=4, norm=False, unshuffle_mod=True)
    return NetworkUpscaler(network, request.precision)


@pytest.mark.parametrize("load", [padded_by_spandrel, padded_by_itself])
def test_a_network_that_cannot_be_converted_is_refused_in_one_sentence(load: Callable[[Request], Upscaler]) -> None:
    job = job_of(load.__name__)
    job = replace(job, approach=replace(job.approach, load=load))
    with pytest.raises(BadInput, match="is not one network that OpenVINO runs, so there is no int8"):
        int8.load(job, [], SILENT)
    exact = load(Request(job.checkpoint, [], job.options, "fp32", SILENT))
    assert selection.can_prepare(exact) == (load is padded_by_itself)


@pytest.mark.parametrize("package", ["nncf", "openvino"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = quantization.find_spec
    monkeypatch.setattr(quantization, "find_spec", lambda name: None if name == package else found(name))
    monkeypatch.setattr("sr_demo.backends.openvino_backend.available", lambda: package != "openvino")
    with pytest.raises(MissingDependency, match=rf"needs the package {package}\. Install with: pip install -r requir"):
        int8.load(job_of("nothing-there"), [], SILENT)


def test_methods_without_a_network_ignore_int8() -> None:
    result = Runner().run(job_for(APPROACHES, "bicubic", precision="int8"), image_of(noise(8, 8)))
    assert (result.precision, result.loss_db) == ("fp32", None)


@dataclass(frozen=True)
class FixedResult:
    """An upscaler that returns a given image."""

    result: Image
    precision: str = "fp32"
    backend: str = ""
    loss_db: float | None = None

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        return self.result


def test_a_higher_score_by_chance_does_not_hide_the_loss() -> None:
    reference = readonly(np.full((32, 32, 3), 0.5, np.float32))
    checks = np.indices((32, 32)).sum(axis=0)[..., None] % 2 * np.float32(2) - 1
    off = readonly(reference + checks * np.float32(0.03))
    closer = readonly(reference + checks * np.float32(0.02))
    scored, expected = int8.lost(FixedResult(off), FixedResult(closer), [Sample(reference, reference)], SILENT)
    assert scored < -2
    # A change of 0.01 of every value: luma (219/255 of it) off by 0.0086, beside errors of 10^-3.15 in the square.
    assert expected == pytest.approx(10 * np.log10(1 + (0.01 * 219 / 255) ** 2 / 10**-3.15), rel=1e-3)
    assert int8.lost(FixedResult(off), FixedResult(off), [Sample(reference, reference)], SILENT) == (0, 0)


def test_the_first_and_last_convolutions_stay_in_floating_point() -> None:
    names = ("first", "second", "end", "last")
    order = {name: number for number, name in enumerate((*names[:2], "inner sum", "end", "long skip", "last", "base"))}
    known = Operations(names, ("second",), ("inner sum", "long skip", "base"), order, frozenset({"enlarged"}))
    boldest, *others = quantization.exclusion_sets(known)
    always = {"first", "last", "base", "enlarged"}
    assert boldest == always
    assert others == [always | {"end", "long skip"}, always | {"inner sum", "long skip"}]
    only = Operations(("one",), (), ("base",), {"one": 0, "base": 1})
    assert quantization.exclusion_sets(only) == [{"base"}], "something must be in int8"


def test_with_attention_what_draws_the_result_stays_in_floating_point() -> None:
    order = {name: at for at, name in enumerate(("first", "inner", "softmax", "end", "inner 2", "softmax 2", "last"))}
    known = Operations(
        ("first", "inner", "end", "inner 2", "last"), (), (), order, ends=frozenset({"end", "last"}),
        attention=frozenset({"softmax", "softmax 2"}), last_attention="softmax 2",
    )  # fmt: skip
    always = {"softmax", "softmax 2", "first", "last"}
    assert quantization.exclusion_sets(known) == [always, always | {"end"}, always | {"inner", "end", "inner 2"}]


@pytest.mark.slow
def test_linear_layers_and_convolutions_of_attention_networks_are_found(tmp_path: Path) -> None:
    from sr_demo.backends import openvino_backend

    job = job_for(APPROACHES, "hat")
    files = [EMBEDDED / file.name for file in job.checkpoint.files]
    loaded = job.approach.load(Request(job.checkpoint, files, job.options, "fp32", SILENT))
    openvino_backend.convert(selection.graph(loaded), tmp_path)
    known = quantization.operations(tmp_path / openvino_backend.MODEL)
    boldest, safer, safest = quantization.exclusion_sets(known)
    assert {name.split("/")[0].removeprefix("__module.network.") for name in known.ends} == {
        "first",
        "groups.0.conv",
        "groups.1.conv",
        "after",
    }
    assert known.last_attention and boldest < safer < safest
    assert not any("linear/MatMul" in name for name in safest), "linear layers run in int8 in any case"
    assert any("matmul" in name for name in boldest), "products of two computed tensors never do"


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `nncf` for the subprocess, which does at once what `behave.py` prescribes; the real one takes seconds."""
    (tmp_path / "nncf.py").write_text(
        "import os, time\nassert os.environ['NNCF_CI'] == '1'\n"
        "class QuantizationPreset: MIXED = None\n"
        "def set_log_level(level): pass\ndef IgnoredScope(names, types, validate): return names\n"
        "def Dataset(parts, prepared): return [prepared(part) for part in parts]\n"
        "def quantize(model, dataset, preset, subset_size, ignored_scope):\n"
        f"    exec(open({str(tmp_path / 'behave.py')!r}).read())\n    return model\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("NNCF_CI", raising=False)
    import openvino
    from openvino import opset13

    lr = opset13.parameter([1, -1, -1, 3], np.float32)
    made: Any = openvino.Model  # its own annotations contradict each other
    openvino.save_model(made([opset13.relu(lr)], [lr]), str(tmp_path / "model.xml"))
    return tmp_path


def test_the_subprocess_reports_progress(child: Path) -> None:
    (child / "behave.py").write_text("assert dataset[0].shape == (1, 48, 48, 3) and ignored_scope == ['a']")
    seen: list[float] = []
    quantization.quantize_in_subprocess(
        child / "model.xml", child / "out.xml", ["a"], 4, Progress(lambda done, note: seen.append(done))
    )
    assert (child / "out.xml").exists() and seen == sorted(seen) and seen[-1] == 1


def test_stop_ends_the_subprocess_at_once(child: Path) -> None:
    (child / "behave.py").write_text(f"open({str(child / 'begun')!r}, 'w').close(); time.sleep(60)")
    stop, begun = Event(), time.monotonic()

    def report(done: float, note: str) -> None:
        if (child / "begun").exists():
            stop.set()

    with pytest.raises(Cancelled):
        quantization.quantize_in_subprocess(child / "model.xml", child / "out.xml", [], 4, Progress(report, stop))
    assert time.monotonic() - begun < 40 and not (child / "out.xml").exists()


def test_a_subprocess_that_fails_is_one_sentence_with_its_output_in_the_log(
    child: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (child / "behave.py").write_text("raise ValueError('the network is odd')")
    # Some package that earlier tests import lets only errors through.
    with (
        caplog.at_level(logging.WARNING, logger="sr_demo"),
        pytest.raises(SRError, match=r"could not be turned into int8: .* log of this program has the reason"),
    ):
        quantization.quantize_in_subprocess(child / "model.xml", child / "out.xml", [], 4)
    assert "the network is odd" in caplog.text
