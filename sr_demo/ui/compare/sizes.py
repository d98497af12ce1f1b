"""The choice of size on the page: chips for common factors, and a field for every other size."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from sr_demo.errors import BadInput
from sr_demo.image import Size
from sr_demo.imaging.output_size import OutputSize, by_factor, parse
from sr_demo.ui.languages import text
from sr_demo.ui.source import Source

OTHER = "other"
DEFAULT = "4x"
CHIPS = ("2x", "3x", DEFAULT, "8x", OTHER)
SCALE = 4
"""Scale factor of `DEFAULT`; estimates also use it if the selected size is not valid."""


@dataclass(frozen=True)
class ChosenSize:
    """The size that a visitor has chosen for one photo."""

    size: OutputSize | None
    """Always with a factor, which applies to parts of the photo as to the whole; None if the size is not valid."""
    problem: str = ""
    """Sentence on why the size is not valid, or empty."""

    @property
    def factor(self) -> float:
        """Scale factor of the results."""
        return SCALE if self.size is None or self.size.factor is None else self.size.factor


def lay_out(prefix: str = "") -> tuple[gr.Radio, gr.Textbox]:
    """Lay out the chips and the field below them, in the current Gradio context, and return them.

    The style sheet shows the field only if its chip is selected.

    Args:
        prefix: Begins the ids of both elements, so that each tab can have its own.
    """
    with gr.Column(elem_classes="sr-size"):
        chips = gr.Radio(
            [(text("size_other") if chip == OTHER else chip, chip) for chip in CHIPS], value=DEFAULT,
            label=text("size_label"), elem_id=f"{prefix}size", elem_classes="sr-chips sr-inline",
        )  # fmt: skip
        field = gr.Textbox(
            "", label=text("size_field"), placeholder=text("size_examples"), max_lines=1, max_length=60,
            elem_id=f"{prefix}other-size", elem_classes="sr-other-size", container=False,
        )  # fmt: skip
    return chips, field


def requested(chip: str, other: str, source: Source | None, *, test: bool) -> OutputSize:
    """Return the chosen size, with the factor that it results in for the photo.

    Args:
        chip: One of `CHIPS`.
        other: Text of the field.
        source: The photo, or a part of it; None for any.
        test: Whether the photo is the reference, which needs a whole factor.

    Raises:
        BadInput: The size is not valid; the message is the reason.
    """
    size = parse(other if chip == OTHER else chip)
    if source is not None:
        size = size.for_part(Size(source.height, source.width))
    if test:
        size.whole_factor()
    return size


def chosen(chip: str, other: str, source: Source | None, *, test: bool) -> ChosenSize:
    """Return the chosen size like `requested`, but with the reason instead of an error if it is not valid."""
    if chip == OTHER and not other.strip():
        return ChosenSize(None, "Type the size: 2.5x, 1920 wide, 1080 high, or 30x20cm@300 for print.")
    try:
        size = requested(chip, other, source, test=test)
    except BadInput as exc:
        return ChosenSize(None, str(exc))
    # Without a photo, a size in pixels has no factor.
    return ChosenSize(size if size.factor is not None else by_factor(SCALE))
