"""Which pages are open: a visitor is forgotten some minutes after the page was closed.

An open page holds a connection, Gradio's heartbeat. Phones that sleep, other networks and proxies cut it although the page is
still open; `heartbeat.js` opens it again. Until then, and for callers that hold no such connection, events count.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any

import gradio as gr
from starlette.types import ASGIApp, Receive, Scope, Send

from sr_demo.errors import log
from sr_demo.ui.sessions import CAPACITY, session_of

_PATIENCE_SECONDS = 600.0
"""Time without heartbeat and events after which a page counts as closed."""
_SECONDS_BETWEEN = 1.0
_HEARTBEAT = "/gradio_api/heartbeat/"


class Visits:
    """The sessions of open pages, and of those that were left recently. Thread-safe."""

    def __init__(self, forget: Callable[[str], None], patience: float | None = None) -> None:
        """Begin without visits.

        Args:
            forget: Called with each session whose page counts as closed; it may be called for sessions that have nothing.
            patience: Replaces `_PATIENCE_SECONDS`.
        """
        self._forget, self._patience = forget, _PATIENCE_SECONDS if patience is None else patience
        self._open: Counter[str] = Counter()
        self._left: OrderedDict[str, float] = OrderedDict()
        """Time (`time.monotonic`) of the last sign of life, the longest ago first."""
        self._lock = Lock()
        self._patrol: Thread | None = None

    def is_open(self, session: str) -> bool:
        """Return whether the page of a session holds a heartbeat."""
        return session in self._open

    @contextmanager
    def heartbeat(self, session: str) -> Generator[None]:
        """Count the page of a session as open during the block."""
        with self._lock:
            self._open[session] += 1
            self._left.pop(session, None)
        try:
            yield
        finally:
            with self._lock:
                self._open[session] -= 1
                if not self._open[session]:
                    del self._open[session]
                    self._leave(session)

    def seen(self, session: str) -> None:
        """Let the patience with a session without heartbeat begin anew: there was an event."""
        with self._lock:
            if session and session not in self._open:
                self._leave(session)

    def watch(self, page: gr.Blocks) -> None:
        """Count the events of `page`, by replacing a function of this one object, and let `Heartbeats` find this object."""
        process: Any = page.process_api

        async def counted(*arguments: Any, **named: Any) -> Any:
            try:
                return await process(*arguments, **named)
            finally:
                self.seen(session_of(named.get("request")))

        page.process_api = counted
        page.visits = self  # type: ignore[attr-defined]

    def _leave(self, session: str) -> None:
        self._left[session] = monotonic()
        self._left.move_to_end(session)
        if self._patrol is None:
            self._patrol = Thread(target=self._look, name="visits", daemon=True)
            self._patrol.start()

    def _look(self) -> None:
        while True:
            sleep(_SECONDS_BETWEEN)
            with self._lock:
                overdue = monotonic() - self._patience
                gone = [session for session, seen in self._left.items() if seen < overdue]
                gone = gone or list(self._left)[: max(len(self._left) - CAPACITY, 0)]
                for session in gone:
                    del self._left[session]
                if not self._left and not gone:
                    self._patrol = None
                    return
            for session in gone:
                try:
                    self._forget(session)
                except Exception as exc:  # the others are to be forgotten too
                    log.warning("the files of a visit could not be removed", exc_info=exc)


class Heartbeats:
    """ASGI middleware that counts the heartbeats of the pages that `Visits.watch` has been given."""

    def __init__(self, app: ASGIApp, server: Any) -> None:
        """Pass requests to `app`, a part of Gradio's application `server`."""
        self._app, self._server = app, server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        _, found, session = scope.get("path", "").rpartition(_HEARTBEAT)
        visits: Visits | None = getattr(self._server.get_blocks(), "visits", None) if found else None
        if visits is None:
            await self._app(scope, receive, send)
            return
        try:
            with visits.heartbeat(session):
                self._mark(session, closed=False)
                await self._app(scope, receive, send)
        finally:
            self._mark(session, closed=not visits.is_open(session))

    def _mark(self, session: str, *, closed: bool) -> None:
        """Let Gradio delete the state of a closed page after an hour, and not that of an open one whose heartbeat was cut."""
        state = self._server.state_holder.session_data.get(session)
        if state is not None:
            state.is_closed = closed
