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
import pytest
from gradio.utils import get_upload_folder

from sr_demo.ui.request_validation import NOT_UPLOADED
from tests.e2e.launched import META, PHOTO, Server, called

pytestmark = pytest.mark.timeout(300)


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


def attempts(api_server: Server, private: Path) -> Iterator[tuple[int, list[Any]]]:
    """Every endpoint with a foreign path in every place: in turn, two of all spellings of all names.

    Where files belong, all spellings of a photo, and a quarter of those of a missing one, a text and a folder.
    """
    photo = spellings(str(private / "there.png"), api_server)
    others = [
        spelling
        for name in ("gone.png", "there.txt", "there")
        for spelling in spellings(str(private / name), api_server)
    ]
    every = [*photo, *others]
    for endpoint in api_server.endpoints:
        defaults = api_server.defaults(endpoint)
        for place, component in enumerate(endpoint["inputs"]):
            turn = (endpoint["id"] + 7 * place) % len(every)
            some = [every[turn], every[turn - len(every) // 2]]
            if api_server.takes_files(component):
                some = [*photo, *others[turn % 4 :: 4]]
            for spelling in some:
                yield endpoint["id"], [*defaults[:place], spelling, *defaults[place + 1 :]]


def test_a_foreign_path_is_refused_by_every_endpoint_in_every_place(api_server: Server, private: Path) -> None:
    requests = list(attempts(api_server, private))
    assert "guess" in {endpoint["api_name"] for endpoint in api_server.endpoints}, "the diffusion tab is among them"
    assert len(api_server.endpoints) > 30 and len(requests) > 1000
    with nothing_opened_in(private):
        for begin in range(0, len(requests), 900):
            part = requests[begin : begin + 900]
            for (number, data), answer in zip(part, api_server.ask(part, f"walk{begin}"), strict=True):
                assert not answer["success"], (number, data)
                assert answer["output"]["error"] == NOT_UPLOADED, (number, data)


def test_by_name_too(api_server: Server, private: Path) -> None:
    refused = json.dumps(NOT_UPLOADED)
    asked = 0
    with nothing_opened_in(private):
        for endpoint in api_server.endpoints:
            if endpoint["api_visibility"] != "public" or not endpoint["inputs"]:
                continue
            defaults = api_server.defaults(endpoint)
            for place, component in enumerate(endpoint["inputs"]):
                if api_server.takes_files(component):
                    for name in ("there.png", "gone.png"):
                        for spelling in spellings(str(private / name), api_server)[:11]:
                            data = [*defaults[:place], spelling, *defaults[place + 1 :]]
                            assert refused in called(api_server, endpoint["api_name"], data)
                            asked += 1
    assert asked >= 2 * 2 * 11


def test_links_in_the_upload_folder_lead_nowhere(api_server: Server, private: Path) -> None:
    link = Path(api_server.upload()).with_name(f"{uuid4().hex}.png")
    link.symlink_to(private / "there.png")
    try:
        with nothing_opened_in(private):
            assert json.dumps(NOT_UPLOADED) in called(api_server, "upscale", [{"path": str(link)}, "bicubic", {}])
    finally:
        link.unlink()


def test_an_upload_reaches_every_endpoint_that_takes_files(api_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handlers are replaced: what is looked at is the way to them."""
    received: list[Any] = []

    def handler(*values: Any) -> Any:
        received.append(values)
        raise gr.Error("arrived", print_exception=False)

    reached = 0
    for endpoint in api_server.endpoints:
        places = [i for i, component in enumerate(endpoint["inputs"]) if api_server.takes_files(component)]
        if not places:
            continue
        with monkeypatch.context() as patch:
            patch.setattr(api_server.page.fns[endpoint["id"]], "fn", handler)
            for place in places:
                path = api_server.upload()
                sent: Any = {"path": path, "meta": META}
                defaults = api_server.defaults(endpoint)
                data = [
                    *defaults[:place],
                    [sent] if api_server.takes_lists(endpoint["inputs"][place]) else sent,
                    *defaults[place + 1 :],
                ]
                (answer,) = api_server.ask([(endpoint["id"], data)], f"upload{reached}")
                assert answer["output"]["error"] == "arrived", (endpoint["id"], answer)
                arrived = received[-1][0].values() if isinstance(received[-1][0], dict) else received[-1]
                assert any(value in (path, [path]) for value in arrived)
                reached += 1
    assert reached >= 8


def test_an_upload_is_enlarged_with_and_without_the_mark_of_file_data(api_server: Server) -> None:
    for extra in ({}, {"meta": META}):
        answer = called(api_server, "upscale", [{"path": api_server.upload(), **extra}, "bicubic", {}])
        assert '"width": 128' in answer
    file = {"path": api_server.upload()}
    answer = called(api_server, "compare", [file, ["bicubic"], False])
    assert '"width": 128' in answer
    files, report = json.loads(called(api_server, "compare", [file, ["bicubic"], True, "", {}, [file, file]]))
    assert [row["title"] for row in report["results"]] == ["Bicubic", "brought: photo", "brought: photo (2)"]
    assert report["results"][1]["psnr_y"] == "identical" and len(files) == 3


def test_nothing_but_uploads_and_results_is_served(api_server: Server, private: Path) -> None:
    result = json.loads(called(api_server, "upscale", [{"path": api_server.upload()}, "bicubic", {}]))[0]["path"]
    for path in (api_server.upload(), result):
        assert api_server.client.get(f"{api_server.api}/file={path}").status_code == 200
    root = Path(__file__).resolve().parents[2]
    foreign = [
        private / "there.png", private / "gone.png", private, "/etc/passwd", root / "README.md", root / "app.py", "app.py",
        "README.md", ".gradio", api_server.store.folder, f"{get_upload_folder()}/..{private}/there.png", "http://127.0.0.1:1/x.png",
        "file:///etc/passwd", root / "weights",
    ]  # fmt: skip
    for path in foreign:
        for route in ("file=", "file/"):
            answer = api_server.client.get(f"{api_server.api}/{route}{path}")
            assert answer.status_code in (403, 404), (route, path)
            assert len(answer.text) < 400


def test_gradios_own_routes_that_the_page_does_not_use_are_closed(api_server: Server) -> None:
    for path in ("proxy=https://example.com/", "deep_link?session_hash=walk0"):
        assert api_server.client.get(f"{api_server.api}/{path}").status_code == 403
    for path in ("process_recording", "component_server"):
        assert api_server.client.post(f"{api_server.api}/{path}", json={}).status_code == 403
