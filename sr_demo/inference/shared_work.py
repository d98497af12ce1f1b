"""What several jobs on one image need alike: computed for the first of them, and held as long as their comparison."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class SharedWork:
    """Of one image, for jobs that run one after the other."""

    def __init__(self) -> None:
        self._held: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returns, which is called for the first of several equal keys; what it raises is not held."""
        if key not in self._held:
            self._held[key] = make()
        return self._held[key]
