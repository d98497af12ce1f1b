"""The type of what event handlers return."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.blocks import Block

Updates = dict[Block, Any]
"""New values of the components that change; components that are left out stay as they are. `gr.skip()` changes none."""


def clickable_with(path: str | None) -> gr.Button:
    """Return the update of a button that needs an image: it can be clicked where there is one."""
    return gr.Button(interactive=path is not None)
