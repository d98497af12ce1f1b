"""The tab that shows how the embedded networks were taught, from their cards; no training data is needed."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from sr_demo.reports.curves import MEASURES, curve_chart, legend, lesson_table, lessons
from sr_demo.spec import Approach

_WORDS = """<div class="sr-prose"><p>The small networks of this page are our own, taught on photos with free licences.
Short trainings: they show what each kind of network does with the same photos and little time, not what its best
published member reaches. Each weight file has a card with everything below; <code>python -m sr_demo train</code> repeats
it.</p></div>"""


def build(approaches: Sequence[Approach]) -> None:
    """Lay out the tab, in the current Gradio context."""
    taught = lessons(approaches)
    # A loss is comparable only with itself on the same kind of picture; PSNR and SSIM are comparable throughout.
    charts = "".join(curve_chart(taught, measure, title) for measure, title in MEASURES)
    gr.HTML(
        f'{_WORDS}{lesson_table(taught)}<div class="sr-curves">{charts}</div>{legend(taught)}', elem_id="training-cards"
    )
