"""The event by which the viewer requests less detail, or maps of what was invented."""

from __future__ import annotations

from typing import Any

import gradio as gr

from sr_demo.errors import Cancelled, SRError, unexpected
from sr_demo.reports.bundle import PAGE
from sr_demo.ui.callers import HEAVY
from sr_demo.ui.compare.adjustment import Wish, adjusted, unchanged
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.compare.history import HistoryHandlers
from sr_demo.ui.histories import Run
from sr_demo.ui.html import problem
from sr_demo.ui.method_choices import Context
from sr_demo.ui.sessions import session_of
from sr_demo.ui.updates import Updates

_SECONDS = 3.0
"""Expected duration."""


def connect(context: Context, components: CompareComponents) -> None:
    """Connect the viewer's event `input`."""
    results = components.results
    written: list[Any] = [
        results.progress, results.viewer, results.table, results.chart, *results.downloads.values(), results.link,
        results.unlink, results.link_note,
    ]  # fmt: skip
    results.viewer.input(
        AdjustHandlers(context, components).adjust, None, written, **HEAVY, show_progress="hidden",
        trigger_mode="always_last", api_visibility="private",
    )  # fmt: skip


class AdjustHandlers:
    """Stateless apart from what it is made of."""

    def __init__(self, context: Context, components: CompareComponents) -> None:
        self._context, self._results = context, components.results
        self._history = HistoryHandlers(context, components)

    def adjust(self, event: gr.EventData, request: gr.Request) -> Updates:
        """Show the comparison as the viewer requests it."""
        results = self._results
        session = session_of(request)
        run = self._context.histories.shown(session)
        if run is None or f"/{run.id}/" not in str(getattr(event, "url", "")):
            return gr.skip()  # another comparison has taken its place meanwhile
        try:
            wish = Wish.of(event)
            with self._context.callers.admitted() as caller, caller.turn(_SECONDS) as progress:
                shown = adjusted(self._context.runner, run, wish, progress)
            self._context.links.refresh(session, run.id, self._context.store, run.folder / PAGE)
        except Cancelled:
            return gr.skip()
        except SRError as exc:
            return self._refused(str(exc), run, event)
        except Exception as exc:
            return self._refused(unexpected(exc, "adjusting a comparison"), run, event)
        return {
            results.progress: "",
            results.viewer: shown["viewer"],
            results.table: shown["table"],
            results.chart: shown["chart"],
            **self._history.downloads(session, shown["files"]),
        }

    def _refused(self, message: str, run: Run, event: gr.EventData) -> Updates:
        """Say why, and let the viewer go back to what was shown before."""
        results, number = self._results, getattr(event, "number", None)
        try:
            return {results.progress: problem(message), results.viewer: unchanged(run, number)}
        except SRError:  # the comparison is gone
            return {results.progress: problem(message)}
