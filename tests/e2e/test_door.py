"""No endpoint of the page, hidden or not, reads a file that was not uploaded, or reveals whether it exists.

The list is that of `/config`: what is added to the page is walked too.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import gradio as gr
import httpx
import pytest
from gradio.utils import get_upload_folder

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.image import encode_png
from sr_demo.inference.runner import Runner
from sr_demo.settings import Settings
from sr_demo.ui import page as pages
from sr_demo.ui.door import NOT_UPLOADED
from sr_demo.ui.store import Store
from tests.conftest import noise, picture_of
from tests.e2e.conftest import Serve

PHOTO = encode_png(picture_of(noise(24, 32)))
META = {"_type": "gradio.FileData"}
pytestmark = pytest.mark.timeout(300)


class Server:
    """A launched page, and how to call its endpoints by number."""

    def __init__(self, page: gr.Blocks, url: str, store: Store) -> None:
        self.page, self.url, self.store = page, url, store
        self.api = f"{url}/gradio_api"
        self.client = httpx.Client(timeout=120)
        config = self.client.get(f"{url}/config").json()
        self.endpoints: list[dict[str, Any]] = [d for d in config["dependencies"] if d["backend_fn"]]
        self._values = {c["id"]: c["props"].get("value") for c in config["components"]}
        self._types = {c["id"]: c["type"] for c in config["components"]}
        self._lists = {c["id"] for c in config["components"] if c["props"].get("file_count") == "multiple"}

    def defaults(self, endpoint: dict[str, Any]) -> list[Any]:
        """Return what a page that was just opened sends."""
        return [self._values[number] for number in endpoint["inputs"]]

    def takes_files(self, component: int) -> bool:
        return self._types[component] in ("file", "image")

    def takes_lists(self, component: int) -> bool:
        return component in self._lists

    def upload(self) -> str:
        return self.client.post(f"{self.api}/upload", files={"files": ("photo.png", PHOTO)}).json()[0]

    def ask(self, requests: list[tuple[int, list[Any]]], session: str, event: Any = None) -> list[dict[str, Any]]:
        """Outputs of many calls by number, in their order."""
        ids = []
        for number, data in requests:
            body = {"fn_index": number, "data": data, "session_hash": session, "event_data": event or {"index": 0}}
            ids.append(self.client.post(f"{self.api}/queue/join", json=body).json()["event_id"])
        done: dict[str, dict[str, Any]] = {}
        with self.client.stream("GET", f"{self.api}/queue/data", params={"session_hash": session}) as answer:
            for line in answer.iter_lines():
                message = json.loads(line[6:]) if line.startswith("data: ") else {}
                if message.get("msg") == "process_completed":
                    done[message["event_id"]] = message
                if len(done) == len(ids):
                    break
        return [done[key] for key in ids]


def called(server: Server, name: str, data: Any) -> str:
    """The last event's data of a call by name."""
    answer = server.client.post(f"{server.api}/call/{name}", json={"data": data})
    if answer.status_code != 200:
        return answer.text
    return server.client.get(f"{server.api}/call/{name}/{answer.json()['event_id']}").text.rsplit("\ndata: ", 1)[1]


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    store, settings = Store(), Settings(queue_length=1000)
    arguments = pages.launch_arguments(store, settings)
    del arguments["server_port"]
    page = pages.build_page((BICUBIC,), Runner(), store, settings)
    running = Server(page, serve(page, **arguments).rstrip("/"), store)
    yield running
    running.client.close()


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("private")
    (folder / "there.png").write_bytes(PHOTO)
    (folder / "there.txt").write_text("secret")
    (folder / "there").mkdir()
    return folder


_opened: list[str] = []
_watching, _hooked = False, False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        _opened.append(os.fsdecode(arguments[0]))


@contextmanager
def nothing_opened_in(folder: Path) -> Iterator[None]:
    """Whatever Python opens meanwhile lies elsewhere."""
    global _watching, _hooked
    if not _hooked:
        sys.addaudithook(_audit)  # for good: Python removes none
        _hooked = True
    _opened.clear()
    _watching = True
    try:
        yield
    finally:
        _watching = False
    assert not [path for path in _opened if str(folder) in path]


def spellings(path: str, server: Server) -> list[Any]:
    """`path` in all the ways that something might take for a file."""
    inside = Path(get_upload_folder())
    relative = os.path.relpath(path, Path.cwd())
    plain = {"path": path}
    return [
        plain,
        {"path": path, "meta": META},
        {"path": path, "meta": {"_type": "another"}},
        {"path": path, "meta": None},
        {"path": path, "meta": META, "is_stream": True},
        {"path": path, "url": f"{server.api}/file={path}", "orig_name": "photo.png"},
        {"path": f"file://{path}"},
        {"path": f"{inside}/..{'/..' * 8}{path}"},
        {"path": relative},
        {"path": f"/proc/self/root{path}"},
        {"path": f"{path}\0"},
        [plain],
        [[plain]],
        {"image": plain},
        {"value": {"background": plain}},
    ]  # fmt: skip


def attempts(server: Server, private: Path) -> Iterator[tuple[int, list[Any]]]:
    """Every endpoint with a foreign path in every place: where files belong in all spellings, elsewhere in two of them."""
    names = ("there.png", "gone.png", "there.txt", "there")
    every = [spelling for name in names for spelling in spellings(str(private / name), server)]
    for endpoint in server.endpoints:
        defaults = server.defaults(endpoint)
        for place, component in enumerate(endpoint["inputs"]):
            turn = (endpoint["id"] + 7 * place) % len(every)
            some = every if server.takes_files(component) else [every[turn], every[turn - len(every) // 2]]
            for spelling in some:
                yield endpoint["id"], [*defaults[:place], spelling, *defaults[place + 1 :]]


def test_a_foreign_path_is_refused_by_every_endpoint_in_every_place(server: Server, private: Path) -> None:
    requests = list(attempts(server, private))
    assert len(server.endpoints) > 30 and len(requests) > 1000
    with nothing_opened_in(private):
        for begin in range(0, len(requests), 900):
            part = requests[begin : begin + 900]
            for (number, data), answer in zip(part, server.ask(part, f"walk{begin}"), strict=True):
                assert not answer["success"], (number, data)
                assert answer["output"]["error"] == NOT_UPLOADED, (number, data)


def test_by_name_too(server: Server, private: Path) -> None:
    refused = json.dumps(NOT_UPLOADED)
    asked = 0
    with nothing_opened_in(private):
        for endpoint in server.endpoints:
            if endpoint["api_visibility"] != "public" or not endpoint["inputs"]:
                continue
            defaults = server.defaults(endpoint)
            for place, component in enumerate(endpoint["inputs"]):
                if server.takes_files(component):
                    for name in ("there.png", "gone.png"):
                        for spelling in spellings(str(private / name), server)[:11]:
                            data = [*defaults[:place], spelling, *defaults[place + 1 :]]
                            assert refused in called(server, endpoint["api_name"], data)
                            asked += 1
    assert asked >= 2 * 2 * 11


def test_links_in_the_upload_folder_lead_nowhere(server: Server, private: Path) -> None:
    link = Path(server.upload()).with_name(f"{uuid4().hex}.png")
    link.symlink_to(private / "there.png")
    try:
        with nothing_opened_in(private):
            assert json.dumps(NOT_UPLOADED) in called(server, "upscale", [{"path": str(link)}, "bicubic", {}])
    finally:
        link.unlink()


def test_an_upload_reaches_every_endpoint_that_takes_files(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handlers are replaced: what is looked at is the way to them."""
    received: list[Any] = []

    def handler(*values: Any) -> Any:
        received.append(values)
        raise gr.Error("arrived", print_exception=False)

    reached = 0
    for endpoint in server.endpoints:
        places = [i for i, component in enumerate(endpoint["inputs"]) if server.takes_files(component)]
        if not places:
            continue
        with monkeypatch.context() as patch:
            patch.setattr(server.page.fns[endpoint["id"]], "fn", handler)
            for place in places:
                path = server.upload()
                sent: Any = {"path": path, "meta": META}
                defaults = server.defaults(endpoint)
                data = [
                    *defaults[:place],
                    [sent] if server.takes_lists(endpoint["inputs"][place]) else sent,
                    *defaults[place + 1 :],
                ]
                (answer,) = server.ask([(endpoint["id"], data)], f"upload{reached}")
                assert answer["output"]["error"] == "arrived", (endpoint["id"], answer)
                assert received[-1][place] in (path, [path])
                reached += 1
    assert reached >= 8


def test_an_upload_is_enlarged_with_and_without_the_mark_of_file_data(server: Server) -> None:
    for extra in ({}, {"meta": META}):
        answer = called(server, "upscale", [{"path": server.upload(), **extra}, "bicubic", {}])
        assert '"width": 128' in answer
    answer = called(server, "compare", [{"path": server.upload()}, ["bicubic"], False])
    assert '"width": 128' in answer


def test_nothing_but_uploads_and_results_is_served(server: Server, private: Path) -> None:
    result = json.loads(called(server, "upscale", [{"path": server.upload()}, "bicubic", {}]))[0]["path"]
    for path in (server.upload(), result):
        assert server.client.get(f"{server.api}/file={path}").status_code == 200
    root = Path(__file__).resolve().parents[2]
    foreign = [
        private / "there.png", private / "gone.png", private, "/etc/passwd", root / "README.md", root / "app.py", "app.py",
        "README.md", ".gradio", server.store.folder, f"{get_upload_folder()}/..{private}/there.png", "http://127.0.0.1:1/x.png",
        "file:///etc/passwd", root / "weights",
    ]  # fmt: skip
    for path in foreign:
        for route in ("file=", "file/"):
            answer = server.client.get(f"{server.api}/{route}{path}")
            assert answer.status_code in (403, 404), (route, path)
            assert len(answer.text) < 400


def test_gradios_own_routes_that_the_page_does_not_use_are_closed(server: Server) -> None:
    for path in ("proxy=https://example.com/", "deep_link?session_hash=walk0"):
        assert server.client.get(f"{server.api}/{path}").status_code == 403
    for path in ("process_recording", "component_server"):
        assert server.client.post(f"{server.api}/{path}", json={}).status_code == 403
