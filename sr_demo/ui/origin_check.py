"""Protection against requests from other sites: by `Host`, by `Origin` and by route.

A page of another site can make its visitor's browser send requests to this server and, with DNS rebinding, even read the
responses: `Host` is the name of the other site then. Programs (curl, gradio_client) send no `Origin`.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sr_demo.errors import quoted
from sr_demo.settings import Settings
from sr_demo.ui import body_limit, http_errors, languages
from sr_demo.ui.page_payload import PageCompression
from sr_demo.ui.visits import Heartbeats

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EVERYWHERE = frozenset({"0.0.0.0", "::"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNUSED = ("file=http", "file/http", "proxy=", "process_recording", "deep_link", "component_server")
"""Routes of Gradio that this page does not use: downloading for others, running ffmpeg, storing a session."""


@dataclass(frozen=True)
class TrustedOrigins:
    """The trusted host names and origins."""

    hosts: frozenset[str]
    """Names of this server; `*.example.org` for all subdomains, `*` for any name."""
    origins: frozenset[str]
    """Host names of other sites that may use this server; wildcards as in `hosts`."""
    public: bool
    """Whether the server listens on every address. If so, IP addresses and names without a dot are trusted too (local
    networks, Docker, port mappings): no name server of another site can let them point to this server."""

    def host(self, value: str) -> bool:
        """Return whether a request with this `Host` header is served."""
        found = _HOST.fullmatch(value.lower())
        if found is None:
            return "*" in self.hosts
        name = found[1].strip("[]").rstrip(".")
        return _matches(name, self.hosts) or (self.public and ("." not in name or _is_address(name)))

    def origin(self, value: str, *hosts: str) -> bool:
        """Return whether a page with the `Origin` `value` may use the server, which was addressed by `hosts`."""
        try:
            parts = urlsplit(value)
            name, port = parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme)
            same = [urlsplit(f"{parts.scheme}://{host}") for host in hosts if host]
            if any((at.hostname, at.port or _DEFAULT_PORTS.get(at.scheme)) == (name, port) for at in same):
                return parts.scheme in _DEFAULT_PORTS
        except ValueError:
            return False
        return _matches(name, self.origins)


def trusted_origins(settings: Settings) -> TrustedOrigins:
    """Return the trusted host names and origins of a server with these settings."""
    public = settings.host.strip("[]") in _EVERYWHERE
    machine = socket.gethostname().lower()
    names = {f"{machine}.local", machine} if public else {settings.host.strip("[]").lower()}
    return TrustedOrigins(_LOOPBACK | names | set(settings.hosts), frozenset(settings.origins), public)


def application_arguments(settings: Settings) -> dict[str, Any]:
    """Return arguments for Gradio's application: the gate before Gradio's own middleware, and the error handlers."""
    trust = trusted_origins(settings)
    body_limit.files_only()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None, None]:
        # Middleware passed to Gradio runs after Gradio's own, which would allow any origin. This function runs before the
        # first request is accepted.
        assert app.middleware_stack is not None
        app.middleware_stack = OriginCheck(
            body_limit.BodyLimit(languages.RequestedLanguages(PageCompression(Heartbeats(app.middleware_stack, app)))),
            trust,
        )
        yield

    return {"lifespan": lifespan, "exception_handlers": http_errors.handlers()}


class OriginCheck:
    """ASGI middleware that responds with 403 and a sentence to requests that `trust` does not allow."""

    def __init__(self, app: ASGIApp, trust: TrustedOrigins) -> None:
        self._app, self._trust = app, trust

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or reject it."""
        refused = self._refusal(scope) if scope["type"] == "http" else None
        if refused is None:
            try:
                await self._app(scope, receive, send)
            except RuntimeError as exc:
                if not http_errors.is_late_refusal(exc):
                    raise
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await PlainTextResponse(refused + "\n", 403, {"X-Content-Type-Options": "nosniff"})(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._trust.host(hosts[0]):
            return (
                f"This server does not answer to the name {quoted(', '.join(hosts))}. Whoever runs it can allow a name "
                "with the environment variable SR_DEMO_HOSTS."
            )
        # A page of another site can only send X-Forwarded-Host if an OPTIONS request allows that, which is rejected.
        called = (hosts[0], headers.get("x-forwarded-host", ""))
        origins = headers.getlist("origin")
        foreign = not all(self._trust.origin(origin, *called) for origin in origins)
        sent_by_page = headers.get("sec-fetch-site") == "cross-site" and scope["method"] not in _READING
        if foreign or (sent_by_page and not origins):
            return (
                f"Requests from pages of another site ({quoted(', '.join(origins) or 'not named')}) are refused. Whoever "
                "runs this server can allow a site with the environment variable SR_DEMO_HOSTS."
            )
        if scope["path"].partition("/gradio_api/")[2].startswith(_UNUSED):
            return "This server serves only its own page, uploads and results."
        return None


def _matches(name: str, patterns: frozenset[str]) -> bool:
    return any(
        pattern in ("*", name) or (pattern.startswith("*.") and name.endswith(pattern[1:])) for pattern in patterns
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
