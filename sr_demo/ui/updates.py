"""The return type of event handlers."""

from __future__ import annotations

from typing import Any

from gradio.blocks import Block

Updates = dict[Block, Any]
"""New values of components; omitted components stay unchanged. `gr.skip()` changes none."""
