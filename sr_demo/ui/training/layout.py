"""The tab that shows how the embedded networks were taught, from their cards; no training data is needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import gradio as gr

from sr_demo.reports.training_curves import trained_networks, training_table
from sr_demo.spec import Approach
from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.method_choices import Context
from sr_demo.ui.training.handlers import TrainingHandlers

_WORDS = """<div class="sr-prose"><p>The small networks of this page are our own, taught on photos with free licences.
Short trainings: they show what each kind of network does with the same photos and little time, not what its best
published member reaches. Each weight file has a card with everything below; <code>python -m sr_demo train</code> repeats
it.</p></div>"""
_MOST = 4
_PAIRS = (
    ("MSE against SSIM", ("rdn:mse", "rdn:ssim")),
    ("Baseline against enhanced", ("srresnet:baseline", "srresnet:enhanced")),
    ("Without and with a critic", ("srresnet:enhanced", "srgan:enhanced")),
    ("Convolution against attention", ("edsr:baseline", "hat:tiny", "drct:tiny")),
)


def build(context: Context, tab: gr.Tab) -> None:
    """Lay out the tab `tab`, in the current Gradio context."""
    handlers = TrainingHandlers(context)
    names = [lesson.name for lesson in trained_networks(context.approaches)]
    offered = pairs(context.approaches)
    first = list(offered[0][1]) if offered else names[:2]
    gr.HTML(_WORDS + training_table(trained_networks(context.approaches)), elem_id="training-cards")
    with gr.Row(elem_classes="sr-actions"):
        buttons = [gr.Button(title, size="sm") for title, _ in offered]
    chosen = gr.Dropdown(
        names, value=first, multiselect=True, max_choices=_MOST, label=f"Compare how these learned (up to {_MOST})",
        elem_id="training-choice",
    )  # fmt: skip
    curves = gr.HTML(handlers.curves(first), elem_id="training-curves")
    crops = gr.HTML(elem_id="training-crops")
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    shown: list[Any] = [curves, crops]
    run: dict[str, Any] = {**quiet, **HEAVY}
    for button, (_, wanted) in zip(buttons, offered, strict=True):
        button.click(partial(list, wanted), None, chosen, **quiet, **LIGHT)
    chosen.change(handlers.show, chosen, shown, **run)
    tab.select(handlers.show, chosen, shown, **run)


def pairs(approaches: Sequence[Approach]) -> list[tuple[str, tuple[str, ...]]]:
    """The comparisons worth a button: those whose networks are all here."""
    there = {lesson.name for lesson in trained_networks(approaches)}
    return [(title, names) for title, names in _PAIRS if there.issuperset(names)]
