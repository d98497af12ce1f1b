"""A sheet to draw one digit on with mouse, pen or finger. In Gradio's own sketchpad, one must select a tool first."""

from __future__ import annotations

import base64
import binascii

from sr_demo.errors import BadInput
from sr_demo.ui.languages import marked

SIDE, _PEN = 280, 22
"""Side of the sheet and width of the pen, in pixels."""
_START = "data:image/png;base64,"
_MOST = 2**20
"""Largest number of characters that is accepted; a drawing has about 10,000."""

HTML = f"""<p class="sr-label" id="digit-pad-label">{marked("digits_draw")}</p>
<canvas class="srd-pad" width="{SIDE}" height="{SIDE}" role="img" aria-labelledby="digit-pad-label"></canvas>
<button type="button" class="srd-clear">{marked("digits_clear")}</button>"""

SCRIPT = f"""
const canvas = element.querySelector("canvas"), ink = canvas.getContext("2d");
const clear = () => {{ ink.fillStyle = "#fff"; ink.fillRect(0, 0, {SIDE}, {SIDE}); }};
const at = (event) => {{
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) * {SIDE} / box.width, (event.clientY - box.top) * {SIDE} / box.height];
}};
clear();
ink.lineCap = ink.lineJoin = "round"; ink.lineWidth = {_PEN}; ink.strokeStyle = "#111";
let last = null;
const line = (to) => {{ ink.beginPath(); ink.moveTo(...last); ink.lineTo(...to); ink.stroke(); last = to; }};
canvas.addEventListener("pointerdown", (event) => {{
  event.preventDefault(); canvas.setPointerCapture(event.pointerId); last = at(event); line(last);
}});
canvas.addEventListener("pointermove", (event) => {{ if (last) line(at(event)); }});
const lift = () => {{
  if (!last) return;
  last = null;
  trigger("select", {{ index: 0, value: canvas.toDataURL("image/png") }});
}};
canvas.addEventListener("pointerup", lift);
canvas.addEventListener("pointercancel", lift);
element.querySelector("button").addEventListener("click", () => {{ clear(); trigger("select", {{ index: 0, value: "" }}); }});
"""
"""Script that sends the whole sheet as PNG each time the pen is lifted, and "" when it is cleared."""


def decode(sent: object) -> bytes:
    """Return the PNG file that the sheet has sent. Raises BadInput on anything else."""
    text = str(sent)
    if not text.startswith(_START) or len(text) > _MOST:
        raise BadInput("The drawing did not arrive as a PNG image. Clear the sheet and draw again.")
    try:
        return base64.b64decode(text.removeprefix(_START), validate=True)
    except binascii.Error as exc:
        raise BadInput("The drawing arrived damaged. Draw again.") from exc
