"""Event handlers of "Your own model": opening a model file for its visitor, and removing it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from sr_demo.community.opening import ID as COMMUNITY
from sr_demo.inference.jobs import Job
from sr_demo.progress import Progress
from sr_demo.reports import formatting
from sr_demo.system.file_sizes import file_size
from sr_demo.ui.callers import Caller
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.html import fine_print, problem
from sr_demo.ui.method_choices import Context, labels, offered
from sr_demo.ui.sessions import session_of
from sr_demo.ui.updates import Updates
from sr_demo.ui.visitor_work import VisitorWork

TRIAL_SECONDS = 15.0
"""Expected duration of a trial run of a model."""
NO_FILE = "Drop a model file first."


class OwnHandlers:
    """Handlers of the box for the visitor's models. They hold no state of their own."""

    def __init__(self, context: Context, components: CompareComponents) -> None:
        self._context, self._parts = context, components
        self._default_jobs, _ = offered(context.approaches)

    def open(self, path: str | None, licence: str, methods: list[str], request: gr.Request) -> Iterator[Updates]:
        """Open the uploaded file; yield the progress, then the methods, in which the model is ticked."""
        own = self._parts.choice.own
        if path is None:
            yield {own.status: problem(NO_FILE)}
            return
        session = session_of(request)

        def work(caller: Caller, progress: Progress) -> Job:
            with caller.turn(TRIAL_SECONDS, progress) as progress:
                return self._context.models.open(
                    session, Path(path), licence, store=self._context.store,
                    others=self._context.approaches, progress=progress,
                )  # fmt: skip

        def shown(job: Job) -> Updates:
            return self.opened(job, own.status, session, methods)

        steps = VisitorWork(self._context, own.status, self._parts.run.stop, {own.file: None})
        yield from steps.run(session, "trying it out on a small image", work, shown)

    def remove(self, methods: list[str], request: gr.Request) -> Updates:
        """Delete the visitor's models."""
        session = session_of(request)
        gone = {job.key for job in self._context.models.jobs(session)}
        self._context.models.forget(session)
        own = self._parts.choice.own
        stay = self._context.private and any(key.startswith(f"{COMMUNITY}:") for key in gone)
        text = "Your models are deleted." + (" Those from OpenModelDB stay on this computer." if stay else "")
        return {
            own.status: fine_print(text),
            own.remove: gr.Button(visible=False),
            self._parts.choice.methods: self._methods(session, [key for key in methods if key not in gone]),
        }

    def opened(self, job: Job, status: gr.HTML, session: str, methods: list[str]) -> Updates:
        """Return the updates for an added model: its description, and the methods, in which it is ticked.

        Args:
            job: Job of the model.
            status: Component for the description.
            session: Session of the visitor.
            methods: Keys of the methods that were ticked before.
        """
        checkpoint = job.checkpoint
        parameters = f"{checkpoint.parameters / 1e6:.2f} million parameters"
        text = (
            f"{job.title}: {checkpoint.title}, {job.scale:g}x, {parameters}, {file_size(checkpoint.bytes)}. "
            f"Licence: {formatting.licence(checkpoint)}. It is ticked among the methods."
        )
        return {
            status: fine_print(text),
            self._parts.choice.own.remove: gr.Button(visible=True),
            self._parts.choice.methods: self._methods(session, [*methods, job.key]),
        }

    def _methods(self, session: str, keys: list[str]) -> Any:
        jobs = [*self._default_jobs, *self._context.models.jobs(session)]
        return gr.CheckboxGroup(choices=labels(self._context, jobs, (256, 256)), value=list(dict.fromkeys(keys)))
