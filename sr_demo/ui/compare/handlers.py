"""What happens on each event of the comparison tab."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from sr_demo.errors import BadInput, SRError, unexpected
from sr_demo.image import ImageData, read
from sr_demo.imaging.degradation import Realistic
from sr_demo.inference.jobs import job_for
from sr_demo.options import build as build_options
from sr_demo.reports import formatting
from sr_demo.ui import controls, method_choices
from sr_demo.ui import source as sources
from sr_demo.ui.clicks import point
from sr_demo.ui.compare import presets
from sr_demo.ui.compare.presets import Kept
from sr_demo.ui.compare.view import Task, View, compare
from sr_demo.ui.examples import chosen_file
from sr_demo.ui.html import problem
from sr_demo.ui.method_choices import Context, labels, offered, region_choices, seconds
from sr_demo.ui.source import REGION_SIDES, Source
from sr_demo.ui.viewer.viewer import viewer_value

_PATIENCE_SECONDS = 10.0
"""Above this estimate a region is proposed first; people leave after ten seconds."""
EMPTY = "Choose a picture or one of the examples, then press Compare. The results appear here."


class Handlers:
    """What happens on each event. Stateless apart from the context."""

    def __init__(self, context: Context, options: Sequence[controls.Bound]) -> None:
        self._context = context
        self._options = options
        self._first, self._more = offered(context.approaches)

    def take(self, path: str | None, preset: str, mode: str, methods: list[str], more: list[str]) -> tuple[Any, ...]:
        """A picture was uploaded: -> source, preview, about, region, mode."""
        if path is None:
            return None, gr.skip(), "", gr.Radio(visible=False), gr.skip()
        try:
            source, picture = sources.open_source(path, self._context.limits)
            if preset == presets.OWN:
                source = self._proposed(source, mode, [*methods, *more])
            else:
                mode = presets.mode_for(source)
            preview = sources.write_preview(source, picture, self._context.store.new())
        except SRError as exc:
            return None, None, problem(str(exc)), gr.Radio(visible=False), gr.skip()
        except Exception as exc:
            return None, None, problem(unexpected(exc, "opening a picture")), gr.Radio(visible=False), gr.skip()
        return source, str(preview), sources.describe(source), _region(source), mode

    def take_example(
        self, preset: str, mode: str, methods: list[str], more: list[str], event: gr.EventData
    ) -> tuple[Any, ...]:
        """An example was clicked: as if it had been uploaded."""
        return self.take(str(chosen_file(event)), preset, mode, methods, more)

    def choose_preset(
        self, source: Source | None, preset: str, mode: str, methods: list[str], more: list[str], kept: Kept | None
    ) -> tuple[Any, ...]:
        """A preset, or back to what was chosen before it: -> source, preview, about, region, mode, methods, more, kept."""
        if preset == presets.OWN:
            if kept is None:
                return (gr.skip(),) * 8
            mode, methods, more, before, kept = kept.mode, kept.methods, kept.more, kept.source, None
            if source is not None:
                same = before is not None and before.path == source.path
                source = before if same else self._proposed(source, mode, [*methods, *more])
        else:
            kept = kept or Kept(mode, methods, more, source)
            keys = presets.ticked([*self._first, *self._more])
            methods, more = ([job.key for job in group if job.key in keys] for group in (self._first, self._more))
            source, mode = replace(source, region_side=None) if source else None, presets.mode_for(source)
        if source is None:
            return None, gr.skip(), gr.skip(), gr.skip(), mode, methods, more, kept
        return (*self._redrawn(source), _region(source), mode, methods, more, kept)

    def _proposed(self, source: Source, mode: str, keys: Sequence[str]) -> Source:
        """A region first, where the whole picture would take longer than people wait."""
        if self._total(source, mode, keys) <= _PATIENCE_SECONDS:
            return source
        for side in reversed(REGION_SIDES):
            smaller = replace(source, region_side=side)
            if self._total(smaller, mode, keys) <= _PATIENCE_SECONDS:
                return smaller
        return replace(source, region_side=REGION_SIDES[0])

    def _total(self, source: Source, mode: str, keys: Sequence[str], preset: str = presets.OWN) -> float:
        jobs = [job for job in (*self._first, *self._more) if job.key in keys]
        size = _size(source, mode, preset)
        return sum(seconds(self._context, job, size, opacity=source.opacity) for job in jobs)

    def choose_region(self, source: Source | None, region: str) -> tuple[Any, ...]:
        """Another region size: -> source, preview, about."""
        if source is None:
            return None, gr.skip(), ""
        side = int(region) if region.isdecimal() and int(region) in REGION_SIDES else None
        return self._redrawn(replace(source, region_side=side))

    def move_region(self, source: Source | None, event: gr.EventData) -> tuple[Any, ...]:
        """A click into the picture puts the region there: -> source, preview, about."""
        if source is None or source.region_side is None:
            return source, gr.skip(), gr.skip()
        x, y = point(event)
        shown = min(1.0, sources.PREVIEW_SIDE / max(source.width, source.height))
        return self._redrawn(source.moved(x / (source.width * shown), y / (source.height * shown)))

    def _redrawn(self, source: Source) -> tuple[Any, ...]:
        picture = read(Path(source.path), self._context.limits)
        preview = sources.write_preview(source, picture, self._context.store.new())
        return source, str(preview), sources.describe(source)

    def price(
        self, source: Source | None, preset: str, mode: str, methods: list[str], more: list[str]
    ) -> tuple[Any, ...]:
        """Labels with the time each method takes for this picture, and the sum.

        -> methods, more, estimate, start, damage, what the preset does.
        """
        keys = [*methods, *more]
        size = _size(source, mode, preset) if source else (256, 256)
        opacity = source is not None and source.opacity
        total = self._total(source, mode, keys, preset) if source else 0.0
        text = ""
        if source and keys:
            text = f'<p class="sr-fine">about {formatting.seconds(total)} on this machine</p>'
        elif not keys:
            text = '<p class="sr-fine">Tick at least one method.</p>'
        return (
            gr.CheckboxGroup(choices=labels(self._context, self._first, size, opacity=opacity)),
            gr.CheckboxGroup(choices=labels(self._context, self._more, size, opacity=opacity)),
            text,
            gr.Button(interactive=source is not None and bool(keys)),
            gr.Group(visible=mode == "test"),
            _fine(presets.note(preset, mode, source, [*self._first, *self._more], keys)),
        )

    def run(
        self,
        source: Source | None,
        preset: str,
        mode: str,
        methods: list[str],
        more: list[str],
        damage: str,
        *rest: Any,
    ) -> Iterator[tuple[Any, ...]]:
        """Run the comparison and stream what the page shows: -> Parts.results."""
        *given, request = rest
        session = str(request.session_hash)
        stop = self._context.stops.begin(session)
        try:
            task = self.task(source, preset, mode, [*methods, *more], damage, given)
            view = None
            with self._context.callers.admitted(stop) as caller:
                for view in compare(self._context.runner, self._context.store, task, caller):
                    yield _shown(view)
            assert view is not None
            yield _finished(view)
        except SRError as exc:
            yield _failed(str(exc))
        except Exception as exc:
            yield _failed(unexpected(exc, "comparing"))
        finally:
            self._context.stops.end(session, stop)

    def task(
        self, source: Source | None, preset: str, mode: str, keys: Sequence[str], damage: str, given: Sequence[Any]
    ) -> Task:
        """What was asked for. Raises BadInput where something is missing."""
        if source is None:
            raise BadInput("There is no picture yet. Drop one into the box, or click an example.")
        if not keys:
            raise BadInput("No method is ticked. Tick at least one.")
        chosen = controls.values(self._options, given)
        ordered = [job.key for job in (*self._first, *self._more) if job.key in keys]
        precision = chosen.get(method_choices.PRECISION, {}).get("wanted", "auto")
        agreed = bool(chosen.get(method_choices.DOWNLOAD, {}).get("agreed"))
        jobs = [
            job_for(self._context.approaches, key, chosen.get(key.partition(":")[0]), precision, agreed)
            for key in ordered
        ]
        realistic = None
        if mode == "test" and damage == "realistic":
            realistic = build_options(Realistic, chosen["damage"])

        def load() -> ImageData:
            picture = read(Path(source.path), self._context.limits)
            return replace(sources.cut(source, picture, presets.longest(preset, mode)), name=source.name)

        size = _size(source, mode, preset)
        expected = partial(seconds, self._context, size=size, opacity=source.opacity)
        return Task(load, jobs, mode == "test", realistic, expected)

    def halt(self, request: gr.Request) -> str:
        """Stop what this browser session runs."""
        self._context.stops.stop(str(request.session_hash))
        return '<p class="sr-fine">Stopping after the present tile; what is finished stays.</p>'


def _size(source: Source, mode: str, preset: str) -> tuple[int, int]:
    """Height and width of what the methods are given."""
    height, width = source.size_within(presets.longest(preset, mode))
    return (max(height // 4, 1), max(width // 4, 1)) if mode == "test" else (height, width)


def _region(source: Source) -> gr.Radio:
    choices = region_choices(source)
    value = str(source.region_side) if source.region_side else method_choices.WHOLE
    return gr.Radio(choices, value=value, visible=len(choices) > 1)


def _fine(text: str) -> str:
    return f'<p class="sr-fine">{escape(text)}</p>' if text else ""


def _shown(view: View) -> tuple[Any, ...]:
    """While it runs. Only what changed is sent."""
    same = not view.fresh()
    return (
        view.progress.html(),
        gr.skip() if same else viewer_value(view.pictures, EMPTY),
        gr.skip() if same else view.table(),
        gr.skip() if same else view.chart(),
        gr.skip() if same else view.families,
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
    content = (view.progress.html(), viewer_value(view.pictures, EMPTY), view.table(), view.chart(), view.families)
    return (*content, *buttons, gr.Button(interactive=True), gr.Button(interactive=False))


def _failed(message: str) -> tuple[Any, ...]:
    return (problem(message), *(gr.skip(),) * 7, gr.Button(interactive=True), gr.Button(interactive=False))
