"""A thread-safe cache of values that are costly to compute, shared by all visitors of the process."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

from sr_demo.progress import Progress
from sr_demo.system.least_recently_used import LeastRecentlyUsed

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedCache(Generic[K, V]):
    """The `capacity` most recently used values. While one thread computes a value, others that need it wait."""

    def __init__(self, capacity: int) -> None:
        self._lock = Lock()
        self._values: LeastRecentlyUsed[K, V] = LeastRecentlyUsed(lambda held: capacity)
        self._computing: dict[K, Lock] = {}

    def get(self, key: K, compute: Callable[[], V], progress: Progress) -> V:
        """Return the value of a key; compute it first unless it is held.

        Args:
            key: Identifies the value.
            compute: Returns the value. When it raises, nothing is held, and the next thread that waits computes it.
            progress: Checked while waiting for another thread, so that Stop takes effect.
        """
        with self._lock:
            if key in self._values:
                return self._values.use(key)
            computing = self._computing.setdefault(key, Lock())
        while not computing.acquire(timeout=0.05):
            progress.check()
        try:
            with self._lock:
                if key in self._values:
                    return self._values.use(key)
            value = compute()
            with self._lock:
                self._values.put(key, value)
                self._computing.pop(key, None)
            return value
        finally:
            computing.release()

    def drop(self, matches: Callable[[K], bool]) -> None:
        """Drop every value whose key `matches`."""
        with self._lock:
            for key in list(filter(matches, self._values.keys())):
                self._values.drop(key)
