"""Handlers of the events by which the viewer requests less detail, maps of invented detail, or the positions of faces."""

from __future__ import annotations

from typing import Any

import gradio as gr

from sr_demo.errors import Cancelled, SRError, log_unexpected
from sr_demo.reports.bundle import PAGE
from sr_demo.ui.callers import HEAVY, LIGHT
from sr_demo.ui.compare.adjustment import AdjustmentRequest, apply_adjustment, is_outdated, previous_value, with_faces
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.compare.history import HistoryHandlers
from sr_demo.ui.compare.run_handlers import run_key
from sr_demo.ui.histories import GONE, StoredComparison
from sr_demo.ui.html import problem
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.sessions import session_of
from sr_demo.ui.updates import Updates
from sr_demo.ui.viewer import viewer
from sr_demo.ui.viewer.viewer import file_url

_SECONDS, _FACES_SECONDS = 3.0, 0.5
"""Expected durations of both events in seconds."""


def connect(context: PageContext, components: CompareComponents) -> None:
    """Connect the viewer's events `input` and `apply`."""
    results, handlers = components.results, AdjustHandlers(context, components)
    written: list[Any] = [
        results.progress, results.viewer, results.table, results.chart, *results.downloads.values(), results.link,
        results.unlink, results.link_note,
    ]  # fmt: skip
    adjusted = results.viewer.input(
        handlers.adjust, None, written, **HEAVY, show_progress="hidden",
        trigger_mode="multiple", api_visibility="private",
    )  # fmt: skip
    saves, menu = components.save.result, components.save.box
    adjusted.then(handlers.close_outdated, saves, menu, **LIGHT, show_progress="hidden", api_visibility="private")
    found: list[Any] = [results.progress, results.viewer]
    results.viewer.apply(
        handlers.find_faces, None, found, **HEAVY, show_progress="hidden", trigger_mode="multiple", api_visibility="private",
    )  # fmt: skip


class AdjustHandlers:
    """Handlers of the viewer's events. They hold no state of their own."""

    def __init__(self, context: PageContext, components: CompareComponents) -> None:
        self._context, self._results = context, components.results
        self._history = HistoryHandlers(context, components)

    def adjust(self, event: gr.EventData, request: gr.Request) -> Updates:
        """Show the comparison with the detail, mask and maps that the viewer requests."""
        results = self._results
        session = session_of(request)
        run = self._run_of(event, session)
        if run is None:
            return self._gone(event, session)
        try:
            wish = AdjustmentRequest.of(event)
            kind = f"adjust {run.id}"  # each comparison numbers its requests from the start
            with self._context.callers.turn(_SECONDS, newest=kind, order=wish.number) as progress:
                if is_outdated(run, wish):
                    return gr.skip()
                shown = apply_adjustment(self._context.runner, run, wish, progress)
            self._context.links.refresh(session, run.id, self._context.store, run.folder / PAGE)
            if not self._is_shown(run, session):
                return gr.skip()
        except Cancelled:
            return gr.skip()
        except SRError as exc:
            return self._refused(str(exc), run, event)
        except Exception as exc:
            return self._refused(log_unexpected(exc, "adjusting a comparison"), run, event)
        return {
            results.progress: "",
            results.viewer: shown["viewer"],
            results.table: shown["table"],
            results.chart: shown["chart"],
            **self._history.downloads(session, shown["files"]),
        }

    def close_outdated(self, saves: str | None, request: gr.Request) -> Any:
        """Close the menu that saves the file `saves` if the viewer shows that result otherwise by now."""
        run = self._context.histories.shown(session_of(request))
        if saves is None or run is None:
            return gr.skip()
        try:
            images = run.read()["viewer"]["images"]
        except SRError:  # the comparison was deleted
            return gr.skip()
        shown = {url for one in images for url in (one["download_url"] or one["url"], one["difference_url"])}
        return gr.skip() if file_url(saves) in shown else gr.Column(visible=False)

    def find_faces(self, event: gr.EventData, request: gr.Request) -> Updates:
        """Show where faces are in the photo: in what the viewer shows now, and nowhere else."""
        session = session_of(request)
        run = self._run_of(event, session)
        if run is None:
            return self._gone(event, session)
        try:
            with self._context.callers.admitted() as caller, caller.turn(_FACES_SECONDS):
                found = with_faces(run)
            return {self._results.viewer: found} if self._is_shown(run, session) else gr.skip()
        except Cancelled:
            return gr.skip()
        except SRError as exc:
            return self._refused(str(exc), run, event)
        except Exception as exc:
            return self._refused(log_unexpected(exc, "looking for faces"), run, event)

    def _run_of(self, event: gr.EventData, session: str) -> StoredComparison | None:
        """Return the comparison that an event belongs to; None if another one is shown by now, or if it is gone."""
        run = self._context.histories.shown(session)
        return run if run is not None and _is_of(event, run) else None

    def _gone(self, event: gr.EventData, session: str) -> Updates:
        """Show that the comparison of an event was deleted, unless the page shows another one by now."""
        histories, stops = self._context.histories, self._context.stops
        another = histories.shown(session) is not None or stops.is_running(run_key(session))
        if another or any(_is_of(event, run) for run in histories.runs(session)):
            return gr.skip()
        return {self._results.progress: problem(GONE), self._results.viewer: viewer.GONE}

    def _is_shown(self, run: StoredComparison, session: str) -> bool:
        """Return whether the page still shows `run`: another one may have begun or been brought back meanwhile."""
        return self._context.histories.shown(session) is run and not self._context.stops.is_running(run_key(session))

    def _refused(self, message: str, run: StoredComparison, event: gr.EventData) -> Updates:
        """Show the reason, and reset the viewer to its previous value."""
        results, number = self._results, getattr(event, "number", None)
        try:
            return {results.progress: problem(message), results.viewer: previous_value(run, number)}
        except SRError:  # the comparison was deleted
            return {results.progress: problem(message), results.viewer: viewer.GONE}


def _is_of(event: gr.EventData, run: StoredComparison) -> bool:
    """Return whether an event belongs to a comparison: the viewer sends the address of an image."""
    return f"/{run.id}/" in str(getattr(event, "url", ""))
