"""The Mosaic tab: a result belongs to the image that is there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from sr_demo.image import Limits, write_png
from sr_demo.inference.runner import Runner
from sr_demo.options import controls
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.mosaic import handlers as mosaic
from sr_demo.ui.mosaic.databases import BUNDLED, VisitorDatabases
from sr_demo.ui.mosaic.handlers import OPTIONS, TILES, MosaicComponents, MosaicHandlers
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from tests.conftest import image_of, noise

pytestmark = pytest.mark.usefixtures("gradio_loops")
REQUEST: Any = SimpleNamespace(session_hash="anna")


def test_a_mosaic_of_an_image_that_was_removed_meanwhile_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "photo.png"
    write_png(image_of(noise(32, 40)), photo)
    with gr.Blocks():
        parts = MosaicComponents(
            gr.State(), gr.State(), gr.State(), gr.Image(), gr.Image(), gr.HTML(), gr.HTML(), gr.Radio(), gr.HTML(),
            gr.Button(),
        )  # fmt: skip
    handlers = MosaicHandlers(PageContext([], Runner(), Store(), Stops(), Limits()), parts)
    monkeypatch.setattr(mosaic, "current_request", lambda: REQUEST)
    defaults = {control.name: control.default for control in controls(mosaic.MosaicOptions)}

    def render() -> Any:
        return handlers.render(
            str(photo), TILES, BUNDLED, VisitorDatabases(), *(defaults[name] for name in OPTIONS)
        )  # fmt: skip

    assert Path(render()[parts.result]).is_file()
    tiles = handlers._tiles

    def removed(*arguments: Any) -> Any:
        assert handlers.clear(REQUEST)[parts.result] is None
        return tiles(*arguments)

    monkeypatch.setattr(handlers, "_tiles", removed)
    assert render() == gr.skip()
