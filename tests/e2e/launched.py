"""Pages that are served for tests: with approaches made for them, and with an API that is called by number."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
import httpx

from sr_demo.approaches import baselines
from sr_demo.approaches.diffusion import APPROACH as DIFFUSION
from sr_demo.checkpoint import Tiling
from sr_demo.errors import BadInput
from sr_demo.image import Image, encode_png
from sr_demo.imaging.resize import resize
from sr_demo.inference.runner import Runner
from sr_demo.options import Options
from sr_demo.progress import Progress
from sr_demo.settings import Settings
from sr_demo.spec import Approach, Request, Upscaler
from sr_demo.ui import page as pages
from sr_demo.ui.store import Store
from tests.conftest import image_of, noise

PHOTO = encode_png(image_of(noise(24, 32)))
META = {"_type": "gradio.FileData"}


@dataclass(frozen=True)
class Slow:
    """Bicubic that takes a moment for each tile."""

    precision: str = "fp32"
    backend: str = ""
    loss_db: float | None = None

    def upscale(self, image: Image, options: Options, progress: Progress) -> Image:
        time.sleep(0.4)
        return resize(image, (image.shape[0] * 4, image.shape[1] * 4))


def _load_slow(request: Request) -> Upscaler:
    return Slow()


def _load_failing(request: Request) -> Upscaler:
    raise BadInput("This one <b>never</b> works. Choose another.")


GOOD = replace(baselines.BICUBIC, id="good", title="Good")
SLOW = Approach(
    id="slow", title="Slow", summary="takes its time", about="", family="baseline", load=_load_slow,
    tiling=Tiling("tiles", largest=32),
)  # fmt: skip
FAILING = Approach(
    id="failing", title="Failing", summary="never works", about="", family="baseline", load=_load_failing
)


def launch(
    serve: Callable[..., str],
    approaches: tuple[Approach, ...],
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> str:
    store = Store()
    built = pages.build_page(approaches, Runner(), store, settings)
    arguments = pages.launch_arguments(store, settings)
    del arguments["server_port"]
    return serve(built, **arguments)


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
            # Not by `json=`: httpx refuses NaN.
            content, kind = json.dumps(body), {"content-type": "application/json"}
            joined = self.client.post(f"{self.api}/queue/join", content=content, headers=kind)
            assert joined.status_code == 200, (number, joined.text[:400])
            ids.append(joined.json()["event_id"])
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


def api_server(serve: Callable[..., str]) -> Server:
    """Launch a page that shows every tab, with a queue that refuses nothing."""
    store, settings = Store(), Settings(queue_length=1000)
    arguments = pages.launch_arguments(store, settings)
    del arguments["server_port"]
    page = pages.build_page((baselines.BICUBIC, DIFFUSION), Runner(), store, settings)
    return Server(page, serve(page, **arguments).rstrip("/"), store)
