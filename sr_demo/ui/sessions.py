"""Makes Gradio's browser sessions small: without the description of the whole page in each.

Gradio stores a session for every browser tab and every call of the API, up to 10,000, each with a description of every
component: half a megabyte for this page. It serves links into a page's state ("deep links"), which this page does not offer.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gradio.state_holder import SessionState

CAPACITY = 2000
"""Number of sessions; beyond it, the least recently used one loses its state."""


def make_light() -> None:
    """Let sessions begin without descriptions; Gradio creates one where it is needed. May be called repeatedly."""
    if getattr(SessionState, "_light", False):
        return
    begin: Any = SessionState.__init__

    def light(self: SessionState, blocks: Any) -> None:
        begin(self, SimpleNamespace(default_config=blocks.default_config, blocks={}))

    SessionState.__init__ = light
    SessionState._light = True  # type: ignore[attr-defined]
