"""Images named by an address are fetched within limits, and never from private addresses."""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any, TypeVar

import httpx
import pytest
import safehttpx

from sr_demo.errors import BadInput, Busy
from sr_demo.ui import fetching, request_validation
from sr_demo.ui.several.queue import MOST_PHOTOS

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


def run_in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a thread of its own: where a browser was opened before, this one has a running event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def fetch(address: str) -> Path:
    return run_in_thread(fetching.fetch(address, LIMIT))


@pytest.mark.usefixtures("as_if_public")
@pytest.mark.parametrize("path", ["small.png", "moved"])
def test_a_file_within_the_limit_arrives_in_the_upload_folder(host: str, path: str, tmp_path: Path) -> None:
    file = fetch(f"{host}/{path}")
    assert file.name == path and file.stat().st_size == 100_000 and file.parent.parent == tmp_path
    assert request_validation.upload_path(str(file)) == file


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


@pytest.mark.parametrize("encoding", ["br", "gzip", "identity, br"])
def test_what_comes_compressed_is_refused_and_not_unpacked(
    encoding: str, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few kB can become several GB while they are unpacked, before any limit is looked at."""
    brotli = pytest.importorskip("brotli")
    body = (gzip if encoding == "gzip" else brotli).compress(bytes(2 * LIMIT))

    def unpack(*_: Any) -> None:
        pytest.fail("it was unpacked")  # which `fetch` lets pass, unlike an Exception

    async def sends(_: str) -> httpx.MockTransport:
        stream = httpx.ByteStream(body)
        return httpx.MockTransport(lambda _: httpx.Response(200, headers={"Content-Encoding": encoding}, stream=stream))

    monkeypatch.setattr(fetching, "_transport", sends)
    monkeypatch.setattr(brotli, "Decompressor", unpack)
    monkeypatch.setattr(zlib, "decompressobj", unpack)
    with pytest.raises(BadInput, match=r"was not fetched: it comes compressed .* or upload it\.$"):
        fetch(f"{host}/small.png")
    assert list(tmp_path.iterdir()) == []


def test_private_addresses_are_not_contacted(host: str, tmp_path: Path) -> None:
    for address in (f"{host}/small.png", "http://localhost:1/x", "http://[::1]/x", "http://169.254.169.254/x"):
        with pytest.raises(BadInput, match="could not be fetched"):
            fetch(address)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address",
    [
        "100.64.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16", "198.18.0.1", "224.0.0.1", "239.1.1.1", "0.0.0.0",
        "fec0::1", "fd00::1", "ff0e::1", "2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1",
        "::ffff:127.0.0.1", "::ffff:100.64.0.1", "::7f00:1", "2001:0:7f00:1::1",
    ],
)  # fmt: skip
def test_what_is_not_of_the_internet_is_not_contacted_by_number_or_by_name(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing_else(_: str) -> list[str]:
        return []

    def resolved(host: str, *_: Any, **__: Any) -> list[Any]:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, 0))]

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(safehttpx, "async_resolve_hostname_google", nothing_else)
    for host in (f"[{address}]" if ":" in address else address, "photos.example.org"):
        if host == "photos.example.org":
            monkeypatch.setattr(socket, "getaddrinfo", resolved)
        with pytest.raises(ValueError, match=r"failed validation|is no public address"):
            run_in_thread(fetching._transport(httpx.URL(f"http://{host}/a.png").host))
        with pytest.raises(BadInput, match="could not be fetched"):
            fetch(f"http://{host}/a.png")


@pytest.mark.parametrize("address", ["8.8.8.8", "193.0.6.139", "2606:4700:4700::1111", "2a00:1450:4001::1"])
def test_other_addresses_are_public(address: str) -> None:
    assert run_in_thread(fetching._transport(address)).verified_ip == address


@pytest.mark.usefixtures("as_if_public")
def test_the_limit_is_one_for_all_addresses_of_a_request(host: str, tmp_path: Path) -> None:
    addresses = [f"{host}/{name}" for name in ("large.png", "gone.png", "a.png", "b.png", "moved")]
    large, gone, first, second, third = run_in_thread(fetching.fetch_all(addresses, 250_000))
    assert isinstance(large, BadInput) and "has more than 0 MB, the limit here. Choose" in str(large)
    assert isinstance(gone, BadInput) and "could not be fetched" in str(gone)
    assert isinstance(first, Path) and isinstance(second, Path) and len(list(tmp_path.iterdir())) == 2
    assert isinstance(third, BadInput) and "those to fetch have more than 0 MB, the limit of one call" in str(third)


@pytest.mark.usefixtures("as_if_public")
def test_so_is_the_time(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_SECONDS_TOGETHER", 0.0)
    *_, second = run_in_thread(fetching.fetch_all([f"{host}/a.png", f"{host}/b.png"], LIMIT))
    assert isinstance(second, BadInput) and "those before it took more than 0 s" in str(second)


@pytest.mark.usefixtures("as_if_public")
def test_too_many_addresses_are_refused_before_one_is_fetched(host: str, tmp_path: Path) -> None:
    most = [f"{host}/gone.png"] * MOST_PHOTOS
    assert len(run_in_thread(fetching.fetch_all(most, LIMIT))) == MOST_PHOTOS
    with pytest.raises(BadInput, match="names 50 addresses of pictures at most, and this one names 51"):
        run_in_thread(fetching.fetch_all([f"{host}/small.png", *most], LIMIT))
    assert list(tmp_path.iterdir()) == []


def test_few_calls_are_fetched_for_at_once_half_of_them_for_one_caller() -> None:
    fetches, half = fetching.Fetches(), fetching.MOST_CALLS // 2
    with ExitStack() as held:
        for caller in ("192.0.2.1", "192.0.2.2"):
            for _ in range(half):
                with pytest.raises(KeyError), fetches.place(caller):
                    raise KeyError  # what fails leaves its place
                held.enter_context(fetches.place(caller))
            with pytest.raises(Busy, match="Upload yours instead, or try again"), fetches.place(caller):
                pytest.fail("more than half of them")
        with pytest.raises(Busy), fetches.place("192.0.2.3"):
            pytest.fail("more than all of them")
    with fetches.place("192.0.2.3"):
        assert list(fetches._calls) == ["192.0.2.3"], "callers that have left are forgotten"


@pytest.mark.usefixtures("as_if_public")
def test_one_address_of_a_list_that_cannot_be_fetched_does_not_keep_out_the_others(host: str) -> None:
    page: Any = SimpleNamespace(upload_file_set=set())
    block_fn: Any = SimpleNamespace(inputs=[SimpleNamespace(data_model=dict)] * 2 + [SimpleNamespace()])
    small, gone = {"path": f"{host}/small.png"}, {"path": f"{host}/gone.png"}
    sent: list[Any] = [[dict(small), dict(gone), dict(small)], dict(small), dict(small)]
    run_in_thread(request_validation._fetched(page, block_fn, sent, LIMIT))
    first, second, third = (Path(item["path"]) for item in sent[0])
    assert {str(first), str(second), str(third), sent[1]["path"]} == page.upload_file_set
    assert first.stat().st_size == third.stat().st_size == 100_000 and second.name == "gone.png"
    assert sent[2] == small, "only the values of components that take files are fetched"
    fetching.check_present(first)
    with pytest.raises(BadInput, match=f"could not be fetched from '{host}/gone.png'"):
        fetching.check_present(second)
    with pytest.raises(BadInput, match="could not be fetched"):
        run_in_thread(request_validation._fetched(page, block_fn, [[], dict(gone), None], LIMIT))


@pytest.mark.usefixtures("host")
def test_a_stand_in_of_any_name_has_its_reason() -> None:
    for address in ("http://x/reason", "http://x/", "http://x/" + "a" * 500, "http://x/..", "image-1.png"):
        path = fetching.stand_in(address, BadInput("Wohl größer."))
        assert path.is_file() and request_validation.upload_path(str(path)) == path
        with pytest.raises(BadInput, match=r"^Wohl größer\.$"):
            fetching.check_present(path)
