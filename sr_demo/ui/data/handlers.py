"""Event handlers of the Data tab: measuring uploaded photos, or the bundled examples, and showing the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from sr_demo.datasets.entries import Entry, from_files
from sr_demo.datasets.html_report import data_body, data_html
from sr_demo.datasets.report import DataReport, HeldOutSet, examine, facts
from sr_demo.errors import BadInput
from sr_demo.imaging.samples import SAMPLES
from sr_demo.progress import Progress
from sr_demo.ui.callers import Caller
from sr_demo.ui.examples import sample_file
from sr_demo.ui.html import progress_line
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.photo_upload import ReadPhotos, read_photos
from sr_demo.ui.sessions import session_of
from sr_demo.ui.updates import Updates
from sr_demo.ui.visitor_work import VisitorWork

_READING = 0.2
"""Share of the progress bar that reading the files takes."""
_SECONDS = 10.0
"""Expected duration of measuring some images."""
_NONE = "None of these files can be looked at."
_TESTS = "your test pictures"
_NUMBER = len("000_")
"""Length of the number that `read_photos` prepends to a file name."""


@dataclass(frozen=True)
class DataComponents:
    """The components that the handlers write."""

    line: gr.HTML
    report: gr.HTML
    files: gr.File
    stop: gr.Button


class DataHandlers:
    """Handlers that read uploaded files and the bundled examples, but no other folder of the server."""

    def __init__(self, context: PageContext, parts: DataComponents) -> None:
        self._context, self._parts = context, parts

    def inspect(self, request: gr.Request, files: list[str] | None, tests: list[str] | None) -> Iterator[Updates]:
        """Measure the uploaded photos, and search them for the test images.

        Args:
            request: Identifies the browser session.
            files: Photos and zips of photos.
            tests: Test images that must not be among the photos.
        """

        def work(progress: Progress) -> DataReport:
            if not files:
                raise BadInput("There are no photos yet. Drop a few, or a zip of them; or inspect the examples.")
            with self._context.store.lent() as folder:
                entries, taken = self._taken(files, folder / "photos", progress.part(0, _READING / 2))
                against, gone = self._against(tests, folder, progress.part(_READING / 2, _READING))
                what = f"{len(entries)} dropped pictures"
                report = examine("your photos", what, entries, against, progress.part(_READING, 1))
            report.skipped[:0] = [*taken.sentences, *gone]
            report.total += taken.left_out
            return report

        yield from self._run(request, work)

    def inspect_examples(self, request: gr.Request, tests: list[str] | None) -> Iterator[Updates]:
        """Measure the bundled example images, and search them for the test images."""

        def work(progress: Progress) -> DataReport:
            entries = from_files([sample_file(sample) for sample in SAMPLES], self._context.limits)
            with self._context.store.lent() as folder:
                against, gone = self._against(tests, folder, progress.part(0, _READING))
                what = f"the {len(entries)} undegraded example pictures of this page"
                report = examine("the examples", what, entries, against, progress.part(_READING, 1))
            report.skipped[:0] = gone
            return report

        yield from self._run(request, work)

    def stop(self, request: gr.Request) -> None:
        """Stop the inspection of this session; its measurements so far are reported."""
        self._context.stops.stop(f"inspect {session_of(request)}")

    def _against(
        self, tests: list[str] | None, folder: Path, progress: Progress
    ) -> tuple[HeldOutSet | None, list[str]]:
        """Return the test images, and a sentence on each file that cannot be read."""
        if not tests:
            return None, []
        found, taken = self._taken(tests, folder / "tests", progress)
        return HeldOutSet(_TESTS, found), [f"{_TESTS}: {sentence}" for sentence in taken.sentences]

    def _taken(self, files: list[str], folder: Path, progress: Progress) -> tuple[list[Entry], ReadPhotos]:
        folder.mkdir()
        taken = read_photos([Path(f) for f in files], folder, self._context.limits, progress, _NONE)
        named = zip(from_files(taken.written, self._context.limits), taken.written, strict=True)
        return [Entry(path.name[_NUMBER:], entry.read) for entry, path in named], taken

    def _run(self, request: gr.Request, work: Callable[[Progress], DataReport]) -> Iterator[Updates]:
        def in_turn(caller: Caller, progress: Progress) -> DataReport:
            with caller.turn(_SECONDS, progress) as progress:
                return work(progress)

        stopped = "Stopped before the first picture was measured."
        steps = VisitorWork(self._context, self._parts.line, self._parts.stop, stopped=stopped)
        yield from steps.run(session_of(request), "inspect", "inspecting the pictures", in_turn, self._shown)

    def _shown(self, report: DataReport) -> Updates:
        folder = self._context.store.new()
        page, data = folder / "data.html", folder / "data.json"
        page.write_text(data_html(report), encoding="utf-8")
        data.write_text(json.dumps(facts(report), indent=1), encoding="utf-8")
        done = "Stopped; what was measured is below." if report.stopped else "Done."
        return {
            self._parts.line: progress_line(done),
            self._parts.report: f'<div class="sr-data sr-words">{data_body(report)}</div>',
            self._parts.files: gr.File([str(page), str(data)], visible=True),
        }
