"""Eviction of the least recently used values, for the caches of this package."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LeastRecentlyUsed(Generic[K, V]):
    """Values by key, each with a weight (a count or bytes). Not thread-safe; callers must hold a lock."""

    def __init__(self, limit: Callable[[int], int]) -> None:
        """Create an empty cache.

        Args:
            limit: Returns the largest allowed weight, given the weight of all held values; called at every `put`.
        """
        self._limit = limit
        self._held: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __contains__(self, key: K) -> bool:
        return key in self._held

    def keys(self) -> list[K]:
        """Return the keys, least recently used first."""
        return list(self._held)

    def use(self, key: K) -> V:
        """Return the value of a key and mark it as the most recently used. Raises KeyError."""
        self._held.move_to_end(key)
        return self._held[key][0]

    def put(self, key: K, value: V, weight: int = 1) -> int:
        """Hold a value as the most recently used, and evict others until the limit is met.

        Args:
            key: Identifies the value; an existing value of this key is replaced.
            value: The value.
            weight: Weight that counts towards the limit. The newest value is held whatever its weight.

        Returns:
            The number of evicted values.
        """
        self._held[key] = (value, weight)
        self._held.move_to_end(key)
        allowed, evicted = self._limit(self._weight()), 0
        while len(self._held) > 1 and self._weight() > allowed:
            self._held.popitem(last=False)
            evicted += 1
        return evicted

    def drop(self, key: K) -> None:
        """Drop the value of a key, if it is held."""
        self._held.pop(key, None)

    def _weight(self) -> int:
        return sum(weight for _, weight in self._held.values())
