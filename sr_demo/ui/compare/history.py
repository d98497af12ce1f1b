"""The row of the latest comparisons under the viewer, and handlers of its events and of those of shared links."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from sr_demo.errors import BadInput, SRError
from sr_demo.image import Limits, quantize
from sr_demo.reports.bundle import PAGE
from sr_demo.system.file_sizes import file_size
from sr_demo.ui import shared_links
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.compare.view import View
from sr_demo.ui.histories import GONE, StoredComparison
from sr_demo.ui.html import inline_image, problem
from sr_demo.ui.languages import attribute, marked, text
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.sessions import session_of
from sr_demo.ui.small_image import read_small
from sr_demo.ui.updates import Updates

ON_LOAD = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-run]");
  if (button) trigger("select", { index: 0, value: button.dataset.run });
});
"""
_SIDE = 40
"""Largest side of a thumbnail in CSS pixels."""
_NAMED = 2
"""Number of methods that a button names; the others are counted."""


class HistoryHandlers:
    """Handlers that store finished comparisons and show them again. They hold no state of their own."""

    def __init__(self, context: PageContext, components: CompareComponents) -> None:
        self._context = context
        self._results, self._save = components.results, components.save

    def finished(self, session: str, view: View, value: dict[str, Any]) -> Updates:
        """Store a comparison that has ended, and show its controls.

        Args:
            session: Session of the visitor.
            view: View of the comparison.
            value: Value of the viewer.

        Returns:
            Updates of the row, the downloads and the link.
        """
        if view.comparison is None:
            return self.row(session, shows_one=False)
        run = StoredComparison(view.folder, _title(view), _thumbnail(view), view.comparison)
        files = {kind: str(file) for kind, file in view.files.items()}
        run.write(
            {"viewer": value, "table": view.table(), "chart": view.chart(), "families": view.families, "files": files}
        )
        self._context.histories.add(session, run, self._context.store)
        return {**self.row(session), **self.downloads(session, files)}

    def row(self, session: str, *, running: bool = False, shows_one: bool = True) -> Updates:
        """Return the update of the row.

        Args:
            session: The visitor's.
            running: Whether a comparison runs, and the buttons rest.
            shows_one: Whether the page shows one of the row, and not one that ended without results.
        """
        runs, shown = self._context.histories.runs(session), self._context.histories.shown(session)
        return {self._results.history: _row(runs, shown if shows_one else None, running=running)}

    def bring_back(self, event: gr.EventData, request: gr.Request) -> Updates:
        """Show the comparison whose button was clicked."""
        session, results = session_of(request), self._results
        try:
            shown = self._context.histories.bring_back(session, getattr(event, "value", None))
        except SRError as exc:
            return {results.progress: problem(str(exc))}
        return {
            self._save.box: gr.Column(visible=False),
            results.progress: "",
            results.viewer: shown["viewer"],
            results.table: shown["table"],
            results.chart: shown["chart"],
            results.families: shown["families"],
            **self.downloads(session, shown["files"]),
            **self.row(session),
        }

    def link(self, request: gr.Request) -> Updates:
        """Create a link to the displayed comparison."""
        results, session = self._results, session_of(request)
        try:
            run = self._context.histories.shown(session)
            if not self._context.shares:
                raise BadInput("This server makes no links. Download the file, and send that.")
            if run is None:
                raise BadInput(GONE)
            self._context.links.make(session, run.id, self._context.store, run.folder / PAGE)
        except SRError as exc:
            return {results.link_note: problem(str(exc))}
        return self._linked(session)

    def unlink(self, request: gr.Request) -> Updates:
        """Delete the link to the displayed comparison."""
        session = session_of(request)
        run = self._context.histories.shown(session)
        if run is not None:
            self._context.links.delete(session, run.id, self._context.store)
        return {
            **self._linked(session),
            self._results.link_note: f'<p class="sr-fine">{marked("share_unlinked")}</p>',
        }

    def _linked(self, session: str) -> Updates:
        """Return the updates for the displayed comparison: its link, or the button that creates one."""
        results, run = self._results, self._context.histories.shown(session)
        link = run and self._context.links.of(session, run.id)
        return {
            results.link: gr.Button(visible=self._context.shares and link is None),
            results.unlink: gr.Button(visible=link is not None),
            results.link_note: _link(link) if link else "",
        }

    def downloads(self, session: str, files: dict[str, str]) -> Updates:
        """Return the updates of the download buttons, for `files` by kind, and of the link."""
        results, updates = self._results, {}
        for kind, button in results.downloads.items():
            label = _share_label(files["html"]) if kind == "html" else button.label
            updates[button] = gr.DownloadButton(label, value=files[kind], visible=True)
        return {**updates, **self._linked(session)}


def _title(view: View) -> str:
    """Return one line that names the photo and the methods of a comparison."""
    methods = [result.job.title for result in view.results]
    more = len(methods) - _NAMED
    named = ", ".join(methods[:_NAMED])
    return f"{view.name}: {named}" + (f" and {more} more" if more > 0 else "")


def _thumbnail(view: View) -> str:
    """Return the first image of a comparison, which is the photo, as a small `img` element."""
    small = read_small(str(view.images[0].saved.shown), 2 * _SIDE, Limits())
    return inline_image(quantize(small), _SIDE, "")


def _row(runs: Sequence[StoredComparison], shown: StoredComparison | None, *, running: bool) -> str:
    """Return the buttons as HTML; nothing where all there is is `shown` already."""
    if all(run is shown for run in runs):
        return ""
    buttons = "".join(
        f'<button type="button" data-run="{run.id}" title="{escape(run.title)}" aria-pressed="{str(run is shown).lower()}"'
        f"{' disabled' if running else ''}>{run.thumbnail}<span>{escape(run.title)}</span></button>"
        for run in runs
    )
    group = f'<div class="sr-runs sr-words" role="group" {attribute("aria-label", "history")}>{buttons}</div>'
    return f'<p class="sr-label">{marked("history")}:</p>{group}'


def _share_label(page: str) -> str:
    """Return the label of the button that downloads a page, with its size."""
    return f"{text('share_file')}, {file_size(os.path.getsize(page))}"


def _link(link: shared_links.Link) -> str:
    until = marked("share_until", until=link.until.strftime("%Y-%m-%d, %H:%M"))
    return (
        f'<p class="sr-fine">{until} <a href="{link.address}" target="_blank" rel="noopener">{link.address}</a> '
        '<button type="button" class="sr-copy">' + marked("copy") + "</button></p>"
        f'<p class="sr-fine">{marked("share_delete")} '
        f'<a href="{link.deletion}" target="_blank" rel="noopener">{link.deletion}</a></p>'
    )
