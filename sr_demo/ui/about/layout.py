"""What the methods are, and how to read the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import gradio as gr

from sr_demo.reports import formatting
from sr_demo.spec import Approach, Checkpoint
from sr_demo.system import hardware

_READING = """
<h2>How to read the numbers</h2>
<p><b>PSNR and SSIM need the truth.</b> They are shown only when you test against the truth: your picture is shrunk, each
method enlarges it again, and the result is compared with what you gave. They follow the published tables: brightness
(BT.601 Y) after rounding to 8 bit, with a border of 4 pixels cut. They are computed on the arrays, never on what a
browser displays.</p>
<p><b>Agrees with input</b> shrinks a result again and compares it with what went in. A low value means that the method
changed or invented something. A high value does not mean that the detail is true: many sharp pictures shrink to the same
small one.</p>
<p><b>More pixels is not more resolving power.</b> What the small picture lost is gone. A faithful method draws what is most
likely on average and stays soft; a generative one draws something plausible and sharp. Do not measure, count or read in
pictures from methods that carry the note "may invent detail".</p>
<p><b>Seconds and memory</b> are measured on the machine that serves this page, one method at a time, loading not
counted. The first run of a method is slower than the next.</p>
<h2>Your pictures</h2>
<p>They stay on this server only while you look at the results: uploads and results are deleted after about two hours.
Nothing is sent anywhere else.</p>
"""


def build(approaches: Sequence[Approach]) -> None:
    """Lay out the tab, in the current Gradio context."""
    methods = "".join(_method(approach) for approach in approaches)
    gr.HTML(f'<div class="sr-prose">{_READING}<h2>The methods</h2>{methods}</div>')


def _method(approach: Approach) -> str:
    checkpoints = "".join(
        f"<li><b>{escape(c.title)}</b> (<code>{escape(approach.id)}:{escape(c.name)}</code>): "
        f"{escape(formatting.licence(c))}, {formatting.megabytes(c.bytes)}, "
        f"{formatting.parameters(c.parameters)} parameters. "
        f"{escape(c.note)}{_absent(c)}</li>"
        for c in approach.checkpoints
        if c.kind != "none" or c.note
    )
    return f"<h3>{escape(approach.title)}</h3><p>{escape(approach.about)}</p><ul>{checkpoints}</ul>"


def _absent(checkpoint: Checkpoint) -> str:
    """What it needs, where this machine has not got that."""
    why = hardware.obstacle(checkpoint.needs)
    return f"Not on this machine: {escape(why)}." if why else ""
