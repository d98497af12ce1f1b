"""What happens in the lab: methods are measured one after the other, and judged as often as the budget changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr

from sr_demo.deploy.csv_report import deploy_csv
from sr_demo.deploy.html_report import deploy_html, details, summary
from sr_demo.deploy.measurement import Plan
from sr_demo.deploy.report import budget_from, deploy, embedded_jobs, judged
from sr_demo.errors import BadInput, Cancelled, SRError, unexpected
from sr_demo.image import Size
from sr_demo.options import controls
from sr_demo.progress import Progress
from sr_demo.reports.verdicts import Budget
from sr_demo.ui.background_work import Finished, working
from sr_demo.ui.method_choices import Context

Shown = tuple[Any, str, str, Any]
"""Report (kept for the session), a line on what happens, the report as HTML, the files to download."""
PLAN = Plan(sizes=(Size(64, 64), Size(128, 128)), seconds=1.5)
"""Less than on the command line: somebody is waiting."""
DEPLOY_SECONDS = 10.0
"""About what measuring one method takes."""


class LabHandlers:
    """The events of the tab."""

    def __init__(self, context: Context, plan: Plan = PLAN) -> None:
        self._context = context
        self._plan = plan

    def choices(self) -> list[tuple[str, str]]:
        """Title and name of all that can be measured without a download."""
        return [(job.title, job.key) for job in embedded_jobs(self._context.approaches)]

    def measure(self, request: gr.Request, chosen: list[str] | None, *values: Any) -> Iterator[Shown]:
        """Measure `chosen` and judge them by the budget; yields the progress, then everything."""
        session = str(request.session_hash)
        stop = self._context.stops.begin(session)
        try:
            budget = _budget(values)
            jobs = [job for job in embedded_jobs(self._context.approaches) if job.key in (chosen or [])]
            if not jobs:
                raise BadInput("Choose at least one method to measure.")
            with self._context.callers.admitted(stop) as caller:

                def work(progress: Progress) -> dict[str, Any]:
                    with caller.turn(DEPLOY_SECONDS * len(jobs), progress) as progress:
                        return deploy(jobs, self._plan, budget, progress)

                for event in working(work, stop, "lab"):
                    if isinstance(event, Finished):
                        yield self._shown(event.value, "Measured. Change the budget to judge again.")
                    else:
                        yield gr.skip(), _line(event), gr.skip(), gr.skip()  # type: ignore[misc]
        except Cancelled:
            yield gr.skip(), _line("Stopped. What was measured before is kept."), gr.skip(), gr.skip()  # type: ignore[misc]
        except SRError as exc:
            yield gr.skip(), _line(str(exc)), gr.skip(), gr.skip()  # type: ignore[misc]
        except Exception as exc:
            yield gr.skip(), _line(unexpected(exc, "measuring in the lab")), gr.skip(), gr.skip()  # type: ignore[misc]
        finally:
            self._context.stops.end(session, stop)

    def judge(self, report: Any, *values: Any) -> Shown:
        """The verdicts of the last measurement under the budget as it is now."""
        if not report:
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()  # type: ignore[return-value]
        try:
            return self._shown(judged(report, _budget(values)), "Judged by the new budget; nothing was measured again.")
        except SRError as exc:
            return gr.skip(), _line(str(exc)), gr.skip(), gr.skip()  # type: ignore[return-value]

    def stop(self, request: gr.Request) -> None:
        """End the measuring of this session."""
        self._context.stops.stop(str(request.session_hash))

    def _shown(self, report: dict[str, Any], line: str) -> Shown:
        folder = self._context.store.new()
        page, data = folder / "deployability.html", folder / "deployability.json"
        page.write_text(deploy_html(report), encoding="utf-8")
        data.write_text(json.dumps(report, indent=2), encoding="utf-8")
        table = folder / "deployability.csv"
        table.write_text(deploy_csv(report), encoding="utf-8", newline="")
        return (
            report,
            _line(line),
            f'<div class="sr-prose">{summary(report)}{details(report)}</div>',
            [str(page), str(data), str(table)],
        )


def _budget(values: tuple[Any, ...]) -> Budget:
    return budget_from({control.name: value for control, value in zip(controls(Budget), values, strict=True)})


def _line(text: str) -> str:
    return f'<p aria-live="polite">{escape(text)}</p>'
