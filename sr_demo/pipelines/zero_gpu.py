"""ZeroGPU Spaces: a GPU is borrowed for one call, for at most as long as was asked for beforehand.

Asked for is what the picture and the steps are expected to take: the Space counts what was declared against the
visitor's quota, not what was used. Elsewhere nothing here has an effect.
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
    """What to ask for: `fixed` plus the steps over `pixels` of the result, half as much again, 15..300 s.

    `per_megapixel_step`: seconds of one step over 10^6 pixels of the result.
    """
    expected = fixed + steps * per_megapixel_step * pixels / 1e6
    return min(max(ceil(expected * _SPARE), _LEAST_SECONDS), _MOST_SECONDS)


def announce() -> None:
    """To be called at start, before torch is imported: a ZeroGPU Space ends when no function asks for a GPU by then.

    Ours ask when a pipeline is loaded, which is when somebody wants it.
    """
    borrowed(_nothing, _nothing_takes)


def _nothing() -> None:
    """What is announced."""


def _nothing_takes() -> int:
    return _LEAST_SECONDS


def borrowed(work: Callable[..., T], duration: Callable[..., int]) -> Callable[..., T]:
    """`work` under `spaces.GPU`, with `duration` of the same arguments, on a ZeroGPU Space; `work` itself elsewhere.

    The arguments travel to another process: they must be plain values.
    """
    if not hardware.lends_gpus():
        return work
    spaces: Any = importlib.import_module("spaces")
    return spaces.GPU(duration=duration)(work)
