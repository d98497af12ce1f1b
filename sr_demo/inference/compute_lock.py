"""The lock that serializes computation in this process, with the requests that wait for it.

Two concurrent torch jobs on two cores are each five to ten times slower, so that all computation holds this lock.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from threading import Event, Lock

from sr_demo.progress import SILENT, Progress

_IDLE_SECONDS = 2.0
"""Background work starts once no request has waited for a result for this long."""
_POLL_SECONDS = 0.2
"""Interval at which a thread that waits for the lock checks Stop and the deadline."""


class ComputeLock:
    """Lock for all computation of this process. Thread-safe; not reentrant."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counting = Lock()
        self._requests = 0
        self._last_request = float("-inf")
        self._background: set[Event] = set()  # set to end background work

    @property
    def is_held(self) -> bool:
        """Whether something computes now."""
        return self._lock.locked()

    @contextmanager
    def held(self, progress: Progress = SILENT) -> Generator[None]:
        """Hold the lock. Raises what `progress.check` raises while waiting for it."""
        while not self._lock.acquire(timeout=_POLL_SECONDS):
            progress.check()
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def request(self) -> Generator[None]:
        """Register the caller as a request for a result, which takes precedence over background work."""
        with self._counting:
            self._requests += 1
            for stop in self._background:
                stop.set()
        try:
            yield
        finally:
            with self._counting:
                self._requests -= 1
                self._last_request = time.monotonic()

    @contextmanager
    def background(self) -> Generator[Progress]:
        """Wait until no request has waited for a result for two seconds, then yield a progress for background work.

        Its `check` raises Cancelled as soon as there is a request, so that background work gives way to it.
        """
        self.wait_until_idle()
        stop = Event()
        with self._counting:
            self._background.add(stop)
            if self._requests:
                stop.set()
        try:
            yield Progress(stop=stop)
        finally:
            with self._counting:
                self._background.remove(stop)

    def wait_until_idle(self) -> None:
        """Return once no request has waited for a result for two seconds."""
        while self._requests or time.monotonic() - self._last_request < _IDLE_SECONDS:
            time.sleep(0.1)
