"""Loaded approaches that are kept for the next picture: least recently used dropped first, within a budget of memory."""

from __future__ import annotations

from sr_demo.spec import Checkpoint, Upscaler
from sr_demo.system import memory
from sr_demo.system.least_recently_used import LeastRecentlyUsed

_SHARE, _CAP = 0.25, 2 * 2**30
"""Loaded weights may take this share of the memory that would be free without them, and at most this many bytes."""


class ModelCache:
    """Upscalers by what was asked for when they were loaded. Not thread-safe: used in the runner's lane."""

    def __init__(self) -> None:
        self._held: LeastRecentlyUsed[tuple[object, ...], Upscaler] = LeastRecentlyUsed(lambda held: budget(held))

    def __contains__(self, key: tuple[object, ...]) -> bool:
        return key in self._held

    def use(self, key: tuple[object, ...]) -> Upscaler | None:
        """The upscaler, now the one used last; None when it is not held."""
        return self._held.use(key) if key in self._held else None

    def keep(self, key: tuple[object, ...], upscaler: Upscaler, count: int) -> None:
        """Hold one that takes `count` bytes; others go until the budget is met. The newest stays, whatever it takes."""
        if self._held.put(key, upscaler, count):
            memory.unsettle()
        memory.settle()

    def drop(self, key: tuple[object, ...]) -> None:
        """Forget one, if it is held."""
        self._held.drop(key)
        memory.unsettle()


def budget(held: int) -> int:
    """Bytes that loaded weights may take, where `held` bytes of them are in memory already."""
    return min(int((memory.available_bytes() + held) * _SHARE), _CAP)


def footprint(checkpoint: Checkpoint) -> int:
    """About the bytes a loaded checkpoint takes: its files, or its parameters in fp32 where the files are smaller."""
    return max(checkpoint.bytes, 4 * checkpoint.parameters)
