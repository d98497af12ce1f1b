"""Event handlers of the Compare tab for a run: start, progress, results, stop."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr

from sr_demo.errors import BadInput, SRError, log_unexpected
from sr_demo.faces.detail_limit import FACE_DETAIL
from sr_demo.image import ImageData, Size
from sr_demo.imaging.degradation import Realistic
from sr_demo.inference.faithful import can_limit_face_detail
from sr_demo.inference.jobs import Job
from sr_demo.options import build as build_options
from sr_demo.reports.saved_image import Part
from sr_demo.ui import controls, method_choices
from sr_demo.ui import source as sources
from sr_demo.ui.compare import presets, sizes, whole_photo
from sr_demo.ui.compare.advice import AdviceHandlers
from sr_demo.ui.compare.comparison import Given, Task, WholePhoto, compare
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.compare.external_results import external_results_of
from sr_demo.ui.compare.history import HistoryHandlers
from sr_demo.ui.compare.view import View
from sr_demo.ui.html import fine_print, problem, progress_line
from sr_demo.ui.method_choices import PageContext, offered, seconds
from sr_demo.ui.sessions import session_of
from sr_demo.ui.source import Source
from sr_demo.ui.updates import Updates
from sr_demo.ui.viewer.viewer import viewer_value

EMPTY = "Choose a photo or click an example, then press Compare. The results appear here."

RUNS, OPENING, FETCHING, SEARCH = STOPPED = "compare", "open model", "fetch model", "search models"
"""Kinds of work that the Stop button of the tab stops."""


class RunHandlers:
    """Handlers that run comparisons and show their results. They hold no state of their own."""

    def __init__(self, context: PageContext, components: CompareComponents) -> None:
        self._context = context
        self._parts = components
        self._history = HistoryHandlers(context, components)
        self._advice = AdviceHandlers(context, components)
        default_jobs, more_jobs = offered(context.approaches, context.runner.estimates)
        self._jobs = [*default_jobs, *more_jobs]

    def run(self, values: dict[Any, Any], request: gr.Request) -> Iterator[Updates]:
        """Run the comparison and yield updates of the page; `values` are those of `CompareComponents.run_inputs`.

        If the visitor starts another run, this one is stopped and yields no more updates.
        """
        session = session_of(request)
        yield from self._context.stops.newest(run_key(session), lambda stop: self._updates(values, session, stop))

    def _updates(self, values: dict[Any, Any], session: str, stop: Event) -> Iterator[Updates]:
        view = None
        try:
            task = self.task(values, session)
            with self._context.callers.admitted(stop) as caller:
                for view in compare(self._context.runner, self._context.store, task, caller):
                    self._context.histories.begin(session, view.folder)
                    self._context.uploads.remember(view.folder, values[self._parts.photo.source].path)
                    yield self._running(view, session)
            assert view is not None
            yield self._finished(view, session)
        except SRError as exc:
            yield self._failed(str(exc), view, session)
        except Exception as exc:
            yield self._failed(log_unexpected(exc, "comparing"), view, session)

    def advise(self, source: Source | None, methods: list[str], more: list[str], request: gr.Request) -> Updates:
        """Add what the methods scored to the recommendation, where the photo is still the one of the comparison shown.

        Args:
            source: The photo.
            methods: Keys of the ticked methods.
            more: Keys of the ticked further checkpoints.
            request: Identifies the session.
        """
        run = self._context.histories.shown(session_of(request))
        if source is None or run is None or self._context.uploads.original(run.folder) != Path(source.path):
            return gr.skip()
        return self._advice.measured(source, run.comparison.results, {*methods, *more}) or gr.skip()

    def task(self, values: Mapping[Any, Any], session: str = "") -> Task:
        """Return the comparison that the components select; `session` identifies the visitor's own models.

        Raises:
            BadInput: There is no photo, no method is ticked, or the size or an option is invalid.
        """
        choice = self._parts.choice
        source: Source | None = values[self._parts.photo.source]
        preset, test = str(values[choice.preset]), bool(values[choice.test])
        keys = [*values[choice.methods], *values[choice.more]]
        if source is None:
            raise BadInput(sources.NO_PHOTO)
        if not keys:
            raise BadInput("No method is ticked. Tick at least one.")
        options = controls.values(choice.options, [values[bound.component] for bound in choice.options])
        precision = options.get(method_choices.PRECISION, {}).get("wanted", "auto")
        run = self._parts.run
        size = sizes.requested(str(values[run.size]), str(values[run.other_size] or ""), source, test=test)
        agreed = bool(options.get(method_choices.DOWNLOAD, {}).get("agreed"))
        keep = bool(values[self._parts.results.keep_faces])

        def kept(job: Job) -> dict[str, object]:
            return {"face_detail": FACE_DETAIL} if keep and can_limit_face_detail(job) else {}

        jobs = [
            replace(
                job,
                options=build_options(job.approach.options, {**(options.get(job.approach.id) or {}), **kept(job)}),
                precision=precision,
                download=agreed,
            ).sized(size)
            for job in (*self._jobs, *self._context.models.jobs(session))
            if job.key in keys
        ]
        if not jobs:
            raise BadInput("The ticked models are no longer here. Tick a method, or open your model again.")
        realistic = None
        if test and values[choice.degradation] == "realistic":
            realistic = build_options(Realistic, options["degradation"])

        def load() -> ImageData:
            image = self._context.uploads.read(source.path, self._context.limits)
            return replace(sources.cut(source, image, longest), name=source.name)

        factor = sizes.ChosenSize(size).factor
        longest = presets.max_side(preset, test, factor)
        lr_size = presets.lr_size(source, preset, test, factor)
        whole = None
        if (
            not test
            and preset != presets.FAMILIES
            and (first := whole_photo.whole_photo_job(self._context, jobs, source))
        ):
            whole = self._whole(first, source)
        expected = partial(seconds, self._context, size=lr_size, opacity=source.opacity)
        # `sized` may have replaced two ticked checkpoints by the same one, which suits the size.
        different = list({job.key: job for job in jobs}.values())
        brought = external_results_of(self._context, values[choice.brought.files], source)
        centre = source.centre if whole else source.centre_in_region()
        box, reduced = source.box(), source.size_within(longest)
        given = Given(Size(source.height, source.width), Size(box.height, box.width), Size(*reduced))
        return Task(
            load, different, test, realistic, expected, Size(*lr_size), given, _scene(source), centre, brought, whole
        )  # fmt: skip

    def _whole(self, job: Job, source: Source) -> WholePhoto:
        """Return the whole photo, which `job` will upscale after the part."""
        context, box = self._context, source.box()
        size = Size(source.height, source.width)
        part = Part(
            box.left / size.width, box.top / size.height, box.width / size.width, box.height / size.height
        )  # fmt: skip
        expected = whole_photo.expected(context, job, source)
        return WholePhoto(job, lambda: context.uploads.read(source.path, context.limits), expected, size, part)

    def stop(self, request: gr.Request) -> Updates:
        """Stop what this browser session runs on the tab: the comparison, and the search and trial of models."""
        session, stops = session_of(request), self._context.stops
        compares = stops.is_running(run_key(session))
        for kind in STOPPED:
            stops.stop(f"{kind} {session}")
        if not compares:  # nothing would replace the sentence
            return gr.skip()
        return {self._parts.run.estimate: fine_print("Stopping after the current tile. Finished results stay.")}

    def _running(self, view: View, session: str) -> Updates:
        """Return the updates during the run; table and chart are included only after they have changed."""
        results = self._parts.results
        changed = {**self._numbers(view), **self._history.row(session, running=True)} if view.is_fresh() else {}
        changed |= {
            results.link: gr.Button(visible=False),
            results.unlink: gr.Button(visible=False),
            results.link_note: "",
        }
        hidden = {button: gr.DownloadButton(visible=False) for button in results.downloads.values()}
        return {**self._images(view), **changed, **hidden, **self._buttons(running=True, can_stop=True)}

    def _finished(self, view: View, session: str) -> Updates:
        """Return the updates after the run: all components again, in case an update was lost, and the downloads."""
        images = self._images(view)
        kept = self._history.finished(session, view, images[self._parts.results.viewer])
        return {**images, **self._numbers(view), **kept, **self._ended(session)}

    def _failed(self, message: str, view: View | None, session: str) -> Updates:
        """Return the updates after the whole comparison has failed: the error, and the finished results."""
        images: Updates = {}
        if view is not None:
            view.progress.give_up()
            images = self._images(view) if view.images else {self._parts.results.viewer: viewer_value([], EMPTY)}
        progress = {self._parts.results.progress: problem(message)}
        return {
            **images, **progress, **self._history.row(session, shows_one=view is None), **self._ended(session),
        }  # fmt: skip

    def _images(self, view: View) -> Updates:
        results = self._parts.results
        return {
            results.progress: progress_line(view.progress.summary()),
            results.viewer: viewer_value(
                view.for_viewer(),
                EMPTY,
                pair=view.pair(),
                scene=view.scene,
                centre=view.centre,
                adjustable=view.comparison is not None,
            ),
        }

    def _numbers(self, view: View) -> Updates:
        results = self._parts.results
        return {
            results.table: view.table(),
            results.chart: view.chart(),
            results.families: view.families,
        }

    def _ended(self, session: str) -> Updates:
        """Return the buttons after a run; Stop stays where a search or trial of models of the visitor goes on."""
        others = [kind for kind in STOPPED if kind != RUNS]
        return self._buttons(running=False, can_stop=self._context.stops.any_running(session, others))

    def _buttons(self, *, running: bool, can_stop: bool) -> Updates:
        run = self._parts.run
        return {
            run.start: gr.Button(interactive=not running),
            run.stop: gr.Button(interactive=can_stop),
            run.whole: gr.Button(interactive=not running),
        }


def run_key(session: str) -> str:
    """Return the key of the comparison of a session among its stop flags."""
    return f"{RUNS} {session}"


def _scene(source: Source) -> str:
    """Return a hash that identifies the photo and its region."""
    return hashlib.sha256(f"{source.path} {source.box()}".encode()).hexdigest()[:16]
