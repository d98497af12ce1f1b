"""Visitors and programs at once, over real HTTP: none holds up the others, and work ends when its caller leaves."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import expect

from sr_demo.approaches.baselines import BICUBIC
from sr_demo.benchmarks.server import page_event
from sr_demo.checkpoint import Checkpoint, WeightFile
from sr_demo.errors import BadInput
from sr_demo.image import Image, write_png
from sr_demo.inference.jobs import Done
from sr_demo.inference.runner import Runner
from sr_demo.progress import Progress
from sr_demo.settings import Settings
from sr_demo.spec import Approach
from sr_demo.ui import callers, fetching, mcp, request_validation
from sr_demo.ui import page as pages
from sr_demo.ui.store import Store
from tests import fakes
from tests.conftest import image_of, noise
from tests.e2e.conftest import OpenPage, Serve
from tests.e2e.test_page import choose_only, compare, finished, upload
from tests.hub_server import Fault, HubServer

pytestmark = pytest.mark.timeout(180)
PATIENCE = 12.0
"""Seconds. Work that is not stopped goes on for a minute; answers may be unread for 15 s, but where a test says otherwise."""
BYTES = b"weights" * 1000


@dataclass
class Endless:
    """Computes until it is stopped, or let go."""

    begun: Event = field(default_factory=Event)
    ended: Event = field(default_factory=Event)
    let_go: Event = field(default_factory=Event)
    """Ends all runs."""
    one_ends: Event = field(default_factory=Event)
    """Ends the run under way."""
    runs: int = 0

    def work(self, image: Image, progress: Progress) -> Image:
        self.runs += 1
        self.begun.set()
        end = time.monotonic() + 60
        try:
            while time.monotonic() < end and not self.let_go.is_set():
                progress(0.1)
                if self.one_ends.is_set():
                    self.one_ends.clear()
                    break
                time.sleep(0.02)
        finally:
            self.ended.set()
        return fakes.upscaled(image)

    def approach(self) -> Approach:
        return fakes.approach(fakes.Fake(self.work), name="endless")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "photo.png"
    write_png(image_of(noise(12, 16)), file)
    return file


@dataclass
class Server:
    url: str
    endless: Endless
    page: Any

    def post(self, endpoint: str, *data: Any) -> str:
        """Ask, without reading the answer: the event."""
        asked = httpx.post(f"{self.url}/gradio_api/call/{endpoint}", json={"data": data}, timeout=PATIENCE)
        return asked.raise_for_status().json()["event_id"]

    def answer(self, endpoint: str, event: str) -> str:
        """The whole stream of answers."""
        return httpx.get(f"{self.url}/gradio_api/call/{endpoint}/{event}", timeout=60).text

    def uploaded(self, photo: Path) -> dict[str, Any]:
        sent = httpx.post(f"{self.url}/gradio_api/upload", files={"files": photo.read_bytes()}, timeout=PATIENCE)
        return {"path": sent.json()[0], "meta": {"_type": "gradio.FileData"}}


def started(serve: Serve, *approaches: Approach, settings: Settings = Settings()) -> Server:  # noqa: B008 - frozen
    endless, store = Endless(), Store()
    built = pages.build_page((BICUBIC, endless.approach(), *approaches), Runner(), store, settings)
    arguments = pages.launch_arguments(store, settings)
    del arguments["server_port"]
    return Server(serve(built, **arguments).rstrip("/"), endless, built)


@pytest.fixture
def server(serve: Serve) -> Iterator[Server]:
    made = started(serve)
    yield made
    made.endless.let_go.set()


def test_work_ends_when_the_stream_of_answers_is_closed(server: Server, photo: Path) -> None:
    event = server.post("upscale", server.uploaded(photo), "endless", {})
    with httpx.stream("GET", f"{server.url}/gradio_api/call/upscale/{event}", timeout=PATIENCE):
        assert server.endless.begun.wait(PATIENCE)
        assert not server.endless.ended.wait(1.5)
    assert server.endless.ended.wait(PATIENCE)


def test_work_ends_when_the_answers_stay_unread(server: Server, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "_UNREAD_SECONDS", 1.0)
    server.post("compare", server.uploaded(photo), ["endless", "bicubic"], False)
    assert server.endless.begun.wait(PATIENCE)
    assert server.endless.ended.wait(PATIENCE)


def test_work_ends_when_the_client_cancels_it(server: Server, photo: Path) -> None:
    client = Client(server.url, verbose=False)
    job = client.submit(handle_file(photo), "endless", {}, api_name="/upscale")
    assert server.endless.begun.wait(PATIENCE)
    job.cancel()
    assert server.endless.ended.wait(PATIENCE)
    _, facts = client.predict(handle_file(photo), "bicubic", {}, api_name="/upscale")
    assert facts["width"] == 64


def test_unread_calls_hold_up_no_light_event_and_no_other_visitor(server: Server, photo: Path) -> None:
    file = server.uploaded(photo)
    for _ in range(20):
        server.post("upscale", file, "endless", {})
    assert server.endless.begun.wait(PATIENCE)
    chosen = {"photo": server.uploaded(photo), "methods": ["bicubic"]}
    take, values = page_event(server.page.get_config_file(), "take", chosen)
    body = {"data": values, "fn_index": take, "session_hash": "a-page"}
    begun = time.monotonic()
    taken = httpx.post(f"{server.url}/gradio_api/run/predict", json=body, timeout=PATIENCE)
    assert taken.status_code == 200 and "16 × 12" in taken.text
    assert time.monotonic() - begun < 5
    run = next(fn for fn in server.page.fns.values() if fn.fn and fn.fn.__qualname__ == "RunHandlers.run")
    beyond = {"data": [], "fn_index": run._id, "session_hash": "a-page"}
    assert httpx.post(f"{server.url}/gradio_api/run/predict", json=beyond).status_code == 404, "not past the queue"
    server.endless.let_go.set()


@pytest.mark.slow
def test_another_visitor_waits_for_one_run_of_many(serve: Serve, photo: Path) -> None:
    server = started(serve, settings=Settings(proxied=True))
    file, other = server.uploaded(photo), {"x-forwarded-for": "10.0.0.2"}
    events = [server.post("upscale", file, "endless", {}) for _ in range(5)]
    assert server.endless.begun.wait(PATIENCE)
    client = Client(server.url, verbose=False, headers=other)
    theirs = client.submit(handle_file(photo), "bicubic", {}, api_name="/upscale")
    time.sleep(1.0)  # now they all stand in the line
    assert not theirs.done() and server.endless.runs == 1
    server.endless.one_ends.set()
    assert theirs.result(timeout=PATIENCE)[1]["width"] == 64
    assert server.endless.runs <= 2
    server.endless.let_go.set()
    assert all("event: complete" in server.answer("upscale", event) for event in events)


def test_slow_addresses_of_one_caller_hold_up_no_other(
    serve: Serve, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = Event()

    async def slow(addresses: list[str], most: int) -> list[BadInput]:
        while not let_go.is_set():
            await asyncio.sleep(0.02)
        return [BadInput("too slow") for _ in addresses]

    monkeypatch.setattr(request_validation, "fetch_all", slow)
    assert pages._LIGHT_THREADS > fetching.MOST_CALLS
    monkeypatch.setattr(pages, "_LIGHT_THREADS", 10)  # and so 12 jobs of Gradio's queue
    server = started(serve, settings=Settings(queue_length=2, proxied=True))
    try:
        with httpx.Client(base_url=f"{server.url}/gradio_api/call", timeout=PATIENCE) as client:
            one, other = ({"X-Forwarded-For": f"192.0.2.{caller}"} for caller in (1, 2))
            far = {"data": [{"path": "http://slow.example/a.png"}, "bicubic", {}]}
            events = [client.post("/upscale", json=far, headers=one).json()["event_id"] for _ in range(14)]
            here = {"data": [server.uploaded(photo), "bicubic", {}]}
            event = client.post("/upscale", json=here, headers=other).json()["event_id"]
            assert "event: complete" in client.get(f"/upscale/{event}").text
            assert "Upload yours instead, or try again" in client.get(f"/upscale/{events[-1]}").text
            let_go.set()
            assert "too slow" in client.get(f"/upscale/{events[0]}").text
    finally:
        let_go.set()


def test_a_full_line_is_a_sentence_with_the_expected_wait(serve: Serve, photo: Path) -> None:
    server = started(serve, settings=Settings(queue_length=2))
    file = server.uploaded(photo)
    server.post("upscale", file, "endless", {})
    assert server.endless.begun.wait(PATIENCE)
    said = server.answer("upscale", server.post("upscale", file, "bicubic", {}))
    assert "1 jobs from your address are waiting or running" in said and "Please try again then." in said
    server.endless.let_go.set()


@pytest.mark.slow
def test_a_job_that_takes_too_long_is_a_sentence_and_what_is_finished_stays(serve: Serve, photo: Path) -> None:
    server = started(serve, settings=Settings(max_seconds=1))
    file = server.uploaded(photo)
    said = server.answer("compare", server.post("compare", file, ["bicubic", "endless"], False))
    _, report = json.loads(said.rsplit("data: ", 1)[1])
    assert [result["approach"] for result in report["results"]] == ["bicubic"]
    assert "longer than one job may take on this server" in report["failures"][0]["message"]
    assert "longer than one job" in server.answer("upscale", server.post("upscale", file, "endless", {}))


@pytest.mark.slow
@pytest.mark.e2e
def test_a_visitor_sees_the_place_in_the_line_and_a_closed_page_gives_its_turn_up(
    server: Server, photo: Path, open_page: OpenPage
) -> None:
    first, second = open_page(server.url), open_page(server.url)
    for page, method in ((first, "Endless"), (second, "Bicubic")):
        upload(page, photo)
        choose_only(page, method)
        compare(page)
        if page is first:
            assert server.endless.begun.wait(PATIENCE)
    expect(second.locator("#viewer")).to_contain_text("waiting: 1 before you, about", timeout=PATIENCE * 1000)
    first.close()
    assert server.endless.ended.wait(PATIENCE)
    finished(second)


@pytest.mark.slow
@pytest.mark.e2e
def test_a_full_line_is_a_sentence_on_the_page(serve: Serve, photo: Path, open_page: OpenPage) -> None:
    server = started(serve, settings=Settings(queue_length=1))
    server.post("upscale", server.uploaded(photo), "endless", {})
    assert server.endless.begun.wait(PATIENCE)
    page = open_page(server.url)
    upload(page, photo)
    choose_only(page, "Bicubic")
    compare(page)
    expect(page.locator("#progress")).to_contain_text("This server is busy: all 1 places are taken", timeout=20_000)
    server.endless.let_go.set()


def far() -> Approach:
    """An approach whose weights come from a hub."""
    digest = hashlib.sha256(BYTES).hexdigest()
    file = WeightFile("far.bin", digest, len(BYTES), (f"owner/far@{'0' * 40}:far.bin",))
    return fakes.approach(
        fakes.Fake(lambda image, progress: fakes.upscaled(image)),
        name="far",
        checkpoint=Checkpoint("default", "far", (file,)),
    )


@pytest.fixture
def stalled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    """A hub that sends a little of its file, then nothing."""
    with HubServer({"owner/far": {"far.bin": BYTES}}) as hub:
        hub.serve_client(monkeypatch, tmp_path)
        hub.faults["*"] = Fault(stall_after=100)
        yield hub


def until_asked(hub: HubServer) -> None:
    end = time.monotonic() + PATIENCE
    while not any(request.startswith("GET") for request in hub.requests):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_stalled_download_holds_up_no_other_runner_job(stalled: HubServer) -> None:
    runner, stop = Runner(), Event()
    waiting = Thread(target=lambda: list(runner.compare([fakes.job(far())], image_of(noise(12, 16)), stop=stop)))
    waiting.start()
    until_asked(stalled)
    begun = time.monotonic()
    outcomes = list(runner.compare([fakes.job(fakes.good())], image_of(noise(12, 16))))
    assert isinstance(outcomes[-1], Done) and time.monotonic() - begun < 5 and waiting.is_alive()
    stop.set()
    waiting.join(PATIENCE)
    assert not waiting.is_alive()


@pytest.mark.parametrize("reports", [False, True])
def test_work_ends_when_an_assistant_has_left(serve: Serve, photo: Path, reports: bool) -> None:
    pytest.importorskip("mcp")
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    server = started(serve, settings=Settings(mcp=True))
    mcp.refine(server.page, 2**20)
    data = f"data:image/png;base64,{base64.b64encode(photo.read_bytes()).decode()}"

    async def watch(progress: float, total: float | None, message: str | None) -> None:
        """Asks for reports by being there."""

    async def leave() -> None:
        async with (
            streamable_http_client(f"{server.url}/gradio_api/mcp/") as (reading, writing, _),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            asked = {"image": data, "approach": "endless"}
            call = asyncio.create_task(
                session.call_tool("upscale", asked, progress_callback=watch if reports else None)
            )
            while not server.endless.begun.is_set():
                await asyncio.sleep(0.05)
            call.cancel()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, leave()).result()
    assert server.endless.ended.wait(PATIENCE)


@pytest.mark.parametrize("endpoint", ["upscale", "compare"])
def test_a_stalled_download_holds_up_no_other_call(
    serve: Serve, stalled: HubServer, photo: Path, endpoint: str
) -> None:
    server = started(serve, far())
    file = server.uploaded(photo)
    server.post(endpoint, file, *(("far", {}) if endpoint == "upscale" else (["far"], False)))
    until_asked(stalled)
    begun = time.monotonic()
    said = server.answer("upscale", server.post("upscale", file, "bicubic", {}))
    assert "event: complete" in said and time.monotonic() - begun < 5
