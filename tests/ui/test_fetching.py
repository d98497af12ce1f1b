"""Images named by an address are fetched within limits, and never from private addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from sr_demo.errors import BadInput
from sr_demo.ui import door, fetching

LIMIT = 2**20
T = TypeVar("T")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header(
                "Location",
                {"/moved": "/small.png", "/moved-again": "/moved-again", "/moved-large": "/large.png"}.get(
                    self.path, "file:///x"
                ),
            )
            self.end_headers()
            return
        self.send_response(404 if "gone" in self.path else 200)
        self.end_headers()
        try:
            for _ in range(20 if "large" in self.path else 1):
                self.wfile.write(bytes(100_000))
        except OSError:
            self.server.cut = True  # type: ignore[attr-defined]

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server, and an upload folder."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def as_if_public(monkeypatch: pytest.MonkeyPatch) -> None:
    async def directly(host: str) -> None:
        return None

    monkeypatch.setattr(fetching, "_transport", directly)


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a thread of its own: where a browser was opened before, this one has a running event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def fetch(address: str) -> Path:
    return finished(fetching.fetch(address, LIMIT))


@pytest.mark.usefixtures("as_if_public")
@pytest.mark.parametrize("path", ["small.png", "moved"])
def test_a_file_within_the_limit_arrives_in_the_upload_folder(host: str, path: str, tmp_path: Path) -> None:
    file = fetch(f"{host}/{path}")
    assert file.name == path and file.stat().st_size == 100_000 and file.parent.parent == tmp_path
    assert door.uploaded(str(file)) == file


@pytest.mark.usefixtures("as_if_public")
@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("large.png", "more than 1 MB, the limit here"),
        ("moved-large", "more than 1 MB, the limit here"),
        ("gone.png", "could not be fetched"),
        ("moved-again", "could not be fetched"),
        ("moved-to-a-file", "could not be fetched"),
    ],
)
def test_everything_else_is_refused_and_leaves_nothing(host: str, path: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=sentence) as refused:
        fetch(f"{host}/{path}")
    assert f"'{host}/{path}'" in str(refused.value), "with several addresses, which one was it?"
    assert list(tmp_path.iterdir()) == []


def test_private_addresses_are_not_contacted(host: str, tmp_path: Path) -> None:
    for address in (f"{host}/small.png", "http://localhost:1/x", "http://[::1]/x", "http://169.254.169.254/x"):
        with pytest.raises(BadInput, match="could not be fetched"):
            fetch(address)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("as_if_public")
def test_the_limit_is_one_for_all_addresses_of_a_request_and_only_files_are_fetched(host: str) -> None:
    page: Any = SimpleNamespace(upload_file_set=set())
    block_fn: Any = SimpleNamespace(inputs=[SimpleNamespace(data_model=dict), SimpleNamespace()])

    def values() -> list[Any]:
        return [[{"path": f"{host}/small.png"}, {"path": f"{host}/small.png"}], {"path": f"{host}/small.png"}]

    sent = values()
    finished(door._fetched(page, block_fn, sent, 250_000))
    assert {item["path"] for item in sent[0]} == page.upload_file_set and len(page.upload_file_set) == 2
    assert sent[1]["path"].startswith("http")
    with pytest.raises(BadInput, match="the limit here"):
        finished(door._fetched(page, block_fn, values(), 150_000))
