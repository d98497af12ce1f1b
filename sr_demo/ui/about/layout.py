"""The About tab: what the methods are, and how to read the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import gradio as gr

from sr_demo.checkpoint import Checkpoint
from sr_demo.imaging.samples import EXAMPLES
from sr_demo.reports import formatting
from sr_demo.spec import Approach
from sr_demo.system import hardware
from sr_demo.system.file_sizes import file_size
from sr_demo.ui.languages import marked, word

_QUESTIONS = ("psnr", "consistency", "resolution", "costs")
_READING = (
    f"<h2>{marked('about_reading')}</h2>"
    + "".join(f"<p>{marked(f'about_{question}')}</p>" for question in _QUESTIONS)
    + f"<h2>{marked('about_pictures_title')}</h2><p>{marked('about_pictures')}</p>"
)


def about_tab(approaches: Sequence[Approach]) -> None:
    """Lay out the tab, in the current Gradio context."""
    methods = "".join(_method(approach) for approach in approaches)
    credits = "".join(f"<li>{word(one.title)}: {escape(one.credit)}.</li>" for one in EXAMPLES)
    gr.HTML(
        f'<div class="sr-prose">{_READING}<h2>{marked("about_methods")}</h2>{methods}'
        f"<h2>{marked('about_examples')}</h2><ul>{credits}</ul></div>"
    )


def _method(approach: Approach) -> str:
    checkpoints = "".join(
        f"<li><b>{word(c.title)}</b> (<code>{escape(approach.id)}:{escape(c.name)}</code>): "
        f"{word(_facts(c))}. {word(c.note)} {word(_absent(c))}</li>"
        for c in approach.checkpoints
        if c.kind != "none" or c.note
    )
    return f"<h3>{word(approach.title)}</h3><p>{word(approach.about)}</p><ul>{checkpoints}</ul>"


def _facts(checkpoint: Checkpoint) -> str:
    """Return licence, size and number of parameters, each only if known."""
    facts = [formatting.licence(checkpoint)]
    if checkpoint.bytes:
        facts.append(file_size(checkpoint.bytes))
    if checkpoint.parameters:
        facts.append(formatting.parameters_phrase(checkpoint.parameters))
    return ", ".join(facts)


def _absent(checkpoint: Checkpoint) -> str:
    """Return what this server lacks for the checkpoint; empty if nothing is missing."""
    why = hardware.obstacle(checkpoint.needs)
    return f"Not on this server: {why}." if why else ""
