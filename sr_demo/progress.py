"""Progress and stop, in one small object that composes.

A worker reports 0..1 of its own work and never knows where it sits in the whole; `part` gives it a sub-range. Reporting
is also the moment at which Stop takes effect: every call raises `Cancelled` once the stop flag is set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event

from sr_demo.errors import Cancelled


def _ignore(fraction: float, note: str) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Progress:
    """Where to report to, and the flag that stops the work."""

    report: Callable[[float, str], None] = _ignore
    """Receives a fraction in 0..1 and a short note in plain words ("tile 3 of 12", or "")."""
    stop: Event | None = None
    """Set by the person's Stop."""
    start: float = 0.0
    span: float = 1.0
    watch: Callable[[object], None] | None = None
    """Receives what a method has to show of its way to the result, if somebody wants to see it; its type is the method's."""

    def __call__(self, fraction: float, note: str = "") -> None:
        """Report `fraction` in 0..1 of this worker's own part. Raises `Cancelled` when Stop was pressed."""
        self.check()
        self.report(self.start + self.span * min(max(fraction, 0.0), 1.0), note)

    def check(self) -> None:
        """Raise `Cancelled` when Stop was pressed; report nothing."""
        if self.stop is not None and self.stop.is_set():
            raise Cancelled

    def part(self, low: float, high: float) -> Progress:
        """The progress of a sub-task that covers `low`..`high` of this one."""
        return Progress(self.report, self.stop, self.start + self.span * low, self.span * (high - low), self.watch)

    def watched_by(self, watch: Callable[[object], None]) -> Progress:
        """The same, with somebody who wants to see the way to the result."""
        return replace(self, watch=watch)


SILENT = Progress()
"""Reports to nobody and cannot be stopped."""
