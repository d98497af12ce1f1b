"""The list of methods while a comparison runs: one line each, with its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from sr_demo.inference.jobs import Done, Failed, Job, Progressed, RunEvent, Started, Stopped
from sr_demo.reports import formatting

_MARKS = {"waiting": "○", "working": "◔", "done": "●", "stopped": "◌", "failed": "!"}


@dataclass
class Line:
    """State of one job."""

    title: str
    state: str = "waiting"
    text: str = "waiting"
    fraction: float = 0.0


@dataclass
class ProgressList:
    """All lines of one comparison, by the key of their job."""

    lines: dict[str, Line] = field(default_factory=dict)

    @staticmethod
    def of(jobs: Sequence[Job]) -> ProgressList:
        """Return a list in which all jobs wait."""
        return ProgressList({job.key: Line(job.title) for job in jobs})

    def update(self, event: RunEvent) -> None:
        """Update the line of the event's job."""
        line = self.lines[event.job.key]
        match event:
            case Started():
                line.state, line.text = "working", "starting"
            case Progressed(fraction=fraction, note=note, seconds_left=left):
                line.fraction = fraction
                parts = [note or "working"]
                if left is not None:
                    parts.append(f"{formatting.seconds(left)} left")
                line.state, line.text = "working", ", ".join(parts)
            case Done(result=result):
                line.state, line.fraction = "done", 1.0
                line.text = f"done in {formatting.seconds(result.seconds)}"
            case Failed(message=message):
                line.state, line.text = "failed", message
            case Stopped():
                line.state, line.text = "stopped", "stopped"

    def html(self) -> str:
        """Return the list as HTML, with a mark and a word for every state, so that colour is never needed to read it."""
        items = "".join(
            f'<li class="sr-{line.state}"{_role(line)}><span aria-hidden="true">{_MARKS[line.state]}</span> '
            f"<b>{escape(line.title)}</b> <span>{escape(line.text)}</span>{_bar(line)}</li>"
            for line in self.lines.values()
        )
        # Not a live region as a whole: it changes several times a second. Failures are announced by their own role.
        return f'<ul class="sr-progress">{items}</ul>' if items else ""


def _role(line: Line) -> str:
    return ' role="alert"' if line.state == "failed" else ""


def _bar(line: Line) -> str:
    if line.state != "working" or line.fraction <= 0:
        return ""
    return f'<progress max="1" value="{line.fraction:.3f}" aria-label="{escape(line.title)}"></progress>'
