"""The time that this process waits for processor cores, since measured times are too long on a busy computer."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

_TASKS = Path("/proc/self/task")
BUSY = 0.25
"""Share of waiting above which a computer counts as busy."""


def core_wait_seconds() -> float:
    """Return the seconds that the current threads have waited for a core since they began; 0 if that is unknown."""
    total = 0
    try:
        for task in _TASKS.iterdir():
            try:
                total += int((task / "schedstat").read_text(encoding="ascii").split()[1])
            except (OSError, ValueError, IndexError):  # a thread that has ended
                continue
    except OSError:  # not Linux
        return 0.0
    return total / 1e9


class Contention:
    """Context manager that measures `share`, the share of waiting in the time that threads waited for or ran on a core."""

    share = 0.0

    def __enter__(self) -> Contention:
        """Begin."""
        self._waited, self._used = core_wait_seconds(), time.process_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End. The waiting of threads that have ended in the block is not counted."""
        waiting, used = max(core_wait_seconds() - self._waited, 0.0), time.process_time() - self._used
        self.share = waiting / (waiting + used) if waiting > 0 else 0.0
