"""Components and wiring of the Training tab, drawn from the cards of the embedded networks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import gradio as gr

from sr_demo.reports.training_curves import trained_networks, training_table
from sr_demo.spec import Approach
from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.languages import marked, text
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.training.handlers import TrainingHandlers

_INTRO = f'<div class="sr-prose"><p>{marked("training_intro")}</p></div>'
_MOST = 4
PAIRS = (
    ("training_pair_losses", ("rdn:mse", "rdn:ssim")),
    ("training_pair_enhanced", ("srresnet:baseline", "srresnet:enhanced")),
    ("training_pair_discriminator", ("edsr:baseline", "srgan:clean")),
    ("training_pair_attention", ("edsr:baseline", "hat:tiny", "drct:tiny")),
)


def training_tab(context: PageContext, tab: gr.Tab) -> None:
    """Lay out the tab `tab`, in the current Gradio context."""
    handlers = TrainingHandlers(context)
    names = [(network.title, network.name) for network in trained_networks(context.approaches)]
    offered = pairs(context.approaches)
    first = list(offered[0][1]) if offered else [name for _, name in names[:2]]
    gr.HTML(_INTRO + training_table(trained_networks(context.approaches)), elem_id="training-cards")
    with gr.Row():
        buttons = [gr.Button(text(key), size="sm", min_width=160) for key, _ in offered]
    chosen = gr.Dropdown(
        names, value=first, multiselect=True, max_choices=_MOST, label=f"{text('training_choice')} {_MOST}",
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
    """Return the comparisons that get a button: those whose networks are all in `approaches`."""
    there = {network.name for network in trained_networks(approaches)}
    return [(key, names) for key, names in PAIRS if there.issuperset(names)]
