"""Event handlers of the Several photos tab."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path

import gradio as gr

from sr_demo.errors import BadInput, SRError, log_unexpected
from sr_demo.imaging.output_size import OutputSize
from sr_demo.inference.jobs import Job
from sr_demo.system.file_sizes import file_size
from sr_demo.ui import output_choice
from sr_demo.ui.compare import sizes
from sr_demo.ui.html import problem, progress_line
from sr_demo.ui.languages import word
from sr_demo.ui.method_choices import PageContext, offered, typical_seconds
from sr_demo.ui.sessions import session_of
from sr_demo.ui.several.queue import Photo, Queue, check_counts
from sr_demo.ui.updates import Updates
from sr_demo.ui.viewer.viewer import file_url


@dataclass(frozen=True)
class SeveralComponents:
    """The components that the handlers write."""

    start: gr.Button
    stop: gr.Button
    line: gr.HTML
    photos: gr.HTML
    zip: gr.DownloadButton


class SeveralHandlers:
    """Handlers of the tab's events. They hold no state of their own."""

    def __init__(self, context: PageContext, parts: SeveralComponents) -> None:
        self._context, self._parts = context, parts
        first, more = offered(context.approaches, context.runner.estimates)
        self._jobs = {job.key: job for job in (*first, *more)}

    def run(
        self, files: list[str] | None, methods: list[str], form: str, quality: float, private: bool, chip: str, other: str,
        request: gr.Request,
    ) -> Iterator[Updates]:  # fmt: skip
        """Upscale the uploaded photos, and yield the progress and the results.

        Args:
            files: Uploads.
            methods: Keys of the methods.
            form: Format of the results; see `output_choice.chosen`, also for `quality` and `private`.
            quality: Quality of the format.
            private: Whether GPS position and serial numbers are kept.
            chip: The selected chip for the size of results.
            other: Text of the field for another size.
            request: Identifies the browser session.
        """
        session, parts = f"several {session_of(request)}", self._parts
        stop = self._context.stops.begin(session)
        ended: Updates = {parts.start: gr.Button(interactive=True), parts.stop: gr.Button(interactive=False)}
        try:
            photos, jobs = self._wanted(files, methods, sizes.requested(chip, other, None, test=False))
            output = output_choice.chosen(form, quality, private=private)
            running: Updates = {parts.start: gr.Button(interactive=False), parts.stop: gr.Button(interactive=True)}
            yield {**running, parts.zip: gr.DownloadButton(visible=False), parts.line: progress_line("Starting.")}
            with (
                self._context.store.lent([photo.path for photo in photos]) as folder,
                self._context.callers.admitted(stop) as caller,
            ):
                queue = Queue(photos, jobs, self._context.limits, folder, output)
                expected = partial(typical_seconds, self._context)
                for _ in queue.run(self._context.runner, caller, expected):
                    shown = {parts.photos: _table(photos)} if queue.changed else {}
                    queue.changed = False
                    yield {**shown, parts.line: progress_line(queue.progress)}
            yield {**self._finished(queue), **ended}
        except SRError as exc:
            yield {parts.line: problem(str(exc)), **ended}
        except Exception as exc:
            yield {parts.line: problem(log_unexpected(exc, "upscaling several photos")), **ended}
        finally:
            self._context.stops.end(session, stop)

    def stop(self, request: gr.Request) -> Updates:
        """Stop the queue of this session; finished results stay."""
        self._context.stops.stop(f"several {session_of(request)}")
        return {self._parts.line: progress_line("Stopping after the current tile. Finished results stay.")}

    def _wanted(self, files: list[str] | None, methods: list[str], size: OutputSize) -> tuple[list[Photo], list[Job]]:
        if not files:
            raise BadInput("There are no photos yet. Drop some into the box.")
        sized = [self._jobs[key].sized(size) for key in methods if key in self._jobs]
        jobs = list({job.key: job for job in sized}.values())  # two may be the same at this size
        check_counts(len(files), len(jobs))
        return [Photo(Path(file)) for file in files], jobs

    def _finished(self, queue: Queue) -> Updates:
        parts, done = self._parts, [photo for photo in queue.photos if photo.results]
        failed = [photo.name for photo in queue.photos if photo.failures]
        text = f"{len(done)} of {len(queue.photos)} photos are enlarged."
        if failed:
            text += f" Some results are missing for: {', '.join(failed)}."
        count = sum(len(photo.results) for photo in done)
        size = file_size(queue.zip.stat().st_size)
        label = f"Download 1 result (zip, {size})" if count == 1 else f"Download {count} results (zip, {size})"
        button = gr.DownloadButton(label, value=str(queue.zip), visible=bool(done))
        return {parts.line: progress_line(text), parts.photos: _table(queue.photos), parts.zip: button}


def _table(photos: list[Photo]) -> str:
    """Return the photos with their states and thumbnails as HTML."""
    return '<div class="sr-several sr-words">' + "".join(map(_figure, photos)) + "</div>"


def _figure(photo: Photo) -> str:
    images = "".join(
        f'<span><img src="{escape(file_url(path))}" alt="{escape(label)}: the middle of {escape(photo.name)}">'
        f"<small>{escape(label)}</small></span>"
        for label, path in photo.thumbnails
    )
    failures = "".join(f'<span class="sr-failure">{escape(sentence)}</span>' for sentence in photo.failures)
    caption = f"<b>{escape(photo.name)}</b> {word(photo.state)}{failures}"
    return f"<figure><figcaption>{caption}</figcaption><div>{images}</div></figure>"
