"""Stop flags, one for each kind of work of a browser session, so that the Stop of one tab does not affect the others.

The flags cannot be stored in Gradio's State, which deep-copies its values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Event, Lock
from typing import Any, NamedTuple, TypeVar

import gradio as gr

T = TypeVar("T")


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
        """Return a new flag for a run of this session, and stop the previous run if it has not ended.

        Args:
            session: Session and kind of work that the run belongs to.
            order: Sequence number of the run in the session; runs may arrive out of order. If a run with a higher number is
                active, the new run is stopped instead.
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

    def supersede(self, session: str) -> None:
        """Stop the run of this session, if there is one; of its further updates `newest` yields none."""
        with self._lock:
            self._set(session)
            self._runs.pop(session, None)

    def latest(self, session: str, compute: Callable[[], T]) -> T | None:
        """Return what `compute` returns; None if the run was stopped meanwhile, as it is by a later one of this session.

        Args:
            session: Session and kind of work that the run belongs to.
            compute: The run, which must not return None.
        """
        flag = self.begin(session)
        try:
            result = compute()
        finally:
            self.end(session, flag)
        return None if flag.is_set() else result

    def newest(self, session: str, updates: Callable[[Event], Iterator[T]]) -> Iterator[T | Any]:
        """Run to the end; yield the run's updates, and no change in their place once the run was superseded.

        Gradio sends what was yielded last once more at the end: that must not be an update of the superseded run.

        Args:
            session: Session and kind of work that the run belongs to.
            updates: The run, which receives its flag and yields updates, the last one after it was stopped.
        """
        flag = self.begin(session)
        try:
            for update in updates(flag):
                with self._lock:
                    is_newest = self._is_newest(session, flag)
                yield update if is_newest else gr.skip()
        finally:
            self.end(session, flag)

    def end(self, session: str, flag: Event) -> None:
        """Remove the flag of a finished run."""
        with self._lock:
            if self._is_newest(session, flag):
                del self._runs[session]

    def is_running(self, session: str) -> bool:
        """Return whether a run of this session has neither ended nor been stopped."""
        with self._lock:
            run = self._runs.get(session)
        return run is not None and not run.flag.is_set()

    def any_running(self, session: str, kinds: Iterable[str]) -> bool:
        """Return whether work of one of `kinds` runs in this session; its runs have the key "KIND SESSION"."""
        return any(self.is_running(f"{kind} {session}") for kind in kinds)

    def _is_newest(self, session: str, flag: Event) -> bool:
        return session in self._runs and self._runs[session].flag is flag

    def _set(self, session: str) -> None:
        if session in self._runs:
            self._runs[session].flag.set()
