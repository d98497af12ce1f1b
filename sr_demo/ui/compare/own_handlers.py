"""Event handlers of "Your own model": a file is opened for its visitor, and removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from sr_demo.errors import Cancelled, SRError, unexpected
from sr_demo.inference.jobs import Job
from sr_demo.progress import Progress
from sr_demo.reports import formatting
from sr_demo.ui.background_work import Finished, working
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.html import fine_print, problem
from sr_demo.ui.method_choices import Context, labels, offered
from sr_demo.ui.sessions import session_of
from sr_demo.ui.updates import Updates

_SECONDS = 15.0
"""Expected duration of a trial."""
NO_FILE = "Drop a model file first."


class OwnHandlers:
    """Stateless apart from what it is made of."""

    def __init__(self, context: Context, components: CompareComponents) -> None:
        self._context, self._parts = context, components
        self._default_jobs, _ = offered(context.approaches)

    def open(self, path: str | None, licence: str, methods: list[str], request: gr.Request) -> Iterator[Updates]:
        """Open the uploaded file; yield the progress, then the methods with the model ticked among them."""
        own, stop_button = self._parts.choice.own, self._parts.run.stop
        if path is None:
            yield {own.status: problem(NO_FILE)}
            return
        session = session_of(request)
        stop = self._context.stops.begin(session)
        yield {own.status: fine_print("Trying it out on a small image."), stop_button: gr.Button(interactive=True)}
        ended: Updates = {own.file: None, stop_button: gr.Button(interactive=False)}
        try:
            with self._context.callers.admitted(stop) as caller:

                def work(progress: Progress) -> Job:
                    with caller.turn(_SECONDS, progress) as progress:
                        return self._context.models.open(
                            session, Path(path), licence, store=self._context.store,
                            others=self._context.approaches, progress=progress,
                        )  # fmt: skip

                for event in working(work, stop, "own-model"):
                    if isinstance(event, Finished):
                        yield {**ended, **self._opened(event.value, session, methods)}
                    else:
                        yield {own.status: fine_print(event)}
        except Cancelled:
            yield {**ended, own.status: fine_print("Stopped.")}
        except SRError as exc:
            yield {**ended, own.status: problem(str(exc))}
        except Exception as exc:
            yield {**ended, own.status: problem(unexpected(exc, "opening a model of a visitor"))}
        finally:
            self._context.stops.end(session, stop)

    def remove(self, methods: list[str], request: gr.Request) -> Updates:
        """Delete the visitor's models."""
        session = session_of(request)
        gone = {job.key for job in self._context.models.jobs(session)}
        self._context.models.forget(session)
        own = self._parts.choice.own
        return {
            own.status: fine_print("Your models are deleted."),
            own.remove: gr.Button(visible=False),
            self._parts.choice.methods: self._methods(session, [key for key in methods if key not in gone]),
        }

    def _opened(self, job: Job, session: str, methods: list[str]) -> Updates:
        own, checkpoint = self._parts.choice.own, job.checkpoint
        parameters = f"{checkpoint.parameters / 1e6:.2f} million parameters"
        text = (
            f"{job.title}: {checkpoint.title}, {job.scale:g}x, {parameters}, {formatting.megabytes(checkpoint.bytes)}."
        )
        return {
            own.status: fine_print(f"{text} Licence: {checkpoint.licence}. It is ticked among the methods."),
            own.remove: gr.Button(visible=True),
            self._parts.choice.methods: self._methods(session, [*methods, job.key]),
        }

    def _methods(self, session: str, keys: list[str]) -> Any:
        jobs = [*self._default_jobs, *self._context.models.jobs(session)]
        return gr.CheckboxGroup(choices=labels(self._context, jobs, (256, 256)), value=keys)
