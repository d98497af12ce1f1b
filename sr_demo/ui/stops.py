"""Stop flags, one for each kind of work of a browser session, so that the Stop of one tab leaves the others alone.

Gradio's State deep-copies its values, so they cannot be stored there.
"""

from __future__ import annotations

from threading import Event, Lock
from typing import NamedTuple


class _Run(NamedTuple):
    """A run that has not ended."""

    flag: Event
    order: int


class Stops:
    """Stop flags by session. Thread-safe."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._lock = Lock()

    def begin(self, session: str, order: int = 0) -> Event:
        """Return a new flag for a run of this session; a previous run that has not ended is stopped.

        Args:
            session: Of the run.
            order: Place of the run among those of the session, where they may begin in another order: beside a later one
                that has not ended, it is the new flag that is set.
        """
        flag = Event()
        with self._lock:
            before = self._runs.get(session)
            if before is not None and before.order > order:
                flag.set()
                return flag
            self._set(session)
            self._runs[session] = _Run(flag, order)
        return flag

    def stop(self, session: str) -> None:
        """Stop the run of this session, if there is one."""
        with self._lock:
            self._set(session)

    def is_latest(self, session: str, flag: Event) -> bool:
        """Return whether no other run of this session has begun after the one with `flag`."""
        with self._lock:
            return session in self._runs and self._runs[session].flag is flag

    def end(self, session: str, flag: Event) -> None:
        """Remove the flag of a finished run."""
        with self._lock:
            if session in self._runs and self._runs[session].flag is flag:
                del self._runs[session]

    def _set(self, session: str) -> None:
        if session in self._runs:
            self._runs[session].flag.set()
