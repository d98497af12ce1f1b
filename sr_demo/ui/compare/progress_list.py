"""The state of each method during a comparison, which the viewer shows in place of its image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sr_demo.inference.jobs import Done, Failed, Job, Progressed, RunEvent, Started, Stopped
from sr_demo.reports import formatting

_LEAST_LEFT = 0.5
"""Smallest number of remaining seconds that is shown."""


@dataclass
class JobProgress:
    """The state of one job."""

    job: Job
    text: str = "waiting"
    """The state as text, or the error message if the job has failed."""
    fraction: float = 0.0
    """Finished share of the job, 0..1."""
    ended: bool = False
    failed: bool = False

    def update(self, event: RunEvent) -> None:
        """Update the state by an event of the job."""
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
    """All lines of one comparison, by job key."""

    lines: dict[str, JobProgress] = field(default_factory=dict)
    whole: JobProgress | None = None
    """Line of the job that upscales the whole photo after the jobs on a part of it."""

    @staticmethod
    def of(jobs: Sequence[Job], whole: Job | None = None) -> ProgressList:
        """Return a list in which all of `jobs`, and `whole` after them, wait."""
        return ProgressList({job.key: JobProgress(job) for job in jobs}, whole and JobProgress(whole))

    def update(self, event: RunEvent) -> None:
        """Update the line of the event's job."""
        self.lines[event.job.key].update(event)

    def give_up(self) -> None:
        """Mark all jobs that have not ended as not run."""
        for line in (*self.lines.values(), *([self.whole] if self.whole else [])):
            if not line.ended:
                line.text, line.fraction, line.ended = "not run", 0.0, True

    def summary(self) -> str:
        """Return a sentence on the overall progress, which screen readers announce too; empty at the end."""
        ended = sum(line.ended for line in self.lines.values())
        if ended < len(self.lines):
            return f"{ended} of {len(self.lines)} done"
        if self.whole is not None and not self.whole.ended:
            return f"Now the whole photo, by {self.whole.job.title}: {self.whole.text}"
        return ""
