"""The first response of the page: what is left out of it, and what programs still get."""

from __future__ import annotations

from copy import deepcopy

import gradio as gr
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from sr_demo.ui.examples import examples
from sr_demo.ui.page_payload import PageCompression, _is_page, without_descriptions
from sr_demo.ui.viewer.viewer import viewer

TEXT = "the page " * 1000


async def _answer(_: object) -> PlainTextResponse:
    return PlainTextResponse(TEXT if _is_page.get() else TEXT.upper())


def test_the_page_is_packed_for_browsers_that_take_it_and_nothing_else_is() -> None:
    client = TestClient(PageCompression(Starlette(routes=[Route("/", _answer), Route("/config", _answer)])))
    packed = client.get("/", headers={"accept-encoding": "gzip, br"})
    assert packed.headers["content-encoding"] == "gzip" and packed.text == TEXT
    assert int(packed.headers["content-length"]) < len(TEXT) / 10
    plain = client.get("/", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers and plain.text == TEXT
    other = client.get("/config", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in other.headers and other.text == TEXT.upper()


@pytest.mark.usefixtures("gradio_loops")
def test_the_page_has_no_descriptions_for_programs_and_programs_have_them_all() -> None:
    with gr.Blocks() as page:
        gr.File(label="file")
    whole = deepcopy(page.get_config_file()["components"])
    without_descriptions(page)
    config = page.get_config_file()
    assert deepcopy(config["components"]) == whole
    token = _is_page.set(True)
    sent = deepcopy(config["components"])
    _is_page.reset(token)
    assert [one["api_info"] for one in sent] == [{}] * len(sent) and sent[0]["props"] == whole[0]["props"]
    assert config["components"] == whole


@pytest.mark.usefixtures("gradio_loops")
def test_thumbnails_and_the_script_of_the_viewer_are_sent_once() -> None:
    assert len(str(examples("more").value)) < 1000 < len(str(examples().value))
    assert len(viewer(first=False).js_on_load or "") < 100 < len(viewer().js_on_load or "")
