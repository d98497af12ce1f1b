"""Gradio's browser sessions: access to the session of an event, and sessions that take less memory.

Gradio stores a session for every browser tab and every call of the API, up to 10,000, each with a description of every
component: half a megabyte for this page. The descriptions serve links into a page's state ("deep links"), which this page
does not offer.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio.context import LocalContext
from gradio.state_holder import SessionState

CAPACITY = 2000
"""Largest number of sessions; if it is exceeded, the least recently used one loses its state."""


def session_of(request: gr.Request | None) -> str:
    """Return the browser session of an event; "" outside of events."""
    return str(getattr(request, "session_hash", None) or "")


def current_request() -> Any:
    """Return the request of the event that this thread handles; None outside of events."""
    return LocalContext.request.get(None)


def drop_session_descriptions() -> None:
    """Let sessions begin without descriptions; Gradio creates those that are needed. May be called repeatedly."""
    if getattr(SessionState, "_light", False):
        return
    begin: Any = SessionState.__init__

    def light(self: SessionState, blocks: Any) -> None:
        begin(self, SimpleNamespace(default_config=blocks.default_config, blocks={}))

    SessionState.__init__ = light
    SessionState._light = True  # type: ignore[attr-defined]
