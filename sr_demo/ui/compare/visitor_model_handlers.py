"""Event handlers of "Your own model": opening a model file for its visitor, and removing it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr

from sr_demo.community.fetched_models import ID as COMMUNITY
from sr_demo.inference.jobs import Job
from sr_demo.progress import Progress
from sr_demo.reports import formatting
from sr_demo.system.file_sizes import file_size
from sr_demo.ui.callers import Caller
from sr_demo.ui.compare.components import CompareComponents
from sr_demo.ui.compare.run_handlers import OPENING, STOPPED
from sr_demo.ui.html import fine_print, problem
from sr_demo.ui.method_choices import PageContext, labels, offered
from sr_demo.ui.sessions import session_of
from sr_demo.ui.updates import Updates
from sr_demo.ui.visitor_work import VisitorWork

TRIAL_SECONDS = 15.0
"""Expected duration of a trial run of a model."""
NO_FILE = "Drop a model file first."


class VisitorModelHandlers:
    """Handlers of the box for the visitor's models. They hold no state of their own."""

    def __init__(self, context: PageContext, components: CompareComponents) -> None:
        self._context, self._parts = context, components
        self._default_jobs, _ = offered(context.approaches, context.runner.estimates)

    def open(self, path: str | None, licence: str, request: gr.Request) -> Iterator[Updates]:
        """Open the uploaded file; yield the progress, then the methods with the model among them."""
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
            return self.opened(job, own.status, session)

        steps = VisitorWork(self._context, own.status, self._parts.run.stop, {own.file: None}, beside=STOPPED)
        yield from steps.run(session, OPENING, "trying it out on a small image", work, shown)

    def remove(self, methods: list[str], request: gr.Request) -> Updates:
        """Delete the visitor's models."""
        session = session_of(request)
        gone = {job.key for job in self._context.models.jobs(session)}
        self._context.models.forget(session)
        own = self._parts.choice.own
        stay = self._context.private and any(key.startswith(f"{COMMUNITY}:") for key in gone)
        text = "Your models are deleted." + (" Those from OpenModelDB stay on this server." if stay else "")
        return {
            own.status: fine_print(text),
            own.remove: gr.Button(visible=False),
            self._parts.choice.methods: self._methods(session, [key for key in methods if key not in gone]),
        }

    def tick(self, methods: list[str], added: str) -> Updates:
        """Tick the model that was added; `methods` are read after it was opened, with what was ticked meanwhile."""
        choice = self._parts.choice
        return {choice.methods: [*methods, added], choice.own.added: ""} if added else gr.skip()

    def opened(self, job: Job, status: gr.HTML, session: str) -> Updates:
        """Return the updates for a model that was added: what it is, and the methods with it among them, for `tick`.

        Args:
            job: of the model.
            status: where its facts are shown.
            session: of the visitor.
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
            self._parts.choice.methods: self._methods(session),
            self._parts.choice.own.added: job.key,
        }

    def _methods(self, session: str, ticked: list[str] | None = None) -> gr.CheckboxGroup:
        """Return the update of the methods at once, with the visitor's among them; those that are ticked stay for None."""
        choices = labels(self._context, [*self._default_jobs, *self._context.models.jobs(session)], (256, 256))
        return gr.CheckboxGroup(choices=choices) if ticked is None else gr.CheckboxGroup(choices=choices, value=ticked)
