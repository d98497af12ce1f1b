"""How long this process waits for processor cores: on a busy computer, all that it measures takes longer than it should."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

_TASKS = Path("/proc/self/task")
BUSY = 0.25
"""Share of waiting from which a computer is called busy."""


def waited() -> float:
    """Return the seconds that the present threads have waited for a core since they began; 0 where that is not known."""
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
    """Measures a block of work: `share` is the time that was spent waiting for a core, of that and the time on one."""

    share = 0.0

    def __enter__(self) -> Contention:
        """Begin."""
        self._waited, self._used = waited(), time.process_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End. Threads that have ended meanwhile take their waiting with them."""
        waiting, used = max(waited() - self._waited, 0.0), time.process_time() - self._used
        self.share = waiting / (waiting + used) if waiting > 0 else 0.0
