"""Counter of the bytes of all tensors that exist at the same time while a network runs."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Context manager that counts the bytes that operations allocate until these are freed. Weights do not count."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        """Largest number of bytes at the same time."""
        self._bytes = 0
        self._held: dict[int, int] = {}
        """Number of tensors by the address of their memory, which views share."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count the results in newly allocated memory."""
        given = {_address(value) for value in tree_leaves((args, kwargs)) if isinstance(value, torch.Tensor)}
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if not isinstance(value, torch.Tensor):
                continue
            address = _address(value)
            if address in self._held:
                self._hold(value, address, 0)
            elif address not in given:
                self._hold(value, address, value.untyped_storage().nbytes())
        return result

    def _hold(self, value: torch.Tensor, address: int, count: int) -> None:
        self._held[address] = self._held.get(address, 0) + 1
        self._bytes += count
        self.peak = max(self.peak, self._bytes)
        weakref.finalize(value, self._release, address, value.untyped_storage().nbytes())

    def _release(self, address: int, count: int) -> None:
        left = self._held.get(address, 0) - 1
        if left > 0:
            self._held[address] = left
        elif self._held.pop(address, None) is not None:
            self._bytes -= count


def _address(value: torch.Tensor) -> int:
    return int(value.untyped_storage().data_ptr())
