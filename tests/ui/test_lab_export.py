"""What the lab hands out is a verified network with all that belongs to it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sr_demo import spec
from sr_demo.approaches.baselines import BICUBIC
from sr_demo.image import Limits
from sr_demo.inference.runner import Runner
from sr_demo.networks.rdn import RDN
from sr_demo.ui.lab.export import ExportHandlers
from sr_demo.ui.method_choices import Context
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests.export.test_export import tiny_rdn


def test_a_zip_with_network_readme_and_the_reason_when_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    save_file(RDN(1, 2, 8, 16, 4).state_dict(), str(tmp_path / "tiny.safetensors"))
    monkeypatch.setattr(spec, "EMBEDDED", tmp_path)
    job = tiny_rdn(tmp_path / "tiny.safetensors")
    handlers = ExportHandlers(Context((BICUBIC, job.approach), Runner(), Store(), Stops(), Limits()))
    assert handlers.choices() == [("Tiny", "tiny")], "bicubic is no network"
    first, last = list(handlers.make("tiny", "safetensors", "fp32"))
    assert first[1] is None and "agrees with the network to" in last[0]
    with zipfile.ZipFile(last[1]) as packed:
        assert set(packed.namelist()) == {"tiny-fp32.safetensors", "tiny-fp32_README.md"}
    refused = list(handlers.make("tiny", "safetensors", "int8"))[-1]
    assert refused[1] is None and "choose --format onnx" in refused[0]
    assert "Choose a network" in list(handlers.make(None, "onnx", "fp32"))[-1][0]
