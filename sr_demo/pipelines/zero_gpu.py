"""ZeroGPU Spaces, which reserve a GPU for one call and for a duration that is declared in advance.

The expected run time is declared, since the Space subtracts the declared rather than the used time from the visitor's quota.
Outside of such Spaces, this module has no effect.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from math import ceil
from typing import Any, TypeVar

from sr_demo.system import hardware

T = TypeVar("T")
_LEAST_SECONDS, _MOST_SECONDS = 15, 300
_SPARE = 1.5


def seconds(pixels: int, steps: int, per_megapixel_step: float, fixed: float) -> int:
    """Return the duration to declare: 1.5 times the expected time, between 15 and 300 s.

    Args:
        pixels: Number of pixels of the result.
        steps: Number of sampling steps.
        per_megapixel_step: Seconds of one step per 10^6 pixels of the result.
        fixed: Seconds in addition to the steps.
    """
    expected = fixed + steps * per_megapixel_step * pixels / 1e6
    return min(max(ceil(expected * _SPARE), _LEAST_SECONDS), _MOST_SECONDS)


def declare_gpu_function() -> None:
    """Declare a GPU function at start-up, before torch is imported, since a ZeroGPU Space without one ends.

    The functions that use a GPU are declared only when a visitor runs a pipeline.
    """
    with_gpu(_nothing, _nothing_takes)


def _nothing() -> None:
    """Do nothing; this is the declared function."""


def _nothing_takes() -> int:
    return _LEAST_SECONDS


def with_gpu(work: Callable[..., T], duration: Callable[..., int]) -> Callable[..., T]:
    """Return `work` wrapped by `spaces.GPU` on a ZeroGPU Space, `work` itself elsewhere.

    Args:
        work: Called in another process, so that its arguments must be picklable.
        duration: Returns the seconds to reserve for the same arguments.
    """
    if not hardware.is_zero_gpu_space():
        return work
    spaces: Any = importlib.import_module("spaces")
    return spaces.GPU(duration=duration)(work)
