"""The choice of precision on the page reaches the jobs, and so does that of a program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from sr_demo.backends import openvino_backend, quantization
from sr_demo.errors import BadInput
from sr_demo.image import Limits, read, write_png
from sr_demo.imaging.samples import SAMPLES
from sr_demo.inference.runner import Runner
from sr_demo.ui import api, method_choices
from sr_demo.ui.compare import layout
from sr_demo.ui.compare.run_handlers import RunHandlers
from sr_demo.ui.examples import sample_file
from sr_demo.ui.languages import text
from sr_demo.ui.source import source_of
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests import fakes
from tests.conftest import image_of, noise

pytestmark = pytest.mark.usefixtures("gradio_loops")


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16", "int8"])
def test_the_precision_chosen_on_the_page_is_that_of_the_jobs(precision: str) -> None:
    context = method_choices.PageContext([fakes.good()], Runner(), Store(), Stops(), Limits())
    with gr.Blocks():
        components = layout.lay_out(context)
    bound = next(bound for bound in components.choice.options if bound.owner == method_choices.PRECISION)
    assert isinstance(bound.component, gr.Radio)
    assert precision in [value for _, value in bound.component.choices or []] and bound.component.value == "auto"
    source = source_of(str(sample_file(SAMPLES[0])), read(sample_file(SAMPLES[0])))
    key = method_choices.offered(context.approaches)[0][0].key
    values = {component: getattr(component, "value", None) for component in components.run_inputs()}
    values |= {components.photo.source: source, components.choice.methods: [key], bound.component: precision}
    task = RunHandlers(context, components).task(values)
    assert [job.precision for job in task.jobs] == [precision]


def test_int8_is_not_offered_where_it_could_only_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_backend, "available", lambda: False)
    with gr.Blocks():
        bound = layout.precision_choice()
    assert isinstance(bound.component, gr.Radio)
    assert [value for _, value in bound.component.choices or []] == ["auto", "fp32", "bf16"]
    assert "int8" not in str(bound.component.info)


def test_without_nncf_int8_is_offered_for_what_comes_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "missing", lambda: "nncf")
    with gr.Blocks():
        bound = layout.precision_choice()
    assert isinstance(bound.component, gr.Radio)
    assert "int8" in [value for _, value in bound.component.choices or []]
    assert bound.component.info == text("precision_help_int8")


def test_programs_choose_it_among_the_options(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    write_png(image_of(noise(6, 8)), photo)
    endpoints = api.Endpoints(method_choices.PageContext([fakes.good()], Runner(), Store(), Stops(), Limits()))
    _, report = endpoints.upscale(str(photo), "good", {"precision": "fp32"})
    assert report["precision"] == "fp32" and report["precision_loss_db"] is None
    with pytest.raises(gr.Error, match=r"no precision 'int9'\. There are: auto, fp32, bf16, fp16, int8\."):
        endpoints.upscale(str(photo), "good", {"precision": "int9"})


def test_programs_get_the_other_results_where_a_format_cannot_hold_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "photo.png"
    write_png(image_of(noise(6, 8)), photo)
    write = api.write

    def refusing(image: Any, target: Path, output: Any) -> Any:
        if target.stem == "other":
            raise BadInput("A WebP picture has at most 16383 pixels a side.")
        return write(image, target, output)

    monkeypatch.setattr(api, "write", refusing)
    approaches = [fakes.good(), fakes.good("other")]
    endpoints = api.Endpoints(method_choices.PageContext(approaches, Runner(), Store(), Stops(), Limits()))
    files, report = endpoints.compare(str(photo), ["other", "good"])
    assert [Path(file).stem for file in files] == ["good"] and len(report["results"]) == 1
    assert report["failures"] == [{"approach": "other", "message": "A WebP picture has at most 16383 pixels a side."}]
