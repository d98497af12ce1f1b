"""A small Hugging Face Hub on 127.0.0.1 that speaks the file routes as `hf_hub_download` uses them.

    with HubServer({"owner/repo": {"model.safetensors": Path(...)}}) as hub:
        hub.serve_client(monkeypatch, tmp_path)

Real HTTP, a real port, one thread per request; nothing of the client is replaced. `HEAD` and `GET` of
`/{repo}/resolve/{revision}/{path}` answer with the headers the Hub sends, `/files/{repo}/{path}` is a plain web host
without them. Faults are switched on per `repo:path` (or for everything, with `"*"`).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants

Files = MutableMapping[str, MutableMapping[str, Path | bytes]]


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one file; nothing with the defaults."""

    status: int = 0
    """Answer every request with this status and no error code (500, 503, 403, …)."""
    wrong_bytes: bool = False
    """Send the right number of other bytes."""
    breaks: int = 0
    """Close the connection half-way, this many times; -1: always."""
    short: bool = False
    """Send a proper answer that holds only half of the file."""
    stall_after: int = -1
    """Send that many bytes, then nothing more until the client goes away."""
    seconds_per_chunk: float = 0.0
    """Pause after every 16 KiB."""
    moved_to: str = ""
    """Redirect to this address."""


S = TypeVar("S", bound="HubServer")


class HubServer:
    """Serves `files` (repository -> path -> bytes or a file on disk) until the `with` block ends."""

    def __init__(self, files: Files, *, gated: frozenset[str] = frozenset()) -> None:
        self.files = files
        self.gated = gated
        self.token = ""
        """The token that opens gated repositories."""
        self.elsewhere = False
        """Answer as the Hub does for large files: with the headers, and a redirect to another host for the bytes."""
        self.xet = False
        """Offer the bytes by the Xet protocol too, whose storage does not answer."""
        self.faults: dict[str, Fault] = {}
        """`owner/repo:path`, or `*` for every file -> what goes wrong."""
        self.requests: list[str] = []
        """Requests as "GET owner/repo:path", in order."""
        self.paths: list[str] = []
        """Paths of the requests, with the revision."""
        self.tokens_elsewhere: list[str] = []
        """Tokens that were sent to a plain address, which must never happen."""
        self.broken = 0
        self.closing = Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hub = self

    @property
    def endpoint(self) -> str:
        """What to set HF_ENDPOINT to."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def elsewhere_endpoint(self) -> str:
        """The same server under another name: another host, as far as the client can tell."""
        return self.endpoint.replace("127.0.0.1", "localhost")

    def address(self, repo: str, path: str) -> str:
        """The same file as a plain web address, without the Hub's headers."""
        return f"{self.endpoint}/files/{repo}/{path}"

    def serve_client(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        """Point the real client at this server, whatever the environment says, with its caches in `folder`."""
        monkeypatch.setenv("SR_DEMO_CACHE", str(folder / "cache"))
        monkeypatch.setenv("HF_ENDPOINT", self.endpoint)
        for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        # The client reads these once, when it is imported.
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hf"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))

    def __enter__(self: S) -> S:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening; from now on connections are refused."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: HubServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: object) -> None:
        """Tests look at `HubServer.requests` instead."""

    def do_HEAD(self) -> None:
        self._answer(send_body=False)

    def do_GET(self) -> None:
        self._answer(send_body=True)

    def _answer(self, *, send_body: bool) -> None:
        hub = self.server.hub
        path = unquote(urlsplit(self.path).path).lstrip("/")
        hub.paths.append(path)
        if path.startswith("api/"):
            self._list(path.removeprefix("api/").partition("/tree/")[0])
            return
        if path.startswith("files/"):
            owner, name, file = path.removeprefix("files/").split("/", 2)
            plain = True
        else:
            head, _, tail = path.partition("/resolve/")
            owner, _, name = head.partition("/")
            file = tail.partition("/")[2]
            plain = False
        repo = f"{owner}/{name}"
        hub.requests.append(f"{self.command} {repo}:{file}")
        if plain and (token := self.headers.get("Authorization")):
            hub.tokens_elsewhere.append(token)
        fault = hub.faults.get(f"{repo}:{file}") or hub.faults.get("*") or Fault()
        if fault.moved_to:
            self.send_response(302)
            self.send_header("Location", fault.moved_to)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif fault.status:
            self._refuse(fault.status)
        elif repo not in hub.files:
            self._refuse(404 if plain else 401, "RepoNotFound")
        elif repo in hub.gated and not plain and self.headers.get("Authorization") != f"Bearer {hub.token}":
            self._refuse(403 if self.headers.get("Authorization") else 401, "GatedRepo")
        elif file not in hub.files[repo]:
            self._refuse(404, "EntryNotFound", commit=_commit(hub.files[repo]))
        else:
            self._send(hub.files[repo], file, fault, plain=plain, send_body=send_body)

    def _list(self, repo: str) -> None:
        """The files of a repository, as the Hub's tree route gives them."""
        hub = self.server.hub
        hub.requests.append(f"{self.command} {repo}")
        repo = repo.removeprefix("models/")
        if repo not in hub.files:
            self._refuse(401, "RepoNotFound")
            return
        rows = [
            {
                "type": "file",
                "path": path,
                "size": len(_bytes(content)),
                "oid": hashlib.sha1(_bytes(content)).hexdigest(),
            }
            | (_large(_bytes(content)) if path.endswith((".safetensors", ".bin")) else {})
            for path, content in hub.files[repo].items()
        ]
        body = json.dumps(rows).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, code: str = "", commit: str = "") -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if commit:
            self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(
        self, files: Mapping[str, Path | bytes], file: str, fault: Fault, *, plain: bool, send_body: bool
    ) -> None:
        body = _bytes(files[file])
        etag = hashlib.sha256(body).hexdigest()
        size = len(body)
        if fault.wrong_bytes:
            body = bytes(255 - byte for byte in body[:64]) + body[64:]
        start = self._range_start()
        if fault.short and send_body:
            body = body[: size // 2]
        if start >= len(body) > 0:
            self._refuse(416)
            return
        redirect = self.server.hub.elsewhere and not plain
        if redirect:
            self.send_response(302)
            owner, _, name = self.path.lstrip("/").partition("/resolve/")[0].partition("/")
            self.send_header("Location", f"{self.server.hub.elsewhere_endpoint}/files/{owner}/{name}/{file}")
            start, body = 0, b""
        else:
            self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if not plain:
            self.send_header("X-Repo-Commit", _commit(files))
            self.send_header("X-Linked-Etag", f'"{etag}"')
            self.send_header("X-Linked-Size", str(size))
            if self.server.hub.xet:
                self.send_header("X-Xet-Hash", etag)
                self.send_header("X-Xet-Refresh-Route", f"{self.server.hub.endpoint}/api/xet-read-token")
        self.send_header("ETag", f'"{etag}"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        if send_body:
            self._pour(body[start:], fault)

    def _range_start(self) -> int:
        wanted = self.headers.get("Range", "")
        return int(wanted.removeprefix("bytes=").partition("-")[0] or 0) if wanted.startswith("bytes=") else 0

    def _pour(self, body: bytes, fault: Fault) -> None:
        hub = self.server.hub
        end = len(body)
        if fault.breaks < 0 or hub.broken < fault.breaks:
            hub.broken += 1
            end //= 2
        if fault.stall_after >= 0:
            end = min(end, fault.stall_after)
        try:
            for start in range(0, end, 1 << 14):
                if hub.closing.is_set():
                    break
                self.wfile.write(body[start : min(start + (1 << 14), end)])
                time.sleep(fault.seconds_per_chunk)
            if fault.stall_after >= 0:
                hub.closing.wait(30)
        except OSError:  # the client went away, as it should after Stop
            end = 0
        if end < len(body):
            self.close_connection = True


def _large(content: bytes) -> dict[str, object]:
    """The entry of the tree route for a file in the large file storage."""
    return {"lfs": {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}}


def _bytes(content: Path | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()


def _commit(files: Mapping[str, Path | bytes]) -> str:
    """40 hex digits that change with the list of files, as the Hub's commits do."""
    return hashlib.sha1("\n".join(sorted(files)).encode()).hexdigest()
