"""Page upload and API make of every file a picture or a sentence, and serve the next visitor."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from gradio.utils import get_upload_folder

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.image import encode_png
from sr_demo.inference.runner import Runner
from sr_demo.ui import page as pages
from sr_demo.ui.store import Store
from tests.conftest import image_of, noise
from tests.e2e.conftest import Serve
from tests.e2e.test_request_validation import META, Server
from tests.walk.conftest import Locate
from tests.walk.doors import SETTINGS, walked
from tests.walk.table import Case
from tests.walk.verdict import Made, complaints

pytestmark = [pytest.mark.timeout(300), pytest.mark.filterwarnings("default")]
GOOD = encode_png(image_of(noise(6, 8)))


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Server]:
    store = Store()
    arguments = pages.launch_arguments(store, SETTINGS)
    del arguments["server_port"]
    page = pages.build_page((BICUBIC,), Runner(), store, SETTINGS)
    running = Server(page, serve(page, **arguments).rstrip("/"), store)
    yield running
    running.client.close()


def uploaded(server: Server, name: str, content: bytes) -> tuple[str, str]:
    """Upload as a browser does; return the path of the upload and the name as it arrives."""
    name = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    answer = server.client.post(f"{server.api}/upload", files={"files": (name, content)})
    assert answer.status_code == 200, answer.text
    return answer.json()[0], name


def fetched(server: Server, value: dict[str, Any]) -> bytes:
    return server.client.get(f"{server.api}/file={value['path']}").content


def by_api(server: Server, name: str, content: bytes) -> Made:
    """A program's upload and call of `/upscale`."""
    begun = time.monotonic()
    path, _ = uploaded(server, name, content)
    joined = server.client.post(f"{server.api}/call/upscale", json={"data": [{"path": path}, "bicubic", {}]})
    assert joined.status_code == 200, joined.text
    events = server.client.get(f"{server.api}/call/upscale/{joined.json()['event_id']}").text
    said = json.loads(events.rsplit("\ndata: ", 1)[1])
    seconds = time.monotonic() - begun
    if isinstance(said, dict):
        return Made(seconds, sentence=said["error"] or "")
    file, report = said
    return Made(seconds, fetched(server, file), said=json.dumps(report, ensure_ascii=False))


def by_page(server: Server, name: str, content: bytes, session: str) -> Made:
    """The event that the page sends when a file was dropped into its box."""
    begun = time.monotonic()
    path, name = uploaded(server, name, content)
    take = next(e for e in server.endpoints if server.page.fns[e["id"]].name == "take" and len(e["outputs"]) > 3)
    file = {"path": path, "orig_name": name, "size": len(content), "mime_type": "image/png", "meta": META}
    values = [file if server.takes_files(i) else v for i, v in zip(take["inputs"], server.defaults(take), strict=True)]
    body = {"data": values, "fn_index": take["id"], "session_hash": session, "event_data": None, "trigger_id": 1}
    answer = server.client.post(f"{server.api}/run/predict", json=body)
    assert answer.status_code == 200, answer.text
    seconds = time.monotonic() - begun
    texts = [value for value in answer.json()["data"] if isinstance(value, str) and "<p" in value]
    files = [value for value in answer.json()["data"] if isinstance(value, dict) and value.get("path")]
    text = unescape(re.sub("<[^>]+>", "", texts[0]))
    if 'role="alert"' in texts[0]:
        assert files == []
        return Made(seconds, sentence=text)
    if max(map(int, re.findall(r"(\d+) × (\d+) pixels", text)[0])) > 768:
        return Made(seconds, GOOD, said=text)
    return Made(seconds, fetched(server, files[0]), said=text, upscaled=1)


def secrets(server: Server) -> tuple[str, ...]:
    return str(get_upload_folder()), str(server.store.folder), str(Path.home()), "/tmp"


@walked()
def test_the_api_makes_an_image_or_a_sentence(case: Case, server: Server, locate: Locate) -> None:
    made = by_api(server, case.name, locate(case).read_bytes())
    assert complaints(case, made, secrets=secrets(server)) == []
    assert by_api(server, "good.png", GOOD).png is not None


@walked()
def test_the_page_shows_an_image_or_a_sentence(case: Case, server: Server, locate: Locate) -> None:
    made = by_page(server, case.name, locate(case).read_bytes(), f"page {case.folder} {abs(hash(case.name))}")
    if made.png is GOOD:  # larger than its preview
        assert case.outcome != "sentence" and case.size is not None
        assert f"{case.size[0]} × {case.size[1]} pixels" in made.said
        return
    preview = Case(case.folder, case.name, case.outcome, case.size, case.said, never=case.never)
    assert complaints(preview, made, secrets=secrets(server)) == []
    assert by_page(server, "good.png", GOOD, "good").png is not None
