"""The choice of size on the page: chips for common factors, and a field for every other size."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from sr_demo.errors import BadInput
from sr_demo.image import Size
from sr_demo.imaging.output_size import OutputSize, parse, times
from sr_demo.ui.languages import text
from sr_demo.ui.source import Source

OTHER = "other"
DEFAULT = "4x"
CHIPS = ("2x", "3x", DEFAULT, "8x", OTHER)
SCALE = 4
"""Scale factor of `DEFAULT`: of estimates, too, while no size can be used."""


@dataclass(frozen=True)
class Chosen:
    """What a visitor has chosen, for one photo."""

    size: OutputSize | None
    """Always with a factor: parts of the photo are enlarged as much as the whole; None where there is a problem."""
    problem: str = ""
    """A sentence for the visitor."""

    @property
    def factor(self) -> float:
        """Scale factor of the results."""
        return SCALE if self.size is None or self.size.factor is None else self.size.factor


def lay_out() -> tuple[gr.Radio, gr.Textbox]:
    """Return the chips and the field beside them, laid out in the current Gradio context.

    The style sheet shows the field where its chip is chosen.
    """
    chips = gr.Radio(
        [(text("size_other") if chip == OTHER else chip, chip) for chip in CHIPS], value=DEFAULT,
        label=text("size_label"), elem_id="size", elem_classes="sr-chips", container=False,
    )  # fmt: skip
    field = gr.Textbox(
        "", label=text("size_field"), placeholder=text("size_examples"), max_lines=1, max_length=60,
        elem_id="other-size", container=False,
    )  # fmt: skip
    return chips, field


def requested(chip: str, other: str, source: Source | None, *, test: bool) -> OutputSize:
    """Return the size that is chosen, with the factor that it means for the photo.

    Args:
        chip: One of `CHIPS`.
        other: What the field says.
        source: The photo, or a part of it; None for any.
        test: Whether the photo is the reference, which needs a whole factor.

    Raises:
        BadInput: The size cannot be used, with the reason.
    """
    size = parse(other if chip == OTHER else chip)
    if source is not None:
        size = size.for_part(Size(source.height, source.width))
    if test:
        size.whole_factor()
    return size


def chosen(chip: str, other: str, source: Source | None, *, test: bool) -> Chosen:
    """Return what is chosen, like `requested`, with the reason where it cannot be used."""
    if chip == OTHER and not other.strip():
        return Chosen(None, "Type the size: 2.5x, 1920 wide, 1080 high, or 30x20cm@300 for print.")
    try:
        size = requested(chip, other, source, test=test)
    except BadInput as exc:
        return Chosen(None, str(exc))
    # Without a photo, pixels are no factor yet.
    return Chosen(size if size.factor is not None else times(SCALE))
