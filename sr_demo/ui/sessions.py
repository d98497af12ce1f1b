"""Gradio's browser sessions without the copy of the whole page that each holds.

Gradio keeps a session for every browser tab and for every single call of the API, 10,000 of them, each with a description of
every component: half a megabyte for this page, for links into a page's state ("deep links"), which this page does not offer.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gradio.state_holder import SessionState

CAPACITY = 2000
"""Sessions that are kept; of more, the one that was used longest ago loses its picture."""


def make_light() -> None:
    """Let sessions begin without those descriptions: Gradio makes one where it is needed. May be called again."""
    if getattr(SessionState, "_light", False):
        return
    begin: Any = SessionState.__init__

    def light(self: SessionState, blocks: Any) -> None:
        begin(self, SimpleNamespace(default_config=blocks.default_config, blocks={}))

    SessionState.__init__ = light
    SessionState._light = True  # type: ignore[attr-defined]
