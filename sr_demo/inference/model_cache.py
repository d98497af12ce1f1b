"""Least recently used cache of loaded models, within a memory budget."""

from __future__ import annotations

from sr_demo.checkpoint import Checkpoint
from sr_demo.spec import ModelIdentity, Upscaler
from sr_demo.system import memory
from sr_demo.system.least_recently_used import LeastRecentlyUsed

_SHARE, _CAP = 0.25, 2 * 2**30
"""Largest share of the memory without loaded weights that these may take, and their largest number of bytes."""


class ModelCache:
    """Upscalers by the identity of their model. Not thread-safe; the caller must hold the compute lock."""

    def __init__(self) -> None:
        self._held: LeastRecentlyUsed[ModelIdentity, Upscaler] = LeastRecentlyUsed(lambda held: budget(held))

    def __contains__(self, key: ModelIdentity) -> bool:
        return key in self._held

    def use(self, key: ModelIdentity) -> Upscaler | None:
        """Return the upscaler and mark it as most recently used; None if it is not cached."""
        return self._held.use(key) if key in self._held else None

    def keep(self, key: ModelIdentity, upscaler: Upscaler, count: int) -> None:
        """Add an upscaler of `count` bytes and evict others until the budget is met. The new one always stays."""
        if self._held.put(key, upscaler, count):
            memory.unfreeze_garbage_collection()
        memory.freeze_garbage_collection()

    def drop(self, key: ModelIdentity) -> None:
        """Remove an upscaler, if it is cached."""
        self._held.drop(key)
        memory.unfreeze_garbage_collection()


def budget(held: int) -> int:
    """Return the bytes that loaded weights may take, if `held` bytes of them are in memory already."""
    return min(int((memory.available_bytes() + held) * _SHARE), _CAP)


def footprint(checkpoint: Checkpoint) -> int:
    """Estimate the bytes of a loaded checkpoint: the size of its files, or of its parameters in fp32 if that is larger."""
    return max(checkpoint.bytes, 4 * checkpoint.parameters)
