"""Event handlers of the Deploy tab: measuring methods one by one, and judging them again when the budget changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from sr_demo.deploy.csv_report import deploy_csv
from sr_demo.deploy.html_report import deploy_html, details, summary
from sr_demo.deploy.measurement import Plan
from sr_demo.deploy.report import budget_from, deploy, embedded_jobs, judged
from sr_demo.errors import BadInput, SRError
from sr_demo.image import Size
from sr_demo.options import as_dict, controls
from sr_demo.progress import Progress
from sr_demo.reports.verdicts import Budget
from sr_demo.spec import Approach
from sr_demo.ui.callers import Caller
from sr_demo.ui.html import problem, progress_line
from sr_demo.ui.method_choices import PageContext
from sr_demo.ui.sessions import session_of
from sr_demo.ui.updates import Updates
from sr_demo.ui.visitor_work import VisitorWork

PLAN = Plan(sizes=(Size(64, 64), Size(128, 128)), seconds=1.5)
"""Measurement plan, shorter than that of the command line, since a visitor waits."""
DEPLOY_SECONDS = 10.0
"""Expected duration of measuring one method."""


@dataclass(frozen=True)
class DeployComponents:
    """The components that the handlers write."""

    methods: gr.CheckboxGroup
    report: gr.State
    """The latest report, which `judge` uses."""
    line: gr.HTML
    shown: gr.HTML
    files: gr.File
    stop: gr.Button


def choices(approaches: Sequence[Approach]) -> list[tuple[str, str]]:
    """Return title and key of each method that can be measured without a download."""
    return [(job.title, job.key) for job in embedded_jobs(approaches)]


class DeployHandlers:
    """Handlers of the tab's events. They hold no state of their own."""

    def __init__(self, context: PageContext, plan: Plan, parts: DeployComponents) -> None:
        self._context, self._plan, self._parts = context, plan, parts

    def refresh(self, chosen: list[str] | None, request: gr.Request) -> Updates:
        """Update the list of methods, which includes the visitor's own models."""
        own = self._context.models.of(session_of(request))
        there = choices([*self._context.approaches, *own])
        keys = {key for _, key in there}
        kept = [key for key in chosen or [] if key in keys]
        return {self._parts.methods: gr.CheckboxGroup(choices=there, value=kept)}

    def measure(self, request: gr.Request, chosen: list[str] | None, *values: Any) -> Iterator[Updates]:
        """Measure methods and judge them by the budget; yield the progress, then the report.

        Args:
            request: Identifies the browser session.
            chosen: Keys of the methods.
            values: Values of the budget's controls, in their order.
        """
        session = session_of(request)

        def work(caller: Caller, progress: Progress) -> dict[str, Any]:
            budget = _budget(values)
            there = embedded_jobs([*self._context.approaches, *self._context.models.of(session)])
            jobs = [job for job in there if job.key in (chosen or [])]
            if not jobs:
                raise BadInput("Choose at least one method to measure.")
            with caller.turn(DEPLOY_SECONDS * len(jobs), progress) as progress:
                return deploy(jobs, self._plan, budget, progress)

        def shown(report: dict[str, Any]) -> Updates:
            return self._shown(report, "Measured. Change the budget to judge again.")

        stopped = "Stopped. The last complete report stays."
        steps = VisitorWork(self._context, self._parts.line, self._parts.stop, stopped=stopped)
        yield from steps.run(session, "measure", "measuring the methods", work, shown)

    def judge(self, report: Any, *values: Any) -> Updates:
        """Judge the last measurement by the current budget, unless it is judged by that already."""
        if not report:
            return gr.skip()
        try:
            budget = _budget(values)
            if report["budget"] == as_dict(budget):
                return gr.skip()
            return self._shown(judged(report, budget), "Judged by the new budget; nothing was measured again.")
        except SRError as exc:
            # Without its budget, so that the next valid one replaces the sentence, even if it is the one before.
            return {self._parts.line: problem(str(exc)), self._parts.report: {**report, "budget": None}}

    def stop(self, request: gr.Request) -> None:
        """Stop the measurement of this session."""
        self._context.stops.stop(f"measure {session_of(request)}")

    def _shown(self, report: dict[str, Any], line: str) -> Updates:
        folder = self._context.store.new()
        page, data = folder / "deployability.html", folder / "deployability.json"
        page.write_text(deploy_html(report), encoding="utf-8")
        data.write_text(json.dumps(report, indent=2), encoding="utf-8")
        table = folder / "deployability.csv"
        table.write_text(deploy_csv(report), encoding="utf-8", newline="")
        return {
            self._parts.report: report,
            self._parts.line: progress_line(line),
            self._parts.shown: f'<div class="sr-prose sr-words">{summary(report)}{details(report)}</div>',
            self._parts.files: [str(page), str(data), str(table)],
        }


def _budget(values: Sequence[object]) -> Budget:
    return budget_from({control.name: value for control, value in zip(controls(Budget), values, strict=True)})
