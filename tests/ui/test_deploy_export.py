"""The Lab exports a verified network with README and runner."""

from __future__ import annotations

import json
import zipfile
from contextlib import nullcontext
from pathlib import Path
from threading import Event

import gradio as gr
import pytest
import torch
from safetensors.torch import save_file

from sr_demo import checkpoint as weights
from sr_demo.approaches.baselines import BICUBIC
from sr_demo.catalogue import APPROACHES
from sr_demo.image import Limits
from sr_demo.inference.jobs import job_for
from sr_demo.inference.runner import Runner
from sr_demo.networks.rdn import RDN
from sr_demo.progress import Progress
from sr_demo.ui.deploy import example
from sr_demo.ui.deploy.export_handlers import ExportComponents, ExportHandlers, exportable
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests.export.test_export import tiny_rdn


def test_a_zip_with_network_readme_and_the_reason_when_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    save_file(RDN(1, 2, 8, 16, 4).state_dict(), str(tmp_path / "tiny.safetensors"))
    monkeypatch.setattr(weights, "EMBEDDED", tmp_path)
    job = tiny_rdn(tmp_path / "tiny.safetensors")
    parts = ExportComponents(gr.Dropdown(), gr.HTML(), gr.File())
    context = PageContext((BICUBIC, job.approach), Runner(), Store(), Stops(), Limits())
    titles = {key: job.title for key, job in exportable(context.approaches).items()}
    assert titles == {"tiny": "Tiny (ours)"}, "no bicubic"
    handlers = ExportHandlers(context, parts)
    first, last = list(handlers.make("tiny", "safetensors", "fp32"))
    assert first[parts.packed] is None and "agrees with the network to" in last[parts.line]
    with zipfile.ZipFile(last[parts.packed]) as packed:
        assert set(packed.namelist()) == {"tiny-fp32.safetensors", "tiny-fp32_safetensors_README.md"}
    refused = list(handlers.make("tiny", "safetensors", "int8"))[-1]
    assert refused[parts.packed] is None and "choose --format onnx" in refused[parts.line]
    assert "Choose a network" in list(handlers.make(None, "onnx", "fp32"))[-1][parts.line]
    gone = Event()
    gone.set()
    monkeypatch.setattr(context.callers, "turn", lambda seconds: nullcontext(Progress(stop=gone)))
    assert "Stopped." in list(handlers.make("tiny", "safetensors", "fp32"))[-1][parts.line]


def test_the_example_report_is_of_the_weights_that_are_shipped() -> None:
    """Networks that are trained again leave it behind: `python -m sr_demo.ui.deploy.example` measures it anew."""
    report = json.loads(example.FILE.read_text(encoding="utf-8"))
    assert [row["key"] for row in report["approaches"]] == [job_for(APPROACHES, name).key for name in example.METHODS]
    for row, name in zip(report["approaches"], example.METHODS, strict=True):
        job = job_for(APPROACHES, name)
        assert row["title"] == job.title and row["measured"] is not None
        assert row["files"]["sha256"] == [file.sha256 for file in job.checkpoint.files]
    shown = example.html()
    assert report["machine"]["processor"] in shown and shown.count("<li>") == len(example.METHODS)
    assert "data:" not in example.FILE.read_text(encoding="utf-8") and example.FILE.stat().st_size < 50_000
