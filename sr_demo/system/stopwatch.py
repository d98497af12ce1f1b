"""Measurement of the wall time and the processor time of a block."""

from __future__ import annotations

import time


class Stopwatch:
    """Context manager that measures its block; the times are available afterwards."""

    seconds: float
    """Wall time."""
    cpu_seconds: float
    """Processor time of all threads of this process."""

    def __enter__(self) -> Stopwatch:
        self._begun, self._cpu_begun = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds, self.cpu_seconds = time.perf_counter() - self._begun, time.process_time() - self._cpu_begun
