"""The tab where a picture is enlarged by several methods, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from sr_demo.backends import quantization
from sr_demo.imaging.degradation import Realistic
from sr_demo.inference import int8
from sr_demo.ui import controls, method_choices, prompt_box
from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.compare import presets
from sr_demo.ui.compare.handlers import EMPTY, Handlers
from sr_demo.ui.examples import examples
from sr_demo.ui.method_choices import WHOLE, Context, labels, offered, region_choices
from sr_demo.ui.source import image_input
from sr_demo.ui.viewer.viewer import viewer

_SHOW_RESULTS = (
    "() => { document.getElementById('progress')?.scrollIntoView({ behavior: 'smooth', block: 'start' }); return []; }"
)
"""Brings the results into view: they lie below the first screen."""
_SORT = (Path(__file__).parent / "table.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Parts:
    """The components that events read or write."""

    picture: gr.Image
    examples: gr.HTML
    about: gr.HTML
    region: gr.Radio
    preset: gr.Radio
    preset_note: gr.HTML
    caption: prompt_box.Box | None
    kept: gr.State
    mode: gr.Radio
    damage: gr.Radio
    damage_box: gr.Group
    methods: gr.CheckboxGroup
    more: gr.CheckboxGroup
    options: list[controls.Bound]
    start: gr.Button
    stop: gr.Button
    estimate: gr.HTML
    progress: gr.HTML
    view: gr.HTML
    table: gr.HTML
    chart: gr.HTML
    families: gr.HTML
    zip: gr.DownloadButton
    html: gr.DownloadButton
    json: gr.DownloadButton
    source: gr.State

    @property
    def choices(self) -> list[gr.components.Component]:
        """What decides which jobs run, and on how many pixels."""
        return [self.source, self.preset, self.mode, self.methods, self.more]

    @property
    def results(self) -> list[gr.components.Component]:
        """What a running comparison writes."""
        return [
            self.progress, self.view, self.table, self.chart, self.families, self.zip, self.html, self.json, self.start,
            self.stop,
        ]  # fmt: skip


def build(context: Context) -> None:
    """Lay out the tab and connect its events, in the current Gradio context."""
    parts = _lay_out(context)
    handlers = Handlers(context, parts.options)
    _connect(parts, handlers)
    if parts.caption is not None:
        filled = prompt_box.prompts(context.approaches, parts.options)
        prompt_box.connect(context, parts.caption, filled, parts.source)


def _lay_out(context: Context) -> Parts:
    default_jobs, more_jobs = offered(context.approaches)
    with gr.Row(elem_classes="sr-top"):
        with gr.Column(scale=5, min_width=320):
            picture = image_input(
                label="Your picture", sources=["upload", "clipboard", "webcam"],
                height=300, elem_id="picture", buttons=[],
            )  # fmt: skip
            about = gr.HTML(elem_id="about-picture")
            thumbnails = examples()
            region = gr.Radio(
                region_choices(None), value=WHOLE, label="How much of it", visible=False, elem_id="region"
            )
        with gr.Column(scale=6, min_width=320):
            mode = gr.Radio(
                [
                    ("Enlarge my picture: the result is 4 times larger", "enlarge"),
                    ("Test against the truth: we shrink your picture first, so the right answer is known", "test"),
                ],
                value="enlarge", label="What do you want to do?", elem_id="mode",
            )  # fmt: skip
            with gr.Group(visible=False) as damage_box:
                damage = gr.Radio(
                    [("Just smaller (bicubic)", "bicubic"), ("Realistic: blur, noise and JPEG", "realistic")],
                    value="bicubic", label="How do we make it smaller?", elem_id="damage",
                )  # fmt: skip
                with gr.Accordion("Strength of the realistic damage", open=False):
                    damage_controls = controls.make("damage", Realistic)
            questions = presets.choices([*default_jobs, *more_jobs])
            preset = gr.Radio(
                questions, value=presets.OWN, label="Which question?", visible=len(questions) > 1, elem_id="preset"
            )
            preset_note = gr.HTML(elem_id="preset-note")
            methods = gr.CheckboxGroup(
                labels(context, default_jobs, (256, 256)),
                value=[job.key for job in default_jobs if job.approach.preselected],
                label="Which methods?", elem_id="methods", elem_classes="sr-methods",
            )  # fmt: skip
            with gr.Accordion("More methods and published networks", open=False, visible=bool(more_jobs)):
                more = gr.CheckboxGroup(
                    labels(context, more_jobs, (256, 256)), value=[], show_label=False, elem_id="more-methods",
                    elem_classes="sr-methods", label="More methods",
                )  # fmt: skip
                agreed = _agreement(context)
            absent = method_choices.absent(context.approaches)
            with gr.Accordion(
                "Large diffusion models: not on this machine", open=False, visible=bool(absent), elem_id="absent"
            ):
                gr.CheckboxGroup(
                    absent, value=[], interactive=False, show_label=False, label="Not on this machine",
                    elem_classes="sr-methods",
                )  # fmt: skip
            with gr.Accordion("Options for each method", open=False):
                caption = prompt_box.lay_out(method_choices.runnable(context.approaches))
                options = [
                    precision_choice(),
                    *controls.accordions(method_choices.runnable(context.approaches)),
                    agreed,
                ]
            with gr.Row(elem_classes="sr-actions"):
                start = gr.Button("Compare", variant="primary", elem_id="compare", scale=2, interactive=False)
                stop = gr.Button("Stop", elem_id="stop", scale=1, interactive=False)
            estimate = gr.HTML(elem_id="estimate")
    progress = gr.HTML(elem_id="progress")
    view = viewer(elem_id="viewer", empty=EMPTY)
    table = gr.HTML(elem_id="table", js_on_load=_SORT)
    chart = gr.HTML(elem_id="chart")
    with gr.Row(elem_classes="sr-downloads"):
        zip_button = gr.DownloadButton("Download all (zip)", visible=False, elem_id="download-zip", size="sm")
        html_button = gr.DownloadButton("Report (html)", visible=False, elem_id="download-html", size="sm")
        json_button = gr.DownloadButton("Report (json)", visible=False, elem_id="download-json", size="sm")
    families = gr.HTML(elem_id="families")
    return Parts(
        picture, thumbnails, about, region, preset, preset_note, caption, gr.State(None), mode, damage, damage_box, methods,
        more, options + damage_controls, start, stop, estimate, progress, view, table, chart, families, zip_button,
        html_button, json_button, gr.State(None),
    )  # fmt: skip


def precision_choice() -> controls.Bound:
    """What networks compute in: like `--precision` on the command line."""
    choices = [("Automatic: what is fastest here", "auto"), ("fp32, exact", "fp32"), ("bf16, half the bits", "bf16")]
    info = "How exactly networks compute. The table says what each result was computed in."
    if not quantization.missing():
        choices.append(("int8, a quarter of the bits", "int8"))
        info += (
            " int8 is for convolutional networks, prepared once for each, which takes up to a few minutes. The table says "
            f"what it costs; what would lose more than {int8.MOST_LOSS} dB is refused."
        )
    choice = gr.Radio(
        choices, value="auto", label="Precision", elem_id="precision", info=info,
    )  # fmt: skip
    return controls.Bound(method_choices.PRECISION, "wanted", choice)


def _agreement(context: Context) -> controls.Bound:
    """The box that allows downloads of gigabytes, with their sizes; not shown where there are none."""
    sizes = method_choices.downloads(context.approaches)
    box = gr.Checkbox(
        False, label=f"Download what is missing: {sizes}", visible=bool(sizes), elem_id="agree-to-download",
        info="Without this tick nothing that large is downloaded.",
    )  # fmt: skip
    return controls.Bound(method_choices.DOWNLOAD, "agreed", box)


def _connect(parts: Parts, handlers: Handlers) -> None:
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", **LIGHT}
    taken: list[Any] = [parts.source, parts.picture, parts.about, parts.region, parts.mode]
    chosen: list[Any] = [parts.preset, parts.mode, parts.methods, parts.more]
    priced: list[Any] = [
        parts.methods, parts.more, parts.estimate, parts.start, parts.damage_box, parts.preset_note,
    ]  # fmt: skip
    run_inputs: list[Any] = [*parts.choices, parts.damage, *(bound.component for bound in parts.options)]

    def priced_after(event: Any) -> Any:
        return event.then(handlers.price, parts.choices, priced, **quiet)

    def runs_after(event: Any) -> Any:
        return event.then(
            _with_request(handlers.run), run_inputs, parts.results, **HEAVY, show_progress="minimal",
            show_progress_on=[parts.progress], api_visibility="private",
        )  # fmt: skip

    priced_after(parts.picture.upload(handlers.take, [parts.picture, *chosen], taken, **quiet))
    cleared: list[Any] = [parts.source, parts.about, parts.region]
    priced_after(parts.picture.clear(lambda: (None, "", gr.Radio(visible=False)), None, cleared, **quiet))
    example = parts.examples.select(handlers.take_example, chosen, taken, **quiet)
    parts.examples.select(None, None, None, js=_SHOW_RESULTS, **quiet)
    priced_after(runs_after(priced_after(example)))
    redrawn: list[Any] = [parts.source, parts.picture, parts.about]
    priced_after(parts.region.input(handlers.choose_region, [parts.source, parts.region], redrawn, **quiet))
    priced_after(parts.picture.select(handlers.move_region, [parts.source], redrawn, **quiet))
    preset_writes: list[Any] = [*redrawn, parts.region, parts.mode, parts.methods, parts.more, parts.kept]
    priced_after(parts.preset.input(handlers.choose_preset, [*parts.choices, parts.kept], preset_writes, **quiet))
    for choice in (parts.mode, parts.methods, parts.more):
        choice.input(handlers.price, parts.choices, priced, **quiet)
    started = parts.start.click(lambda: gr.Button(interactive=False), None, parts.start, **quiet)
    parts.start.click(None, None, None, js=_SHOW_RESULTS, **quiet)
    priced_after(runs_after(started))
    parts.stop.click(handlers.halt, None, parts.estimate, **quiet)


def _with_request(run: Any) -> Any:
    """Gradio injects the request by annotation, which a `*rest` signature cannot carry."""

    def with_request(request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
        yield from run(*values, request)

    return with_request
