"""Progress reports and cancellation, in one small composable object.

A worker reports 0..1 of its own work and does not depend on its place in the whole; `part` maps it to a sub-range. Reporting
is also when Stop takes effect: every call raises `Cancelled` once the stop flag is set, and `TookTooLong` after the deadline.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event

from sr_demo.errors import Cancelled, TookTooLong


def _ignore(fraction: float, note: str) -> None:
    """Ignore the report."""


@dataclass(frozen=True)
class Progress:
    """Receiver of a worker's progress, with its stop flag and deadline."""

    report: Callable[[float, str], None] = _ignore
    """Receives a fraction in 0..1 and a short note for users ("tile 3 of 12", or "")."""
    stop: Event | None = None
    """Set by the user's Stop."""
    start: float = 0.0
    span: float = 1.0
    deadline: float | None = None
    """Time limit (by `time.monotonic`), if there is one."""

    def __call__(self, fraction: float, note: str = "") -> None:
        """Report `fraction` of this worker's part, in 0..1. Raises what `check` raises."""
        self.check()
        self.report(self.start + self.span * min(max(fraction, 0.0), 1.0), note)

    def check(self) -> None:
        """Raise `Cancelled` when Stop was pressed, `TookTooLong` after the deadline; report nothing."""
        if self.stop is not None and self.stop.is_set():
            raise Cancelled
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise TookTooLong

    def part(self, low: float, high: float) -> Progress:
        """Return the progress of a sub-task that covers `low`..`high` of this one."""
        return replace(self, start=self.start + self.span * low, span=self.span * (high - low))


SILENT = Progress()
"""Ignores reports and cannot be stopped."""
