"""Foreign web pages can neither read nor use this one: spoofed Host and Origin against a real server."""

from __future__ import annotations

import errno
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gradio.route_utils
import httpx
import pytest
from gradio.utils import get_upload_folder

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.errors import DISK_REFUSES
from sr_demo.image import encode_png
from sr_demo.inference.runner import Runner
from sr_demo.settings import Settings
from sr_demo.ui import page as pages
from sr_demo.ui.store import Store
from tests.conftest import image_of, noise
from tests.e2e.conftest import Serve

PHOTO = encode_png(image_of(noise(24, 32)))
MCP = find_spec("mcp") is not None
pytestmark = pytest.mark.timeout(120)


def launched(serve: Serve, **settings: Any) -> str:
    store, chosen = Store(), Settings(**settings)
    arguments = pages.launch_arguments(store, chosen)
    del arguments["server_port"]
    return serve(pages.build_page((BICUBIC,), Runner(), store, chosen), **arguments).rstrip("/")


@pytest.fixture(scope="module")
def local(serve: Serve) -> str:
    """A server on 127.0.0.1, an MCP server too where the package is there."""
    return launched(serve, mcp=MCP)


@pytest.fixture(scope="module")
def public(serve: Serve) -> str:
    """A server that listens on every address, with one name allowed."""
    return launched(serve, host="0.0.0.0", hosts=("sr.example.org",), origins=("sr.example.org",))


def ask(url: str, method: str, path: str, **headers: str) -> httpx.Response:
    """`headers` with `_` for `-`."""
    content: dict[str, Any] = {}
    if path.endswith("/upload"):
        content = {"files": {"files": ("photo.png", PHOTO)}}
    elif path.endswith("/queue/join"):
        content = {"json": {"fn_index": 0, "data": [], "session_hash": "gate"}}
    elif path.endswith("/mcp/"):
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        content = {"json": {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}}
        headers["accept"] = "application/json, text/event-stream"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.request(method, url + path, headers=named, timeout=60, **content)


ROUTES = [
    ("GET", "/"), ("GET", "/config"), ("POST", "/gradio_api/upload"), ("POST", "/gradio_api/queue/join"),
    *([("POST", "/gradio_api/mcp/")] if MCP else []),
]  # fmt: skip
routes = pytest.mark.parametrize(("method", "path"), ROUTES)


@routes
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "127.0.0.1@evil.example", ""]
)
def test_a_foreign_name_is_not_answered(local: str, method: str, path: str, host: str) -> None:
    answer = ask(local, method, path, host=host, origin=f"http://{host}")
    assert answer.status_code in (400, 403)
    if answer.status_code == 403:
        assert answer.text.startswith("This server does not answer to the name '") and len(answer.text) < 250
    assert "access-control-allow-origin" not in answer.headers


@routes
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://127.0.0.1.evil.example", "null", "http://localhost:1", "x"]
)
def test_pages_of_other_sites_are_refused_and_never_reflected(
    local: str, public: str, method: str, path: str, origin: str
) -> None:
    for url in (local, public):
        if "/mcp/" in path and url is public:
            continue
        answer = ask(url, method, path, origin=origin)
        assert answer.status_code == 403 and answer.text.startswith("Requests from pages of another site (")
        preflight = ask(url, "OPTIONS", path, origin=origin, access_control_request_method="POST")
        assert preflight.status_code == 403
        for headers in (answer.headers, preflight.headers):
            assert not [name for name in headers if name.startswith("access-control-")]


@routes
def test_programs_and_the_page_itself_are_answered(local: str, public: str, method: str, path: str) -> None:
    for url in (local, public):
        if "/mcp/" in path and url is public:
            continue
        port = url.rsplit(":", 1)[1]
        assert ask(url, method, path).status_code == 200
        assert ask(url, method, path, origin=url, sec_fetch_site="same-origin").status_code == 200
        own = {"host": f"localhost:{port}", "origin": f"http://localhost:{port}"}
        assert ask(url, method, path, **own).status_code == 200
        assert ask(url, method, path, host=f"[::1]:{port}", origin=f"http://[::1]:{port}").status_code == 200


def test_cross_site_requests_without_an_origin_may_only_read(local: str) -> None:
    assert ask(local, "GET", "/", sec_fetch_site="cross-site").status_code == 200
    assert ask(local, "POST", "/gradio_api/upload", sec_fetch_site="cross-site").status_code == 403


def test_on_every_address_it_has_the_names_that_no_foreign_name_server_can_give(public: str) -> None:
    for host in ("192.168.1.20:7860", "[fe80::1]:7860", "my-machine:8080", "sr.example.org", "SR.example.org.:443"):
        assert ask(public, "GET", "/config", host=host).status_code == 200, host
        assert ask(public, "POST", "/gradio_api/upload", host=host, origin=f"http://{host}").status_code == 200, host
    assert ask(public, "GET", "/config", host="evil.example").status_code == 403
    assert ask(public, "GET", "/config", host="x.sr.example.org").status_code == 403


def test_behind_a_proxy_that_changes_the_name(public: str) -> None:
    assert (
        ask(public, "POST", "/gradio_api/upload", host="app:7860", origin="https://sr.example.org").status_code == 200
    )
    forwarded = {"host": "app:7860", "origin": "https://other.org", "x_forwarded_host": "other.org"}
    assert ask(public, "POST", "/gradio_api/upload", **forwarded).status_code == 200


def test_uploads_may_be_longer_than_other_requests(local: str) -> None:
    answer = httpx.post(f"{local}/gradio_api/upload", files={"files": ("photo.png", bytes(17 * 2**20))}, timeout=60)
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["queue/join", "call/upscale", "cancel", "mcp/"])
@pytest.mark.parametrize("chunked", [False, True])
def test_what_is_longer_than_a_request_may_be_is_refused(local: str, path: str, chunked: bool) -> None:
    if path == "mcp/" and not MCP:
        pytest.skip("the package mcp is not installed")
    content = b'{"data": ["' + bytes(16 * 2**20)
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    sent: Any = (content[at : at + 2**20] for at in range(0, len(content), 2**20)) if chunked else content
    answer = httpx.post(f"{local}/gradio_api/{path}", content=sent, headers=headers, timeout=60)
    assert answer.status_code == 413
    if path != "mcp/" or not chunked:  # the package mcp has a limit of its own on what comes in chunks
        assert answer.json()["detail"].startswith(
            "This request has more than 16 MB, the limit here. Upload files first"
        )


@pytest.mark.parametrize("query", ["", "?upload_id=1"])
@pytest.mark.parametrize("content", [b"", b"a" * 2**20])
def test_an_upload_consists_of_files(local: str, query: str, content: bytes) -> None:
    """Gradio would collect a field in memory, of any length, and fail where the page asks for progress."""
    before = set(Path(get_upload_folder()).iterdir())
    sent = [("files", ("photo.png", PHOTO)), ("field", (None, content))]
    answer = httpx.post(f"{local}/gradio_api/upload{query}", files=sent, timeout=60)
    assert answer.status_code == 400
    assert answer.text.startswith("An upload consists of files, and this part of it has no file name. Send it as one")
    assert set(Path(get_upload_folder()).iterdir()) == before


def test_an_upload_that_the_disk_has_no_room_for_gets_a_sentence(local: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gradio.route_utils, "NamedTemporaryFile", full)
    answer = ask(local, "POST", "/gradio_api/upload")
    assert (answer.status_code, answer.text) == (507, DISK_REFUSES)
    monkeypatch.undo()
    assert ask(local, "POST", "/gradio_api/upload").status_code == 200
