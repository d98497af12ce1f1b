"""The choice of a file format on the page, shared by the Save menu and Several photos."""

from __future__ import annotations

from typing import Any

import gradio as gr

from sr_demo.codecs.formats import FORMATS, SAME, Output, output_from
from sr_demo.ui.languages import text


def formats(elem_id: str, *, same: bool = False) -> gr.Radio:
    """Return the choice of format. The default is PNG, or with `same` an additional choice: the format of each photo."""
    choices = [(text("save_same"), SAME)] if same else []
    choices += [(found.title, found.name) for found in FORMATS.values()]
    return gr.Radio(
        choices, value=SAME if same else "png", label=text("save_format"), elem_id=elem_id,
        elem_classes="sr-chips sr-inline",
    )  # fmt: skip


def quality(elem_id: str) -> gr.Slider:
    """Return the quality slider, which is hidden at first."""
    return gr.Slider(1, 100, 95, step=1, label=text("save_quality"), visible=False, elem_id=elem_id)


def quality_of(form: str) -> gr.Slider:
    """Return the update of the quality slider for a format: set to its default, or hidden if it has no quality."""
    default = FORMATS[form].quality if form in FORMATS else None
    return gr.Slider(visible=False) if default is None else gr.Slider(value=default, visible=True)


def chosen(form: str, quality: float, *, private: bool, bits: str = "") -> Output:
    """Return the output that the components select.

    Args:
        form: Name of a format, or `SAME`.
        quality: Quality, 1..100; used only if the format has one.
        private: Whether GPS position and serial numbers are kept.
        bits: "8" or "16", used only if the format has both; "" follows the photo.

    Raises:
        BadInput: There is no such format, or no such quality.
    """
    found = FORMATS.get(form)
    values: dict[str, Any] = {"format": form, "metadata": "all" if private else "public"}
    if found is not None and found.quality is not None:
        values["quality"] = int(quality)
    if bits and found is not None and found.deep:
        values["bits"] = 16 if bits == "16" else 8
    return output_from(values, Output())
