"""The state of each method while a comparison runs, shown in the viewer in place of its image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sr_demo.inference.jobs import Done, Failed, Job, Progressed, RunEvent, Started, Stopped
from sr_demo.reports import formatting

_LEAST_LEFT = 0.5
"""Seconds that are worth saying: less has passed before it is read."""


@dataclass
class Line:
    """State of one job."""

    job: Job
    text: str = "waiting"
    """What is shown until there is an image, or why there is none."""
    fraction: float = 0.0
    """How much of it is done, 0..1."""
    ended: bool = False
    failed: bool = False

    def update(self, event: RunEvent) -> None:
        """Follow an event of the job."""
        match event:
            case Started():
                self.text = "starting"
            case Progressed(fraction=fraction, note=note, seconds_left=left):
                parts = [note or "working"]
                if left is not None and left >= _LEAST_LEFT:
                    parts.append(f"{formatting.seconds(left)} left")
                self.text, self.fraction = ", ".join(parts), fraction
            case Done():
                self.text, self.ended = "done", True
            case Failed(message=message):
                self.text, self.ended, self.failed = message, True, True
            case Stopped():
                self.text, self.ended = "stopped", True
        if self.ended:
            self.fraction = 0.0


@dataclass
class ProgressList:
    """All lines of one comparison, by the key of their job."""

    lines: dict[str, Line] = field(default_factory=dict)
    whole: Line | None = None
    """Of the job that enlarges the whole photo after all of them, where they were given a part of it."""

    @staticmethod
    def of(jobs: Sequence[Job], whole: Job | None = None) -> ProgressList:
        """Return a list in which all jobs wait, and after them `whole`."""
        return ProgressList({job.key: Line(job) for job in jobs}, whole and Line(whole))

    def update(self, event: RunEvent) -> None:
        """Update the line of the event's job."""
        self.lines[event.job.key].update(event)

    def give_up(self) -> None:
        """End all that has not ended."""
        for line in (*self.lines.values(), *([self.whole] if self.whole else [])):
            if not line.ended:
                line.text, line.fraction, line.ended = "not run", 0.0, True

    def summary(self) -> str:
        """Return how many methods have ended, for screen readers and for those who look elsewhere."""
        ended = sum(line.ended for line in self.lines.values())
        if ended < len(self.lines):
            return f"{ended} of {len(self.lines)} methods have ended"
        if self.whole is not None and not self.whole.ended:
            return f"Now the whole photo, by {self.whole.job.title}: {self.whole.text}"
        return ""
