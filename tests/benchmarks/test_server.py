"""What the benchmarks' visitors send is what the page as it is takes: the events exist, with values for all inputs."""

from __future__ import annotations

import shutil

import pytest

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.benchmarks.server import page_event
from sr_demo.errors import SRError
from sr_demo.inference.runner import Runner
from sr_demo.settings import Settings
from sr_demo.ui.page import build_page
from sr_demo.ui.store import Store


@pytest.mark.usefixtures("gradio_loops")
def test_the_events_of_visitors_exist_and_get_a_value_for_each_input() -> None:
    store = Store()
    page = build_page((BICUBIC,), Runner(), store, Settings())
    try:
        config = page.get_config_file()
    finally:
        page.close()
        shutil.rmtree(store.folder)
    inputs = {event["id"]: event["inputs"] for event in config.get("dependencies", [])}
    photo = {"path": "a.png"}
    for name, values in {"take": {"photo": photo, "methods": []}, "estimate": {"methods": []}}.items():
        number, sent = page_event(config, name, values)
        assert len(sent) == len(inputs[number])
        assert sent.count([]) == 2 and sent.count(photo) == (name == "take")  # nothing is ticked under "More" either
    with pytest.raises(SRError, match="no event nothing"):
        page_event(config, "nothing", {})
    with pytest.raises(SRError, match="take has no input brush"):
        page_event(config, "take", {"brush": 1})
