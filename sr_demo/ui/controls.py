"""Gradio controls for options, and the values that a visitor has set with them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sr_demo.options import Control, Options, controls
from sr_demo.spec import Approach
from sr_demo.ui.languages import optional

_MOST_STEPS = 500
"""Largest number of steps of a slider: with a length of a few hundred pixels, it skips values if there are more."""


@dataclass(frozen=True)
class Bound:
    """A control on the page and the option it sets."""

    owner: str
    """Id of the approach (or another name for a group of options)."""
    name: str
    component: gr.components.Component


def make(owner: str, kind: type[Options]) -> list[Bound]:
    """Create controls for every option of `kind`, in the current Gradio context."""
    return [Bound(owner, control.name, component(control)) for control in controls(kind)]


def accordions(approaches: Sequence[Approach], without: Collection[str] = ()) -> list[Bound]:
    """Create a closed accordion of controls for each approach with options, except those named in `without`."""
    bound: list[Bound] = []
    for approach in approaches:
        shown = [control for control in controls(approach.options) if control.name not in without]
        if shown:
            with gr.Accordion(approach.title, open=False, elem_classes="sr-words"):
                bound += [Bound(approach.id, control.name, component(control)) for control in shown]
    return bound


def values(bound: Sequence[Bound], given: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Return the values of the controls: owner -> name -> value. They are validated by `options.build`."""
    found: dict[str, dict[str, Any]] = {}
    for control, value in zip(bound, given, strict=True):
        found.setdefault(control.owner, {})[control.name] = value
    return found


def component(control: Control) -> gr.components.Component:
    """Create the control of one option: checkbox, radio, textbox, slider, or a number field for a very wide range."""
    key = f"option_{control.owner}_{control.name}"
    label, info = optional(key, control.label), optional(f"{key}_help", control.help)
    if isinstance(control.default, bool):
        return gr.Checkbox(control.default, label=label, info=info)
    if control.choices:
        return gr.Radio(list(control.choices), value=control.default, label=label, info=info, elem_classes="sr-words")
    if control.lines:
        longest = None if control.maximum is None else int(control.maximum)
        return gr.Textbox(str(control.default), label=label, info=info, lines=control.lines, max_length=longest)
    if isinstance(control.default, str):
        return gr.Textbox(control.default, label=label, info=info)
    assert control.minimum is not None and control.maximum is not None
    whole = isinstance(control.default, int)
    if control.maximum - control.minimum > _MOST_STEPS * (control.step or (1 if whole else 0.01)):
        return gr.Number(
            control.default, label=label, info=info, minimum=control.minimum, maximum=control.maximum,
            precision=0 if whole else None, step=control.step or 1,
        )  # fmt: skip
    return gr.Slider(
        control.minimum,
        control.maximum,
        value=control.default,
        step=control.step or (1 if whole else None),
        label=label,
        info=info,
    )
