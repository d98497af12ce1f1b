"""Intermediate results that several jobs on one image share; computed once, and held during their comparison."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class SharedWork:
    """Shared intermediate results for one image, for jobs that run one after the other."""

    def __init__(self) -> None:
        self._held: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value for `key`, which `make` computes at the first call; exceptions are not stored."""
        if key not in self._held:
            self._held[key] = make()
        return self._held[key]
