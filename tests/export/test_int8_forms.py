"""An int8 form is written where it costs next to nothing, with what it was measured to cost; else nothing is written."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

pytest.importorskip("openvino")

from sr_demo.backends import quantization, shipped_int8
from sr_demo.checkpoint import Checkpoint, Tiling, WeightFile
from sr_demo.cli.main import main
from sr_demo.errors import SRError
from sr_demo.export import int8_forms
from sr_demo.image import ImageData, write_png
from sr_demo.inference.jobs import Job
from sr_demo.options import Options
from sr_demo.progress import SILENT, Progress
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


def test_a_form_is_written_with_its_scores_or_refused_with_what_every_choice_cost(
    job: Job, sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantization, "quantize_in_subprocess", _as_it_was)
    monkeypatch.setattr(quantization, "require", lambda: None)
    pairs = int8_forms.test_pairs(sets, None, 4)
    form = int8_forms.make(job, pairs, tmp_path)
    assert shipped_int8.read_card(tmp_path / "tiny.json") == form
    assert sha256_of(tmp_path / form.file) == form.sha256 and form.weights == (job.checkpoint.files[0].sha256,)
    assert form.way == 0 and form.is_good("convolutional"), "what stays in floating point may run in bf16 here"
    folder = tmp_path / "placed"
    monkeypatch.setattr(shipped_int8, "FOLDER", tmp_path)
    shipped_int8.place(form, [tmp_path / "tiny.safetensors"], folder, lambda: None)
    assert {path.suffix for path in folder.iterdir()} >= {".xml", ".bin"}

    monkeypatch.setattr(shipped_int8, "MOST_LOSS", -1.0)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SRError, match=r"Tiny costs too much in int8: .* Set5 [+-]0\.0000 dB, agrees to"):
        int8_forms.make(job, pairs, empty, SILENT, skipped=1)
    assert not list(empty.iterdir())


def test_the_command_names_a_missing_test_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quantize", "espcn", "--test-sets", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "There is no folder" in capsys.readouterr().err
