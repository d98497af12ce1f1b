"""The About tab: what the methods are, and how to read the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import gradio as gr

from sr_demo.checkpoint import Checkpoint
from sr_demo.reports import formatting
from sr_demo.spec import Approach
from sr_demo.system import hardware

_READING = """
<h2>How to read the numbers</h2>
<p><b>PSNR and SSIM need the original.</b> You see them only when you test against it: your picture is made smaller,
each method enlarges it again, and the result is compared with what you gave. They follow the published tables:
brightness (BT.601 Y) after rounding to 8 bit, with a border of 4 pixels cut. They are computed on the exact pixels,
never on what a browser displays.</p>
<p><b>LR consistency (agrees with your photo)</b> makes a result small again and compares it with what went in. A low
value means that the method changed or invented something. A high value does not mean that the detail is true: many
sharp pictures have the same small version.</p>
<p><b>More pixels do not mean more resolution.</b> What the small version lost is gone. A faithful method draws what
is most likely on average and stays soft; a generative one draws something plausible and sharp. Do not measure, count
or read in pictures from methods marked "may invent detail".</p>
<p><b>Seconds and memory</b> are measured on the server of this page, one method at a time, without loading. The first
run of a method is slower than the next.</p>
<h2>Your pictures</h2>
<p>They stay on this server only while you look at the results: uploads and results are deleted after about two hours.
Nothing is sent anywhere else.</p>
"""


def about_tab(approaches: Sequence[Approach]) -> None:
    """Lay out the tab, in the current Gradio context."""
    methods = "".join(_method(approach) for approach in approaches)
    gr.HTML(f'<div class="sr-prose">{_READING}<h2>The methods</h2>{methods}</div>')


def _method(approach: Approach) -> str:
    checkpoints = "".join(
        f"<li><b>{escape(c.title)}</b> (<code>{escape(approach.id)}:{escape(c.name)}</code>): "
        f"{_facts(c)}. {escape(c.note)}{_absent(c)}</li>"
        for c in approach.checkpoints
        if c.kind != "none" or c.note
    )
    return f"<h3>{escape(approach.title)}</h3><p>{escape(approach.about)}</p><ul>{checkpoints}</ul>"


def _facts(checkpoint: Checkpoint) -> str:
    """Licence, size and number of parameters, each where there is one."""
    facts = [escape(formatting.licence(checkpoint))]
    if checkpoint.bytes:
        facts.append(formatting.megabytes(checkpoint.bytes))
    if checkpoint.parameters:
        facts.append(f"{formatting.parameters(checkpoint.parameters)} parameters")
    return ", ".join(facts)


def _absent(checkpoint: Checkpoint) -> str:
    """What this server lacks for the checkpoint; empty where nothing is missing."""
    why = hardware.obstacle(checkpoint.needs)
    return f"Not on this server: {escape(why)}." if why else ""
