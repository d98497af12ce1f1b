"""Things that are costly to make are made once, for all visitors, and the least recently used are let go."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

from sr_demo.progress import Progress

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Once(Generic[K, V]):
    """A thread-safe cache of at most `capacity` values. While one thread makes a value, others that want it wait."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = Lock()
        self._values: OrderedDict[K, V] = OrderedDict()
        self._making: dict[K, Lock] = {}

    def get(self, key: K, make: Callable[[], V], progress: Progress) -> V:
        """The value of `key`, made by `make` when it is not there.

        When `make` raises (Stop, for one), nothing is kept and the next in line makes it. Waiting obeys Stop.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            making = self._making.setdefault(key, Lock())
        while not making.acquire(timeout=0.05):
            progress.check()
        try:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            value = make()
            with self._lock:
                self._values[key] = value
                self._making.pop(key, None)
                while len(self._values) > self._capacity:
                    self._values.popitem(last=False)
            return value
        finally:
            making.release()

    def forget(self, gone: Callable[[K], bool]) -> None:
        """Let go of every value whose key is `gone`."""
        with self._lock:
            for key in [key for key in self._values if gone(key)]:
                del self._values[key]
