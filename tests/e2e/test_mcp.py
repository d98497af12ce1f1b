"""The page as an MCP server, used by a real MCP client over HTTP, and the page without it."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import gradio as gr
import httpx
import pytest
from PIL import Image

from sr_demo.approaches.baselines import BICUBIC, LANCZOS
from sr_demo.errors import SRError
from sr_demo.image import Size, encode_png
from sr_demo.inference.runner import Runner
from sr_demo.settings import Settings
from sr_demo.ui import api
from sr_demo.ui import mcp as mcp_tools
from sr_demo.ui import page as pages
from sr_demo.ui.store import Store
from tests.conftest import image_of, noise
from tests.e2e.conftest import Serve
from tests.e2e.test_api_docs import example, folder, run  # noqa: F401 - fixtures

ROOT = Path(__file__).resolve().parents[2]
PHOTO = encode_png(image_of(noise(24, 32)))
AS_TEXT = "data:image/png;base64," + base64.b64encode(PHOTO).decode()
pytestmark = pytest.mark.timeout(180)
LONG = "x" * 100_000
LOCAL = "http://x/gradio_api/file="
with_package = pytest.mark.skipif(find_spec("mcp") is None, reason="the package mcp is not installed")
Ask = Callable[[Any], Awaitable[Any]]


def launched(serve: Serve, *, mcp: bool) -> tuple[Any, str]:
    store, settings = Store(), Settings(mcp=mcp)
    arguments = pages.launch_arguments(store, settings)
    del arguments["server_port"]
    page = pages.build_page((BICUBIC, LANCZOS), Runner(), store, settings)
    return page, serve(page, **arguments).rstrip("/")


@pytest.fixture(scope="module")
def address(serve: Serve) -> str:
    page, url = launched(serve, mcp=True)
    mcp_tools.refine(page, 10_000)
    return url


def ask(address: str, conversation: Ask) -> Any:
    """What `conversation` with a client's session returns."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def talk() -> Any:
        url = f"{address}/gradio_api/mcp/"
        async with streamable_http_client(url) as (reading, writing, _), ClientSession(reading, writing) as session:
            await session.initialize()
            return await conversation(session)

    return run_in_thread(lambda: asyncio.run(talk()))


def run_in_thread(work: Callable[[], Any]) -> Any:
    """`work` in a thread of its own: where browser tests ran before in this process, this one has an event loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


def call(address: str, tool: str, **arguments: Any) -> Any:
    return ask(address, lambda session: session.call_tool(tool, arguments))


def size(content: Any) -> tuple[int, int]:
    assert (content.type, content.mimeType) == ("image", "image/png")
    return Image.open(BytesIO(base64.b64decode(content.data))).size


@with_package
def test_tools_are_offered_with_types_and_descriptions(address: str) -> None:
    tools = {tool.name: tool for tool in ask(address, lambda session: session.list_tools()).tools}
    assert sorted(tools) == ["compare", "deploy", "several", "upscale"]
    upscale = tools["upscale"]
    assert upscale.description.startswith("Upscale one image, four times or to a given size")
    fields = upscale.inputSchema["properties"]
    assert {name: field["type"] for name, field in fields.items()} == {
        "image": "string", "approach": "string", "options": "object", "size": "string",
        "output": "object", "mask": "string",
    }  # fmt: skip
    assert all(field["description"] for tool in tools.values() for field in tool.inputSchema["properties"].values())
    images = tools["several"].inputSchema["properties"]["images"]
    assert (images["type"], images["items"]["type"]) == ("array", "string")
    names = tools["deploy"].inputSchema["properties"]["approaches"]
    assert (names["type"], names["items"]) == ("array", {"type": "string"})


@with_package
def test_upscale_answers_with_the_image_and_what_was_measured(address: str) -> None:
    png, where, facts = call(address, "upscale", image=AS_TEXT, approach="lanczos", options={}).content
    assert size(png) == (128, 96)
    url = where.text.removeprefix("PNG: ")
    assert httpx.get(url).content == base64.b64decode(png.data)
    assert {"approach": "lanczos", "width": 128, "height": 96}.items() <= json.loads(facts.text).items()


@with_package
def test_an_image_uploaded_to_the_page_is_taken_and_progress_is_reported(address: str) -> None:
    messages: list[str | None] = []

    async def watch(progress: float, total: float | None, message: str | None) -> None:
        messages.append(message)

    path = httpx.post(f"{address}/gradio_api/upload", files={"files": ("photo.png", PHOTO)}).json()[0]
    arguments = {"image": f"{address}/gradio_api/file={path}", "approach": "bicubic"}
    answer = ask(address, lambda session: session.call_tool("upscale", arguments, progress_callback=watch))
    assert size(answer.content[0]) == (128, 96) and messages


@with_package
def test_compare_answers_with_all_images(address: str) -> None:
    answer = call(address, "compare", image=AS_TEXT, approaches=["bicubic", "lanczos"], test_against_truth=True)
    first, _, second, _, report = answer.content
    assert size(first) == size(second) == (32, 24) and first.data != second.data
    results = json.loads(report.text)["results"]
    assert [result["approach"] for result in results] == ["bicubic", "lanczos"] and results[0]["psnr_y"] > 10


@with_package
def test_of_several_images_a_bad_one_is_named_and_the_others_are_enlarged(address: str) -> None:
    path = httpx.post(f"{address}/gradio_api/upload", files={"files": ("mine.png", PHOTO)}).json()[0]
    text = "data:text/plain;base64," + base64.b64encode(b"just words " * 20).decode()
    away, local = "http://127.0.0.1:1/away.png", f"{LOCAL}/etc/passwd"
    images = [AS_TEXT, text, "data:image/png;base64,A", f"{address}/gradio_api/file={path}", away, local]
    where, report = call(address, "several", images=images, approaches=["bicubic"], size="2x").content
    photos = json.loads(report.text)["photos"]
    assert [(photo["name"], photo["state"]) for photo in photos] == [
        ("image-1.png", "done"), ("image-2.txt", "did not work"), ("image-3.png", "did not work"), ("mine.png", "done"),
        ("away.png", "did not work"), ("passwd", "did not work"),
    ]  # fmt: skip
    reasons = ["".join(photo["failures"]) for photo in photos]
    assert "image-2.txt is not a picture" in reasons[1] and "no data: address that can be read" in reasons[2]
    assert f"could not be fetched from '{away}'" in reasons[4] and f"could not be fetched from '{local}'" in reasons[5]
    with ZipFile(BytesIO(httpx.get(where.text.removeprefix("ZIP: ")).content)) as archive:
        assert set(archive.namelist()) == {"image-1_bicubic.png", "mine_bicubic.png", "photos.json"}
        with Image.open(archive.open("mine_bicubic.png")) as image:
            assert image.size == (64, 48)


@with_package
def test_results_of_other_tools_are_scored_too(address: str) -> None:
    brought = [AS_TEXT, "http://127.0.0.1:1/away.png"]
    asked = {"image": AS_TEXT, "approaches": ["bicubic"], "test_against_truth": True, "brought": brought}
    *_, text = call(address, "compare", **asked).content
    report = json.loads(text.text)
    assert [result["title"] for result in report["results"]] == ["Bicubic", "brought: image-1"]
    assert "could not be fetched" in report["failures"][0]["message"]


@with_package
def test_deploy_answers_with_a_verdict_and_without_images(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PLAN", replace(api.PLAN, sizes=(Size(64, 64),), seconds=0.1))
    (text,) = (content.text for content in call(address, "deploy", approaches=["bicubic"], budget={"side": 64}).content)
    assert json.loads(text)["approaches"][0]["verdict"]["level"] == "fits"
    assert "data:image" not in text and len(text) < 20_000


@with_package
@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        ("upscale", {"image": AS_TEXT, "approach": "nix"}, "There is no approach 'nix'. There are: bicubic, lanczos."),
        ("upscale", {"image": "data:image/png;base64," + "A" * 20_000}, "The picture is larger than "),
        (
            "upscale",
            {"image": "http://127.0.0.1:1/x.png"},
            "The picture could not be fetched from 'http://127.0.0.1:1/x.png'.",
        ),
        ("upscale", {"image": "/etc/passwd"}, "`image` must be an http or https address, or a data: address"),
        ("upscale", {"image": LONG}, "`image` must be an http or https address, or a data: address"),
        ("upscale", {"image": "data:image/png;base64,@@@", "approach": "bicubic"}, "is empty"),
        ("upscale", {"image": "data:,", "approach": "bicubic"}, ""),
        ("upscale", {"image": AS_TEXT[:61], "approach": "bicubic"}, "The picture is no data: address that can be read"),
        ("upscale", {"image": AS_TEXT[:78], "approach": "bicubic"}, "is damaged"),
        ("upscale", {"image": 7}, "`image` must be a text"),
        ("upscale", {"image": None}, ""),
        ("upscale", {"image": {"path": "/etc/passwd"}}, "`image` must be a text"),
        ("upscale", {"image": ["x"]}, "`image` must be a text"),
        ("upscale", {}, "`image` is missing. The arguments are: image, approach, options, size, output, mask."),
        ("upscale", {"image": AS_TEXT, "approach": None}, ""),
        ("upscale", {"image": AS_TEXT, "approach": ["bicubic"]}, "`approach` must be a text, not a list."),
        ("upscale", {"image": AS_TEXT, "approach": LONG}, ""),
        ("upscale", {"image": AS_TEXT, "options": "{}"}, "`options` must be an object of names and values"),
        ("upscale", {"image": AS_TEXT, "options": LONG}, "`options` must be an object of names and values"),
        ("upscale", {"image": AS_TEXT, "approach": "bicubic", "options": {"nix": 1}}, "There is no option 'nix' here."),
        ("upscale", {"image": AS_TEXT, "approach": "bicubic", "options": {LONG: 1}}, "There is no option 'xxx"),
        ("upscale", {"image": AS_TEXT, "nix": 1}, "nix"),
        ("upscale", {"image": AS_TEXT, LONG: 1}, "xxx"),
        (
            "compare",
            {"image": AS_TEXT, "approaches": "bicubic"},
            "`approaches` must be a list, not the text 'bicubic'.",
        ),
        ("compare", {"image": AS_TEXT, "approaches": [LONG]}, "There is no approach 'xxx"),
        ("compare", {"image": AS_TEXT, "brought": AS_TEXT}, "`brought` must be a list, not the text 'data:"),
        ("several", {"images": AS_TEXT}, "`images` must be a list, not the text 'data:"),
        ("several", {"images": []}, "There is no picture"),
        ("several", {"images": [AS_TEXT, 7]}, "`images[]` must be a text"),
        ("several", {"images": [AS_TEXT, {"path": "/etc/passwd"}]}, "`images[]` must be a text"),
        ("several", {"images": [AS_TEXT, "/etc/passwd"]}, "`images[1]` must be an http or https address"),
        ("several", {"images": [AS_TEXT, "file:///etc/passwd"]}, "`images[1]` must be an http or https address"),
        ("several", {"images": [AS_TEXT, "data:image/png;base64," + "A" * 20_000]}, "The picture is larger than "),
        (
            "several",
            {"images": [AS_TEXT] * 51, "approaches": ["bicubic"]},
            "At most 50 photos at once, and these are 51.",
        ),
        (
            "compare",
            {"image": AS_TEXT, "approaches": ["bicubic"], "test_against_truth": "yes"},
            "`test_against_truth` must",
        ),
        ("deploy", {"approaches": ["bicubic"], "budget": LONG}, "`budget` must be an object of names and values"),
        (LONG, {}, ""),
        ("upscale", {"image": f"http://x/gradio_api/file={ROOT}/assets"}, "The picture could not be fetched"),
        ("deploy", {"approaches": ["bicubic"], "budget": {"nix": 1}}, "nix"),
        ("approaches", {}, "There is no tool 'approaches'. There are: upscale, compare, several, deploy."),
    ],
)
def test_what_is_refused_is_refused_with_a_sentence(address: str, tool: str, arguments: Any, sentence: str) -> None:
    answer = ask(address, lambda session: session.call_tool(tool, arguments))
    text = answer.content[0].text
    assert answer.isError and sentence in text and "show_error" not in text
    assert len(text) < 400 and "\n" not in text and "Something went wrong" not in text and text != "None"


@with_package
def test_large_images_are_named_by_their_address_alone(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_tools, "INLINE_BYTES", 100)
    where, _ = call(address, "upscale", image=AS_TEXT, approach="bicubic").content
    assert where.text.startswith("PNG: http")


@with_package
def test_the_example_in_the_documentation(address: str, folder: Path) -> None:  # noqa: F811
    said = run_in_thread(lambda: run(example("python", "ClientSession", address)))
    assert said.startswith("['upscale', 'compare', 'several', 'deploy']") and '"width": 128' in said
    with Image.open(folder / "large.png") as image:
        assert image.size == (128, 96)


def test_a_server_that_gradio_could_not_make_is_an_error() -> None:
    page = gr.Blocks()
    page.mcp_error = "Error launching MCP server: out of luck"
    with pytest.raises(SRError, match=r"The MCP server could not be started: .* out of luck."):
        mcp_tools.refine(page, 100)


def test_a_page_that_was_not_asked_is_no_server(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_MCP_SERVER", "true")  # Gradio's own switch: ours decides
    page, url = launched(serve, mcp=False)
    assert page.mcp_server_obj is None
    assert httpx.post(f"{url}/gradio_api/mcp/", json={}).status_code in (404, 405)
    info = httpx.get(f"{url}/gradio_api/info").json()["named_endpoints"]
    assert sorted(info) == ["/approaches", "/compare", "/deploy", "/several", "/upscale"]


def test_asked_for_without_the_package_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import app

    gc.enable()  # `app` serves its page with the collector at rest while it starts
    monkeypatch.setitem(sys.modules, "mcp.server.streamable_http_manager", None)
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setenv("SR_DEMO_MCP", "1")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    assert app.main() == 2
    assert capsys.readouterr() == (
        "",
        "sr_demo: SR_DEMO_MCP=1 needs the package mcp, which is not installed. Run: pip install -r requirements-mcp.txt, "
        "or start without SR_DEMO_MCP.\n",
    )
