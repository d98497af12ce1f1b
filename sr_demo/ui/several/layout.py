"""Components and wiring of the Several photos tab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from sr_demo.hub import checkpoints
from sr_demo.inference.jobs import Job
from sr_demo.ui import output_choice
from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.compare import sizes
from sr_demo.ui.languages import marked, text
from sr_demo.ui.method_choices import PageContext, offered, quickest, ticked
from sr_demo.ui.several.handlers import SeveralComponents, SeveralHandlers
from sr_demo.ui.several.queue import MOST_METHODS, MOST_PHOTOS
from sr_demo.ui.source import files_input
from sr_demo.ui.visitor_work import stop_button


def several_tab(context: PageContext) -> None:
    """Lay out the tab and connect its events, in the current Gradio context."""
    first, more = offered(context.approaches, context.runner.estimates)
    jobs = [job for job in (*first, *more) if checkpoints.is_available(job.checkpoint)]
    with gr.Row(elem_classes="sr-panes"):
        with gr.Column(scale=0, min_width=320, elem_classes="sr-controls"):
            files = files_input(label=f"{text('several_files')} {MOST_PHOTOS}", elem_id="several-files", height=160)
            methods = gr.Dropdown(
                [(job.title, job.key) for job in jobs], value=_default(context, jobs), multiselect=True,
                max_choices=MOST_METHODS, label=text("methods"), elem_id="several-methods",
            )  # fmt: skip
            size, other_size = sizes.lay_out("several-")
            form = output_choice.formats("several-format", same=True)
            quality = output_choice.quality("several-quality")
            private = gr.Checkbox(False, label=text("several_private"), elem_id="several-private", container=False)
            with gr.Row(elem_classes="sr-actions"):
                start = gr.Button(
                    text("several_start"), variant="primary", elem_id="several-start", scale=3, min_width=120
                )
                stop = stop_button("several-stop", scale=1, min_width=60)
            gr.HTML(f'<p class="sr-fine">{marked("several_rule")}</p>')
        with gr.Column(scale=1, min_width=320, elem_classes="sr-shown"):
            line = gr.HTML(elem_id="several-line", elem_classes="sr-may-be-empty")
            archive = gr.DownloadButton(
                text("several_zip"), visible=False, elem_id="several-zip", elem_classes="sr-words", size="sm"
            )
            photos = gr.HTML(f'<p class="sr-fine">{marked("several_empty")}</p>', elem_id="several-photos")
    parts = SeveralComponents(start, stop, line, photos, archive)
    handlers = SeveralHandlers(context, parts)
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    outputs: list[Any] = [start, stop, line, photos, archive]
    form.input(output_choice.quality_of, form, quality, trigger_mode="always_last", **quiet, **LIGHT)
    start.click(handlers.run, [files, methods, form, quality, private, size, other_size], outputs, **quiet, **HEAVY)
    stop.click(handlers.stop, None, [line], **quiet, **LIGHT)


def _default(context: PageContext, jobs: Sequence[Job]) -> list[str]:
    """Return the key of the fastest network that is ticked in Compare, as a list of at most one."""
    keys = ticked(jobs, context.runner.estimates)
    found = quickest(context.runner.estimates, [job for job in jobs if job.key in keys])
    return [job.key for job in ([found] if found else jobs[:1])]
