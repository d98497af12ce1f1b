"""What an event says of the place that was clicked. It is input from outside, like every value of a request."""

from __future__ import annotations

import math

import gradio as gr

from sr_demo.errors import BadInput, quoted


def point(event: gr.EventData) -> tuple[float, float]:
    """The clicked x and y, in pixels of the picture as it is shown. Raises BadInput when the event has none.

    Not `gr.SelectData`: that fails with a bug's message where fields are missing.
    """
    index: object = getattr(event, "index", None)
    if isinstance(index, list | tuple) and len(index) == 2 and all(_is_coordinate(at) for at in index):
        return float(index[0]), float(index[1])
    raise BadInput(f"A click is a list of two numbers, x and y in pixels, not {quoted(index)}.")


def _is_coordinate(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) < 1e6
