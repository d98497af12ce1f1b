"""An int8 form is written for the fastest choice that costs next to nothing, with what it was measured to cost."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

pytest.importorskip("openvino")

from sr_demo.backends import quantization, shipped_int8
from sr_demo.backends.shipped_int8 import ShippedInt8
from sr_demo.checkpoint import Checkpoint, Tiling, WeightFile
from sr_demo.cli.main import main
from sr_demo.export import int8_forms
from sr_demo.image import ImageData, write_png
from sr_demo.inference.jobs import Job
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.spec import Approach, Request, Upscaler
from sr_demo.system.storage import sha256_of
from tests.conftest import noise


def _load(request: Request) -> Upscaler:
    from sr_demo.backends.torch_backend import NetworkUpscaler, load_safetensors
    from sr_demo.networks.edsr import EDSR

    return NetworkUpscaler(load_safetensors(request.files[0], EDSR(1, 8, 4)), "fp32")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A tiny network with a weight file of its own."""
    import torch
    from safetensors.torch import save_file

    from sr_demo.networks.edsr import EDSR

    torch.manual_seed(0)
    file = tmp_path / "tiny.safetensors"
    save_file(EDSR(1, 8, 4).state_dict(), file)
    weights = WeightFile(file.name, sha256_of(file), file.stat().st_size, path=file)
    approach = Approach(
        id="tiny", title="Tiny", summary="", about="", family="convolutional", load=_load,
        checkpoints=(Checkpoint("one", "one", (weights,)),), tiling=Tiling("tiles", halo=6),
    )  # fmt: skip
    return Job(approach, approach.checkpoints[0], Options())


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    for name in int8_forms.NEEDED:
        for kind, side in (("HR", 48), ("LRx4", 12)):
            (tmp_path / "sets" / name / kind).mkdir(parents=True)
            write_png(ImageData(noise(side, side)), tmp_path / "sets" / name / kind / "image.png")
    return tmp_path / "sets"


def _as_it_was(model: Path, out: Path, left: Iterable[str], scale: int, progress: Progress, crops: int) -> None:
    """Leave all in fp32: quantization takes seconds, and is tested elsewhere."""
    for source, target in ((model, out), (model.with_suffix(".bin"), out.with_suffix(".bin"))):
        shutil.copy(source, target)


def test_the_first_choice_that_is_good_is_written_with_its_scores(
    job: Job, sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_good(form: ShippedInt8, family: str) -> bool:
        assert form.loss_db < 0.02, "what stays in floating point may run in bf16 here"
        return form.way > 0

    monkeypatch.setattr(quantization, "quantize_in_subprocess", _as_it_was)
    monkeypatch.setattr(quantization, "require", lambda: None)
    monkeypatch.setattr(ShippedInt8, "is_good", is_good)
    form = int8_forms.make(job, int8_forms.test_pairs(sets, None, 4), tmp_path)
    assert form.way == 1 and shipped_int8.read_card(tmp_path / "tiny.json") == form
    assert sha256_of(tmp_path / form.file) == form.sha256 and form.weights == (job.checkpoint.files[0].sha256,)
    monkeypatch.setattr(shipped_int8, "FOLDER", tmp_path)
    shipped_int8.place(form, [tmp_path / "tiny.safetensors"], tmp_path / "placed", lambda: None)
    assert {path.name for path in (tmp_path / "placed").iterdir()} >= {"model.xml", "model.bin", "int8.xml", "int8.bin"}


def test_the_command_names_a_missing_test_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quantize", "espcn", "--test-sets", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "There is no folder" in capsys.readouterr().err
