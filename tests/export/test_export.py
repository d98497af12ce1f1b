"""An exported file computes what the network computes, at any size; otherwise nothing is exported."""

from __future__ import annotations

import json
import subprocess
import sys
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import save_file

from sr_demo import checkpoint as weights
from sr_demo.approaches.baselines import BICUBIC
from sr_demo.backends import quantization
from sr_demo.checkpoint import Checkpoint, Tiling, WeightFile
from sr_demo.errors import BadInput, MissingDependency, SRError, StorageError
from sr_demo.export import agreement, int8, portable_runner
from sr_demo.export import formats as export_formats
from sr_demo.export.exporter import LEAST_PSNR, SUFFIXES, Exported, export, formats
from sr_demo.image import ImageData, quantize, read, write_png
from sr_demo.inference.jobs import Job
from sr_demo.networks.rdn import RDN
from sr_demo.options import Options
from sr_demo.progress import SILENT
from sr_demo.reports.evaluation import load_pair, pairs
from sr_demo.spec import Approach, Request, Upscaler
from sr_demo.system.storage import sha256_of
from tests.conftest import noise

RULE = Tiling("tiles", halo=12, largest=64)


def _load_rdn(request: Request) -> Upscaler:
    from sr_demo.backends.torch_backend import NetworkUpscaler, load_safetensors

    return NetworkUpscaler(load_safetensors(request.files[0], RDN(1, 2, 8, 16, 4)), "fp32")


def _load_hat(request: Request) -> Upscaler:
    from sr_demo.backends import spandrel_loader
    from sr_demo.backends.torch_backend import NetworkUpscaler

    return NetworkUpscaler(spandrel_loader.load(request.files[0], "HAT", 4), "fp32", mode="convert")


def _load_grl(request: Request) -> Upscaler:
    from sr_demo.backends import spandrel_loader
    from sr_demo.backends.torch_backend import NetworkUpscaler

    return NetworkUpscaler(spandrel_loader.load(request.files[0], "GRL", 4), "fp32")


def _job(path: Path, load: Callable[[Request], Upscaler], family: Any, tiling: Tiling) -> Job:
    checkpoint = Checkpoint("own", "made for tests", (WeightFile(path.name, sha256_of(path), path.stat().st_size),))
    approach = Approach("tiny", "Tiny", "made for tests", "Nothing.", family, load, (checkpoint,), tiling=tiling)
    return Job(approach, checkpoint, Options())


def tiny_rdn(path: Path) -> Job:
    """The small network whose weights lie at `path`."""
    return _job(path, _load_rdn, "convolutional", RULE)


@pytest.fixture
def rdn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A small network with weights of its own, as embedded checkpoints are."""
    torch.manual_seed(0)
    save_file(RDN(1, 2, 8, 16, 4).state_dict(), str(tmp_path / "tiny.safetensors"))
    monkeypatch.setattr(weights, "EMBEDDED", tmp_path)
    return tiny_rdn(tmp_path / "tiny.safetensors")


def _upscaled(job: Job, image: Any) -> Any:
    files = (weights.EMBEDDED / job.checkpoint.files[0].name,)
    upscaler = job.approach.load(Request(job.checkpoint, files, job.options, "fp32", SILENT))
    return upscaler.upscale(image, job.options, SILENT)


def _export(job: Job, kind: Any, folder: Path, precision: Any = "fp32") -> Exported:
    return export(job, kind, folder / f"net{SUFFIXES[kind]}", precision)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("kind", ["onnx", "openvino", "torchscript", "safetensors"])
def test_every_format_agrees_and_states_how_well(rdn: Job, tmp_path: Path, kind: Any, precision: Any) -> None:
    out = tmp_path / "out"
    done = _export(rdn, kind, out, precision)
    assert done.agreement.psnr >= LEAST_PSNR[precision] and done.agreement.largest < 0.01
    if precision == "fp32":
        assert done.agreement.psnr > 100
    names = {path.name for path in out.iterdir()}
    runner = {"net_run.py"} if kind in ("onnx", "openvino") else set()
    weights = {"net.bin"} if kind == "openvino" else set()
    assert names == {done.path.name, f"net_{kind}_README.md"} | runner | weights
    text = (out / f"net_{kind}_README.md").read_text()
    assert "Apache-2.0" in text and done.path.name in text
    assert "dB PSNR" in text or "identical" in text
    small = {"fp32": 4, "fp16": 2}[precision] * sum(p.numel() for p in RDN(1, 2, 8, 16, 4).parameters())
    assert done.bytes >= small


def test_onnx_carries_metadata_and_runs_alone_at_any_size(rdn: Job, tmp_path: Path) -> None:
    done = _export(rdn, "onnx", tmp_path / "out")
    import onnxruntime

    session = onnxruntime.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
    notes = session.get_modelmeta().custom_metadata_map
    assert notes["licence"] == "Apache-2.0" and notes["weights_sha256"] == rdn.checkpoint.files[0].sha256
    assert json.loads(notes["rule"]) == {
        "scale": 4, "mode": "tiles", "halo": 12, "multiple_of": 1, "blend": 0, "largest": 64,
        "seen": 254, "tall": 1,
    }  # fmt: skip
    assert [type(side) for side in session.get_inputs()[0].shape] == [int, int, str, str]

    image = noise(41, 75)
    write_png(ImageData(image), tmp_path / "small.png")
    script = [sys.executable, "-I", str(tmp_path / "out/net_run.py"), "small.png", "large.png"]
    subprocess.run(script, cwd=tmp_path, check=True)
    expected = _upscaled(rdn, read(tmp_path / "small.png").rgb)
    difference = read(tmp_path / "large.png").rgb - expected
    assert np.abs(difference).max() < 0.6 / 255, "tiles of the runner change the result"


@pytest.mark.slow
def test_the_runner_reads_the_metadata_of_openvino_files(rdn: Job, tmp_path: Path) -> None:
    done = _export(rdn, "openvino", tmp_path / "out")
    run, rule = portable_runner.load(done.path)
    image = noise(19, 23)
    assert rule["halo"] == 12
    assert np.abs(portable_runner.enlarge(image, run, rule) - _upscaled(rdn, image)).max() < 1e-4


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:torch.meshgrid")
def test_attention_with_padding_and_shifted_windows_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from spandrel.architectures.HAT.__arch.HAT import HAT

    torch.manual_seed(1)
    network = HAT(
        img_size=16, window_size=8, embed_dim=12, depths=(2,), num_heads=(2,), compress_ratio=3, squeeze_factor=6,
        overlap_ratio=0.5, mlp_ratio=2, upsampler="pixelshuffle", upscale=4, resi_connection="1conv",
    )  # fmt: skip
    save_file({k: v.clone() for k, v in network.state_dict().items()}, str(tmp_path / "hat.safetensors"))
    monkeypatch.setattr(weights, "EMBEDDED", tmp_path)
    job = _job(tmp_path / "hat.safetensors", _load_hat, "attention", Tiling("tiles", 32, 16, 16, 192))
    assert _export(job, "onnx", tmp_path / "out").agreement.psnr > 90
    assert _export(job, "torchscript", tmp_path / "torchscript").agreement.psnr > 90


@pytest.mark.slow
def test_a_network_whose_windows_have_two_sides_is_padded_as_it_pads_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spandrel.architectures.GRL import GRL

    torch.manual_seed(0)
    network = GRL(
        depths=[1], embed_dim=12, num_heads_window=[1], num_heads_stripe=[1], upscale=4, upsampler="pixelshuffle"
    )
    save_file({k: v.clone() for k, v in network.state_dict().items()}, str(tmp_path / "grl.safetensors"))
    monkeypatch.setattr(weights, "EMBEDDED", tmp_path)
    monkeypatch.setattr(agreement, "_SIZES", ((37, 61),))
    monkeypatch.setattr(agreement, "_TIMED", 64)
    job = _job(tmp_path / "grl.safetensors", _load_grl, "attention", Tiling("tiles", 32, 16, 16, 192))
    assert _export(job, "safetensors", tmp_path / "out").agreement.largest == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_int8_states_its_loss_and_runs_alone(
    rdn: Job, tmp_path: Path, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantization, "_SCORED", ("cat", "text"))
    monkeypatch.setattr(quantization, "_SCORED_SIDE", 96)
    done = _export(rdn, kind, tmp_path / "out", "int8")
    loss = done.loss
    assert loss is not None and loss.pairs == 2 and abs(loss.decibels) < 0.15
    assert 20 < done.agreement.psnr < 70, "nothing was quantized"
    assert loss.kept < loss.of == 8
    text = (tmp_path / f"out/net_{kind}_README.md").read_text()
    assert f"a loss of {loss.decibels:.3f} dB" in text and "on 2 bundled photos" in text
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {done.path.name, f"net_{kind}_README.md", "net_run.py"} | (
        {"net.bin"} if kind == "openvino" else set()
    )
    run, rule = portable_runner.load(done.path)
    image = noise(23, 19)
    assert rule["halo"] == 12
    assert np.abs(portable_runner.enlarge(image, run, rule) - _upscaled(rdn, image)).mean() < 0.02


def test_images_leave_the_memory_once_int8_is_scored_on_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory: list[weakref.ref[Any]] = []

    def load(*arguments: Any) -> tuple[ImageData, Any]:
        assert sum(reference() is not None for reference in in_memory) <= 1
        lr, reference = load_pair(*arguments)
        in_memory.append(weakref.ref(reference.base if reference.base is not None else reference))
        return lr, reference

    monkeypatch.setattr(int8, "load_pair", load)
    for number in range(3):
        write_png(ImageData(noise(48, 48, number)), tmp_path / f"{number}.png")
    rule = {"scale": 4, "halo": 2, "multiple_of": 1, "blend": 0, "largest": 48, "seen": 254}
    scores = int8.psnrs(lambda x: x.repeat(4, axis=2).repeat(4, axis=3), rule, pairs(tmp_path, None, 4))
    assert len(scores) == len(in_memory) == 3


@pytest.mark.slow
def test_int8_that_loses_too_much_is_refused(rdn: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "MOST_LOSS", -99.0)
    monkeypatch.setattr(quantization, "_CALIBRATION", ("coffee",))
    monkeypatch.setattr(quantization, "_SCORED", ("cat",))
    monkeypatch.setattr(quantization, "_SCORED_SIDE", 64)
    with pytest.raises(SRError, match=r"int8 loses -?\d+\.\d\d dB of PSNR-Y on 1 bundled photos even where"):
        _export(rdn, "onnx", tmp_path / "out", "int8")
    assert list((tmp_path / "out").iterdir()) == []


def test_int8_of_other_formats_is_refused(rdn: Job, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="int8 is available for onnx and openvino, not for torchscript"):
        _export(rdn, "torchscript", tmp_path / "out", "int8")


def test_a_file_that_does_not_agree_is_not_exported(rdn: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = export_formats.WRITERS["safetensors"]

    def spoiled(network: Any, path: Path, notes: dict[str, str]) -> None:
        with torch.no_grad():
            network.network.tail.bias.add_(0.02)
        good.write(network, path, notes)
        with torch.no_grad():
            network.network.tail.bias.sub_(0.02)

    monkeypatch.setitem(export_formats.WRITERS, "safetensors", replace(good, write=spoiled))
    with pytest.raises(SRError, match=r"does not agree with the network: 3\d\.\d dB"):
        _export(rdn, "safetensors", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_that_does_not_run_is_not_exported(
    rdn: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path, network: Any) -> Any:
        return lambda x: {}["a shape that was taken for a constant"]  # type: ignore[index]

    broken = replace(export_formats.WRITERS["torchscript"], open=refuse)
    monkeypatch.setitem(export_formats.WRITERS, "torchscript", broken)
    with pytest.raises(SRError, match="does not run on a picture of 61 x 37"):
        _export(rdn, "torchscript", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == [] and "KeyError" in caplog.text


def test_a_full_disk_is_recognised_from_the_error_of_any_library(
    rdn: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(network: Any, path: Path, notes: dict[str, str]) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("I/O error: No space left on device (os error 28)")

    full = replace(export_formats.WRITERS["safetensors"], write=half)
    monkeypatch.setitem(export_formats.WRITERS, "safetensors", full)
    with pytest.raises(StorageError, match=r"cannot be written: No space left on device\. Choose another --out\."):
        _export(rdn, "safetensors", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_methods_that_cannot_be_exported_are_refused(rdn: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match=r"ends in \.onnx"):
        export(rdn, "onnx", tmp_path / "net.pt")
    plain = Job(BICUBIC, BICUBIC.checkpoints[0], Options())
    assert formats(BICUBIC, plain.checkpoint) == () and len(formats(rdn.approach, rdn.checkpoint)) == 4
    with pytest.raises(BadInput, match="nothing to export"):
        export(plain, "onnx", tmp_path / "net.onnx")
    (tmp_path / "file").write_text("")
    with pytest.raises(SRError, match="cannot be written"):
        export(rdn, "safetensors", tmp_path / "file" / "net.safetensors")
    monkeypatch.setattr(export_formats, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"pip install -r requirements-export\.txt"):
        export(rdn, "openvino", tmp_path / "net.xml")


def test_the_runner_ignores_the_case_of_suffixes(tmp_path: Path) -> None:
    image = noise(5, 7)
    portable_runner.write(tmp_path / "p.NPY", image)
    assert [path.name for path in tmp_path.iterdir()] == ["p.NPY"]
    assert np.array_equal(portable_runner.read(tmp_path / "p.NPY"), image)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "P"])
def test_the_runner_reads_png_like_pillow(tmp_path: Path, mode: str) -> None:
    image = Pillow.fromarray(quantize(noise(23, 31))).convert(mode)
    image.save(tmp_path / "p.png")
    assert np.array_equal(portable_runner.read(tmp_path / "p.png"), np.asarray(image.convert("RGB")))


def test_the_runner_undoes_every_filter_of_png() -> None:
    raw = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    padded = np.zeros((6, 8, 3), int)
    padded[1:, 1:] = raw
    left, up, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    paeth = np.vectorize(portable_runner.paeth)(left, up, corner)
    guesses = [np.zeros_like(left), left, up, (left + up) // 2, paeth]
    lines = b"".join(
        bytes([row]) + ((raw[row].astype(int) - guesses[row][row]) % 256).astype(np.uint8).tobytes() for row in range(5)
    )
    assert np.array_equal(portable_runner.unfiltered(lines, 5, 7, 3), raw)
    assert [portable_runner.paeth(*abc) for abc in ((1, 2, 3), (5, 5, 5), (10, 20, 10))] == [1, 5, 20]


@pytest.mark.parametrize(("halo", "multiple", "blend"), [(12, 1, 0), (8, 4, 3), (16, 16, 16)])
def test_the_weights_of_the_runners_tiles_add_up_to_one(halo: int, multiple: int, blend: int) -> None:
    rule = {"scale": 4, "halo": halo, "multiple_of": multiple, "blend": blend, "largest": 48, "seen": 254}
    image = noise(77, 130)
    out = portable_runner.enlarge(image, lambda x: x.repeat(4, axis=2).repeat(4, axis=3), rule, side=32)
    assert np.abs(out - image.repeat(4, axis=0).repeat(4, axis=1)).max() < 1e-6


@pytest.mark.parametrize(("kind", "name"), [("onnx", "NET.ONNX"), ("openvino", "UP.XML"), ("torchscript", "net.PT")])
def test_the_suffix_is_that_by_which_the_file_is_found_again(rdn: Job, tmp_path: Path, kind: Any, name: str) -> None:
    with pytest.raises(BadInput, match="choose such a name"):
        export(rdn, kind, tmp_path / name)


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ("none.png", "r.png", "none.png cannot be read"), ("cut.png", "r.png", "cut.png cannot be read"),
        ("good.png", "r.jpg", "r.jpg is neither"), ("good.png", "no/r.png", "r.png cannot be written"),
        ("small.npy", "r.png", "small.npy cannot be enlarged"),
    ],
)  # fmt: skip
def test_the_runner_answers_bad_arguments_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, target: str, sentence: str
) -> None:
    Pillow.new("RGB", (8, 8)).save(tmp_path / "good.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:40])
    np.save(tmp_path / "small.npy", np.zeros((1, 1, 3), np.uint8))
    (tmp_path / "net.onnx").write_bytes(b"")

    def run(lr: Any) -> Any:
        if lr.shape[2] < 2:
            raise RuntimeError("too small")
        return lr.repeat(4, axis=2).repeat(4, axis=3)

    rule = {"scale": 4, "mode": "tiles", "halo": 2, "multiple_of": 1, "blend": 0, "largest": 256, "seen": 256}
    monkeypatch.setattr(portable_runner, "load", lambda path: (run, rule))
    monkeypatch.setattr(portable_runner, "__file__", str(tmp_path / "net_run.py"))
    monkeypatch.setattr(sys, "argv", ["net_run.py", str(tmp_path / source), str(tmp_path / target)])
    with pytest.raises(SystemExit) as ended:
        portable_runner.main()
    assert sentence in str(ended.value)
