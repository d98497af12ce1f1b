"""A real server in a separate process, and a client of its HTTP API."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from sr_demo.errors import SRError

_APP = Path(__file__).resolve().parents[2] / "app.py"
_PATIENCE_SECONDS = 300.0
_ANSWER_SECONDS = 300.0


@dataclass(frozen=True)
class Server:
    """One running server."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    """File with the server's output."""
    seconds: float
    """Time from starting Python until `GET /` succeeded."""

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def kill(self) -> None:
        """Kill the server, as a power cut would."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Terminate the server, as `docker stop` would."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


def start(
    cache: Path, temporary: Path, log: Path, settings: Mapping[str, str] | None = None, group: Path | None = None
) -> Server:
    """Start `app.py` and wait until it serves; as a context manager, the server is ended at the end of the block.

    Args:
        cache: Cache folder.
        temporary: Folder for temporary files.
        log: File that the server's output is appended to.
        settings: Further environment variables.
        group: Folder of a cgroup for the server; None for no cgroup.

    Raises:
        SRError: The server did not start; the message holds the end of its log.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {
        "SR_DEMO_PORT": str(port),
        "SR_DEMO_HOST": "127.0.0.1",
        "SR_DEMO_CACHE": str(cache),
        "TMPDIR": str(temporary),
    }
    environ = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"}
    begun = time.perf_counter()
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, str(_APP)], cwd=_APP.parent, env={**environ, **own, **(settings or {})},
            stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    if group is not None:
        (group / "cgroup.procs").write_text(str(process.pid))
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx2.Client(base_url=url, timeout=30) as client:
            while not _serves(client):
                if process.poll() is not None or time.perf_counter() - begun > _PATIENCE_SECONDS:
                    raise SRError(f"The server did not come up: {log.read_text(errors='replace').strip()[-300:]}")
                time.sleep(0.02)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return Server(url, process, log, time.perf_counter() - begun)


def _serves(client: httpx2.Client) -> bool:
    try:
        return client.get("/").status_code == 200
    except httpx2.HTTPError:
        return False


class Visitor:
    """A client with one connection and one session. Methods raise SRError when the server gives no result."""

    def __init__(self, url: str) -> None:
        self._client = httpx2.Client(base_url=url, timeout=_ANSWER_SECONDS)
        self._session = uuid.uuid4().hex[:12]
        self._config: dict[str, Any] = {}

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def page(self) -> None:
        """Request what a browser requests first, and read the page's events and components."""
        for path in ("/", "/config"):
            answer = self._client.get(path)
            if answer.status_code != 200:
                raise SRError(f"GET {path}: status {answer.status_code}")
        self._config = answer.json()

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """Upload a file; return the value that represents it in the arguments of a call."""
        answer = self._client.post("/gradio_api/upload", files={"files": (name, content)})
        if answer.status_code != 200:
            raise SRError(f"upload: status {answer.status_code}: {answer.text[:200]}")
        return {"path": answer.json()[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def call(self, endpoint: str, *values: Any) -> list[Any]:
        """Call an endpoint of the API and return its results."""
        answer = self._client.post(f"/gradio_api/call/{endpoint}", json={"data": values})
        if answer.status_code != 200:
            raise SRError(f"{endpoint}: status {answer.status_code}: {answer.text[:200]}")
        event, data = "", ""
        with self._client.stream("GET", f"/gradio_api/call/{endpoint}/{answer.json()['event_id']}") as stream:
            for line in stream.iter_lines():
                kind, _, text = line.partition(": ")
                event, data = (text, data) if kind == "event" else (event, text) if kind == "data" else (event, data)
                if kind == "data" and event in ("complete", "error"):
                    break
        if event != "complete":
            raise SRError(f"{endpoint}: {data[:200] or 'the connection ended'}")
        return json.loads(data)

    def fetch(self, file: Mapping[str, Any]) -> bytes:
        """Download a file that a call returned."""
        answer = self._client.get(file["url"])
        if answer.status_code != 200:
            raise SRError(f"{file['url']}: status {answer.status_code}")
        return answer.content

    def event(self, name: str, **values: Any) -> list[Any]:
        """Trigger an event of the page as the page itself does, and return its results; call `page` before.

        Args:
            name: Name of the event.
            values: Values of components by `elem_id`; the others keep the values of a fresh page.
        """
        event, inputs = page_event(self._config, name, values)
        sent = {"data": inputs, "fn_index": event, "session_hash": self._session}
        answer = self._client.post("/gradio_api/queue/join", json=sent)
        if answer.status_code != 200:
            raise SRError(f"{name}: status {answer.status_code}: {answer.text[:200]}")
        with self._client.stream("GET", "/gradio_api/queue/data", params={"session_hash": self._session}) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
                if message.get("msg") == "process_completed":
                    if not message["success"]:
                        raise SRError(f"{name}: {message['output'].get('error') or 'an error without a message'}")
                    return message["output"]["data"]
        raise SRError(f"{name}: the connection ended")


def page_event(config: Mapping[str, Any], name: str, values: Mapping[str, Any]) -> tuple[int, list[Any]]:
    """Return the number and the input values of an event, as a fresh page would send them.

    Args:
        config: The response to `GET /config`.
        name: Name of the event.
        values: Values of components by `elem_id`; the others keep their initial value.

    Raises:
        SRError: The page has no such event, or the event has no such input.
    """
    event = next((event for event in config["dependencies"] if event["api_name"] == name), None)
    if event is None:
        raise SRError(f"the page has no event {name}")
    components = {component["id"]: component["props"] for component in config["components"]}
    inputs = [components[number] for number in event["inputs"]]
    unknown = values.keys() - {props.get("elem_id") for props in inputs}
    if unknown:
        raise SRError(f"the event {name} has no input {', '.join(sorted(unknown))}")
    return event["id"], [values.get(props.get("elem_id") or "", props.get("value")) for props in inputs]
