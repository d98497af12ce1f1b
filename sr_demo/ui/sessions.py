"""Gradio's browser sessions: the session of an event, and small sessions without a description of the whole page.

Gradio stores a session for every browser tab and every call of the API, up to 10,000, each with a description of every
component: half a megabyte for this page. It serves links into a page's state ("deep links"), which this page does not offer.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio.context import LocalContext
from gradio.state_holder import SessionState

CAPACITY = 2000
"""Number of sessions; beyond it, the least recently used one loses its state."""


def session_of(request: gr.Request | None) -> str:
    """Return the browser session of an event; "" outside of one."""
    return "" if request is None else str(request.session_hash)


def current_request() -> Any:
    """Return the request of the event that this thread handles, for code that is not given it; None outside of one."""
    return LocalContext.request.get(None)


def make_light() -> None:
    """Let sessions begin without descriptions; Gradio creates one where it is needed. May be called repeatedly."""
    if getattr(SessionState, "_light", False):
        return
    begin: Any = SessionState.__init__

    def light(self: SessionState, blocks: Any) -> None:
        begin(self, SimpleNamespace(default_config=blocks.default_config, blocks={}))

    SessionState.__init__ = light
    SessionState._light = True  # type: ignore[attr-defined]
