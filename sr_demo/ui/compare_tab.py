"""The tab where a picture is enlarged by several methods, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from sr_demo import weights
from sr_demo.degrade import Realistic
from sr_demo.errors import BadInput, SRError, unexpected
from sr_demo.image import Limits, read
from sr_demo.options import build as build_options
from sr_demo.reports import words
from sr_demo.runner import Job, Runner, job_for
from sr_demo.spec import Approach
from sr_demo.ui import controls
from sr_demo.ui import source as sources
from sr_demo.ui.comparing import Task, View, compare
from sr_demo.ui.examples import examples, sample_file
from sr_demo.ui.source import REGION_SIDES, Source, picture_input
from sr_demo.ui.stops import Stops
from sr_demo.ui.store import Store
from sr_demo.ui.viewer import viewer, viewer_value

_PATIENCE_SECONDS = 10.0
"""Above this estimate a region is proposed first; people leave after ten seconds."""
_WHOLE = "whole"
_EMPTY = "Choose a picture or one of the examples, then press Compare. The results appear here."
_SHOW_RESULTS = (
    "() => { document.getElementById('progress')?.scrollIntoView({ behavior: 'smooth', block: 'start' }); return []; }"
)
"""Brings the results into view: they lie below the first screen."""
_SORT = (Path(__file__).parent / "table.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Context:
    """What the tab works with."""

    approaches: Sequence[Approach]
    runner: Runner
    store: Store
    stops: Stops
    limits: Limits


@dataclass(frozen=True)
class Parts:
    """The components that events read or write."""

    picture: gr.Image
    examples: gr.HTML
    about: gr.HTML
    region: gr.Radio
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
    zip: gr.DownloadButton
    html: gr.DownloadButton
    json: gr.DownloadButton
    source: gr.State

    @property
    def choices(self) -> list[gr.components.Component]:
        """What decides which jobs run, and on how many pixels."""
        return [self.source, self.mode, self.methods, self.more]

    @property
    def results(self) -> list[gr.components.Component]:
        """What a running comparison writes."""
        return [
            self.progress, self.view, self.table, self.chart, self.zip, self.html, self.json, self.start, self.stop,
        ]  # fmt: skip


def build(context: Context) -> None:
    """Lay out the tab and connect its events, in the current Gradio context."""
    parts = _lay_out(context)
    handlers = Handlers(context, parts.options)
    _connect(parts, handlers)


def _lay_out(context: Context) -> Parts:
    default_jobs, more_jobs = _offered(context.approaches)
    with gr.Row(elem_classes="sr-top"):
        with gr.Column(scale=5, min_width=320):
            picture = picture_input(
                label="Your picture", sources=["upload", "clipboard", "webcam"],
                height=300, elem_id="picture", buttons=[],
            )  # fmt: skip
            about = gr.HTML(elem_id="about-picture")
            thumbnails = examples()
            region = gr.Radio(
                _region_choices(None), value=_WHOLE, label="How much of it", visible=False, elem_id="region"
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
            methods = gr.CheckboxGroup(
                _labels(context, default_jobs, 256 * 256),
                value=[job.key for job in default_jobs if job.approach.preselected],
                label="Which methods?", elem_id="methods", elem_classes="sr-methods",
            )  # fmt: skip
            with gr.Accordion("More methods and published networks", open=False, visible=bool(more_jobs)):
                more = gr.CheckboxGroup(
                    _labels(context, more_jobs, 256 * 256), value=[], show_label=False, elem_id="more-methods",
                    elem_classes="sr-methods", label="More methods",
                )  # fmt: skip
            with gr.Accordion("Options for each method", open=False):
                options = controls.accordions(context.approaches)
            with gr.Row(elem_classes="sr-actions"):
                start = gr.Button("Compare", variant="primary", elem_id="compare", scale=2, interactive=False)
                stop = gr.Button("Stop", elem_id="stop", scale=1, interactive=False)
            estimate = gr.HTML(elem_id="estimate")
    progress = gr.HTML(elem_id="progress")
    view = viewer(elem_id="viewer", empty=_EMPTY)
    table = gr.HTML(elem_id="table", js_on_load=_SORT)
    chart = gr.HTML(elem_id="chart")
    with gr.Row(elem_classes="sr-downloads"):
        zip_button = gr.DownloadButton("Download all (zip)", visible=False, elem_id="download-zip", size="sm")
        html_button = gr.DownloadButton("Report (html)", visible=False, elem_id="download-html", size="sm")
        json_button = gr.DownloadButton("Report (json)", visible=False, elem_id="download-json", size="sm")
    return Parts(
        picture, thumbnails, about, region, mode, damage, damage_box, methods, more, options + damage_controls, start,
        stop, estimate, progress, view, table, chart, zip_button, html_button, json_button, gr.State(None),
    )  # fmt: skip


def _offered(approaches: Sequence[Approach]) -> tuple[list[Job], list[Job]]:
    """A job for each approach's default checkpoint, and one for each further checkpoint; unselected ones with the latter."""
    first: list[Job] = []
    more: list[Job] = []
    for approach in approaches:
        for index, checkpoint in enumerate(approach.checkpoints):
            job = Job(approach, checkpoint, approach.options())
            (first if index == 0 and approach.preselected else more).append(job)
    return first, more


def _labels(context: Context, jobs: Sequence[Job], pixels: int) -> list[tuple[str, str]]:
    return [
        (
            words.method_label(job, _seconds(context, job, pixels), weights.is_available(job.checkpoint)),
            job.key,
        )
        for job in jobs
    ]


def _seconds(context: Context, job: Job, pixels: int) -> float:
    return context.runner.estimates.seconds(job.approach, job.checkpoint, job.key, pixels)


def _region_choices(source: Source | None) -> list[tuple[str, str]]:
    choices = [("The whole picture", _WHOLE)]
    if source is not None:
        choices += [
            (f"A part of {side} × {side}", str(side))
            for side in REGION_SIDES
            if side * side < 0.8 * source.width * source.height and side <= max(source.width, source.height)
        ]
    return choices


class Handlers:
    """What happens on each event. Stateless apart from the context."""

    def __init__(self, context: Context, options: Sequence[controls.Bound]) -> None:
        self._context = context
        self._options = options
        self._first, self._more = _offered(context.approaches)

    def take(self, path: str | None, mode: str, methods: list[str], more: list[str]) -> tuple[Any, ...]:
        """A picture was uploaded: -> source, preview, about, region."""
        if path is None:
            return None, gr.skip(), "", gr.Radio(visible=False)
        try:
            source, picture = sources.open_source(path, self._context.limits)
            source = self._proposed(source, mode, [*methods, *more])
            preview = sources.write_preview(source, picture, self._context.store.new())
        except SRError as exc:
            return None, None, _problem(str(exc)), gr.Radio(visible=False)
        except Exception as exc:
            return None, None, _problem(unexpected(exc, "opening a picture")), gr.Radio(visible=False)
        choices = _region_choices(source)
        value = str(source.region_side) if source.region_side else _WHOLE
        radio = gr.Radio(choices, value=value, visible=len(choices) > 1)
        return source, str(preview), sources.describe(source), radio

    def take_example(self, mode: str, methods: list[str], more: list[str], event: gr.EventData) -> tuple[Any, ...]:
        """An example was clicked: as if it had been uploaded."""
        return self.take(str(sample_file(int(event.index))), mode, methods, more)

    def _proposed(self, source: Source, mode: str, keys: Sequence[str]) -> Source:
        """A region first, where the whole picture would take longer than people wait."""
        if self._total(source, mode, keys) <= _PATIENCE_SECONDS:
            return source
        for side in reversed(REGION_SIDES):
            smaller = replace(source, region_side=side)
            if self._total(smaller, mode, keys) <= _PATIENCE_SECONDS:
                return smaller
        return replace(source, region_side=REGION_SIDES[0])

    def _total(self, source: Source, mode: str, keys: Sequence[str]) -> float:
        jobs = [job for job in (*self._first, *self._more) if job.key in keys]
        return sum(_seconds(self._context, job, _pixels(source, mode)) for job in jobs)

    def choose_region(self, source: Source | None, region: str) -> tuple[Any, ...]:
        """Another region size: -> source, preview, about."""
        if source is None:
            return None, gr.skip(), ""
        side = int(region) if region.isdecimal() and int(region) in REGION_SIDES else None
        return self._redrawn(replace(source, region_side=side))

    def move_region(self, source: Source | None, event: gr.SelectData) -> tuple[Any, ...]:
        """A click into the picture puts the region there: -> source, preview, about."""
        if source is None or source.region_side is None:
            return source, gr.skip(), gr.skip()
        x, y = event.index[0], event.index[1]
        shown = min(1.0, sources.PREVIEW_SIDE / max(source.width, source.height))
        return self._redrawn(source.moved(x / (source.width * shown), y / (source.height * shown)))

    def _redrawn(self, source: Source) -> tuple[Any, ...]:
        picture = read(Path(source.path), self._context.limits)
        preview = sources.write_preview(source, picture, self._context.store.new())
        return source, str(preview), sources.describe(source)

    def price(self, source: Source | None, mode: str, methods: list[str], more: list[str]) -> tuple[Any, ...]:
        """Labels with the time each method takes for this picture, and the sum: -> methods, more, estimate, start, damage."""
        keys = [*methods, *more]
        pixels = _pixels(source, mode) if source else 256 * 256
        total = self._total(source, mode, keys) if source else 0.0
        text = ""
        if source and keys:
            text = f'<p class="sr-fine">about {words.seconds(total)} on this machine</p>'
        elif not keys:
            text = '<p class="sr-fine">Tick at least one method.</p>'
        return (
            gr.CheckboxGroup(choices=_labels(self._context, self._first, pixels)),
            gr.CheckboxGroup(choices=_labels(self._context, self._more, pixels)),
            text,
            gr.Button(interactive=source is not None and bool(keys)),
            gr.Group(visible=mode == "test"),
        )

    def run(
        self, source: Source | None, mode: str, methods: list[str], more: list[str], damage: str, *rest: Any
    ) -> Iterator[tuple[Any, ...]]:
        """Run the comparison and stream what the page shows: -> Parts.results."""
        *given, request = rest
        session = str(request.session_hash)
        stop = self._context.stops.begin(session)
        try:
            task = self._task(source, mode, [*methods, *more], damage, given)
            view = None
            for view in compare(self._context.runner, self._context.store, task, stop):
                yield _shown(view)
            assert view is not None
            yield _finished(view)
        except SRError as exc:
            yield _failed(str(exc))
        except Exception as exc:
            yield _failed(unexpected(exc, "comparing"))
        finally:
            self._context.stops.end(session, stop)

    def _task(self, source: Source | None, mode: str, keys: Sequence[str], damage: str, given: Sequence[Any]) -> Task:
        if source is None:
            raise BadInput("There is no picture yet. Drop one into the box, or click an example.")
        if not keys:
            raise BadInput("No method is ticked. Tick at least one.")
        chosen = controls.values(self._options, given)
        ordered = [job.key for job in (*self._first, *self._more) if job.key in keys]
        jobs = [job_for(self._context.approaches, key, chosen.get(key.partition(":")[0])) for key in ordered]
        realistic = None
        if mode == "test" and damage == "realistic":
            realistic = build_options(Realistic, chosen["damage"])
        picture = sources.cut(source, read(Path(source.path), self._context.limits))
        return Task(replace(picture, name=source.name), jobs, mode == "test", realistic)

    def halt(self, request: gr.Request) -> str:
        """Stop what this browser session runs."""
        self._context.stops.stop(str(request.session_hash))
        return '<p class="sr-fine">Stopping after the present tile; what is finished stays.</p>'


def _pixels(source: Source, mode: str) -> int:
    return source.pixels() // 16 if mode == "test" else source.pixels()


def _shown(view: View) -> tuple[Any, ...]:
    """While it runs. Only what changed is sent."""
    same = not view.fresh()
    return (
        view.progress.html(),
        gr.skip() if same else viewer_value(view.pictures, _EMPTY),
        gr.skip() if same else view.table(),
        gr.skip() if same else view.chart(),
        *(gr.DownloadButton(visible=False),) * 3,
        gr.Button(interactive=False),
        gr.Button(interactive=True),
    )


def _finished(view: View) -> tuple[Any, ...]:
    """Everything once more, so that nothing is missing whatever happened on the way, and the downloads."""
    buttons = [
        gr.DownloadButton(value=str(view.files[kind]), visible=True) if kind in view.files else gr.skip()
        for kind in ("zip", "html", "json")
    ]
    content = (view.progress.html(), viewer_value(view.pictures, _EMPTY), view.table(), view.chart())
    return (*content, *buttons, gr.Button(interactive=True), gr.Button(interactive=False))


def _failed(message: str) -> tuple[Any, ...]:
    return (_problem(message), *(gr.skip(),) * 6, gr.Button(interactive=True), gr.Button(interactive=False))


def _problem(message: str) -> str:
    return f'<p class="sr-problem" role="alert">{escape(message)}</p>'


def _connect(parts: Parts, handlers: Handlers) -> None:
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    taken: list[Any] = [parts.source, parts.picture, parts.about, parts.region]
    chosen: list[Any] = [parts.mode, parts.methods, parts.more]
    priced: list[Any] = [parts.methods, parts.more, parts.estimate, parts.start, parts.damage_box]
    run_inputs: list[Any] = [*parts.choices, parts.damage, *(bound.component for bound in parts.options)]

    def priced_after(event: Any) -> Any:
        return event.then(handlers.price, parts.choices, priced, **quiet)

    def runs_after(event: Any) -> Any:
        return event.then(
            _with_request(handlers.run), run_inputs, parts.results, concurrency_id="compute", concurrency_limit=1,
            show_progress="minimal", show_progress_on=[parts.progress], api_visibility="private",
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
    for choice in (parts.mode, parts.methods, parts.more):
        choice.input(handlers.price, parts.choices, priced, **quiet)
    started = parts.start.click(lambda: gr.Button(interactive=False), None, parts.start, **quiet)
    parts.start.click(None, None, None, js=_SHOW_RESULTS, **quiet)
    priced_after(runs_after(started))
    parts.stop.click(handlers.halt, None, parts.estimate, queue=False, **quiet)


def _with_request(run: Any) -> Any:
    """Gradio injects the request by annotation, which a `*rest` signature cannot carry."""

    def with_request(request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
        yield from run(*values, request)

    return with_request
