"""The choice of precision on the page reaches the jobs."""

from __future__ import annotations

import gradio as gr
import pytest

from sr_demo.image import Limits
from sr_demo.runner import Runner
from sr_demo.ui import compare_tab, offer, presets
from sr_demo.ui.compare_handlers import Handlers
from sr_demo.ui.examples import sample_file
from sr_demo.ui.source import open_source
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests import fakes

pytestmark = pytest.mark.usefixtures("gradio_loops")


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16"])
def test_the_precision_chosen_on_the_page_is_that_of_the_jobs(precision: str) -> None:
    context = offer.Context([fakes.good()], Runner(), Store(), Stops(), Limits())
    with gr.Blocks():
        bound = compare_tab.precision_choice()
    assert isinstance(bound.component, gr.Radio)
    assert precision in [value for _, value in bound.component.choices or []] and bound.component.value == "auto"
    source, _ = open_source(str(sample_file(0)), context.limits)
    key = offer.offered(context.approaches)[0][0].key
    task = Handlers(context, [bound]).task(source, presets.OWN, "enlarge", [key], "bicubic", [precision])
    assert [job.precision for job in task.jobs] == [precision]
