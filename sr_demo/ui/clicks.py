"""Reading of the clicked position from an event, which is untrusted like every value of a request."""

from __future__ import annotations

import math

import gradio as gr

from sr_demo.errors import BadInput, quoted


def point(event: gr.EventData) -> tuple[float, float]:
    """Return the clicked x and y in pixels of the displayed image. Raises BadInput if the event has none.

    `gr.SelectData` is not used, since it fails with an internal error if fields are missing.
    """
    index: object = getattr(event, "index", None)
    if isinstance(index, list | tuple) and len(index) == 2 and all(_is_coordinate(at) for at in index):
        return float(index[0]), float(index[1])
    raise BadInput(f"A click is a list of two numbers, x and y in pixels, not {quoted(index)}.")


def _is_coordinate(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) < 1e6
