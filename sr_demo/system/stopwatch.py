"""How long a part of a program takes, by the clock and on the processors."""

from __future__ import annotations

import time


class Stopwatch:
    """Measures what runs inside `with`; the figures are there afterwards."""

    seconds: float
    """By the clock."""
    cpu_seconds: float
    """Of this process, on all processors together."""

    def __enter__(self) -> Stopwatch:
        self._begun, self._cpu_begun = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds, self.cpu_seconds = time.perf_counter() - self._begun, time.process_time() - self._cpu_begun
