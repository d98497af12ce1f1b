"""The type of what event handlers return."""

from __future__ import annotations

from typing import Any

from gradio.blocks import Block

Updates = dict[Block, Any]
"""New values of the components that change; components that are left out stay as they are. `gr.skip()` changes none."""
