"""Stop flags, one per browser session. Gradio's State deep-copies its values, so they cannot be stored there."""

from __future__ import annotations

from threading import Event, Lock


class Stops:
    """Stop flags by session. Thread-safe."""

    def __init__(self) -> None:
        self._flags: dict[str, Event] = {}
        self._lock = Lock()

    def begin(self, session: str) -> Event:
        """Return a new flag for a run of this session; a previous run that has not ended is stopped."""
        with self._lock:
            self._set(session)
            flag = self._flags[session] = Event()
            return flag

    def stop(self, session: str) -> None:
        """Stop the run of this session, if there is one."""
        with self._lock:
            self._set(session)

    def end(self, session: str, flag: Event) -> None:
        """Remove the flag of a finished run."""
        with self._lock:
            if self._flags.get(session) is flag:
                del self._flags[session]

    def _set(self, session: str) -> None:
        if session in self._flags:
            self._flags[session].set()
