"""Parallel work on bands of rows in a few threads, with results in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_AHEAD = 16
"""Largest number of bands that are being encoded or wait for the consumer."""


def map_bands(work: Callable[[int], T], tops: Iterable[int]) -> Iterator[T]:
    """Map `work` over bands in threads, only a few bands ahead of the consumer, since compressed images may take gigabytes.

    Args:
        work: Encodes the band that begins with the given row; numpy, zlib and libjpeg release the GIL.
        tops: First rows of the bands.
    """
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        waiting: deque[Future[T]] = deque()
        for top in tops:
            waiting.append(pool.submit(work, top))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
