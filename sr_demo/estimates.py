"""How long an approach will take on this machine, before it runs.

At first from the seconds in the network's card, or from the operations per pixel and an assumed rate; after the first run
from what was measured here, which is kept in the cache folder.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from math import inf
from pathlib import Path
from threading import Lock

from sr_demo.spec import Approach, Checkpoint

_ASSUMED_FLOPS = 4e11
"""Floating point operations per second before anything was measured: a little over fp32 on two AVX-512 cores."""
_ASSUMED_GPU_FLOPS = 4e13
"""The same for what runs on a GPU only: a fair part of what a recent card does in 16 bit."""
_FLOOR_SECONDS = 0.01
_WEIGHT_OF_SLOWER = 0.5
"""Of a slower measurement, since other programs may have been in the way; a faster one is believed."""
_ENOUGH_PIXELS = 64 * 64
"""Smaller pictures measure overhead, not the network."""


class Estimates:
    """Seconds per LR pixel per approach, measured here. Thread-safe; without a file, kept for this process only."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = Lock()
        self._measured: dict[str, float] = _read(file) if file else {}

    def seconds(self, approach: Approach, checkpoint: Checkpoint, key: str, pixels: int) -> float:
        """Expected seconds to enlarge `pixels` LR pixels, loading not counted.

        `key` is a job's `price_key`; options never tried are priced like the usual ones.
        """
        measured = self._measured.get(key, self._measured.get(key.split(" ", 1)[0]))
        assumed = _ASSUMED_FLOPS if checkpoint.needs is None else _ASSUMED_GPU_FLOPS
        per_pixel = measured or checkpoint.seconds_per_pixel or checkpoint.flops_per_pixel / assumed
        return max(per_pixel * pixels, _FLOOR_SECONDS)

    def learn(self, key: str, pixels: int, seconds: float, *, anew: bool = False) -> None:
        """Take in one measured run; `anew` when earlier ones no longer count, because it runs in another way now."""
        if pixels < _ENOUGH_PIXELS:
            return
        with self._lock:
            old = None if anew else self._measured.get(key)
            new = seconds / pixels
            self._measured[key] = new if old is None or new < old else old + _WEIGHT_OF_SLOWER * (new - old)
            if self._file:
                _write(self._file, self._measured)


def _read(file: Path) -> dict[str, float]:
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        values = {str(key): float(value) for key, value in stored.items()}
        return {key: value for key, value in values.items() if 0 < value < inf}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}  # absent or damaged: it is measured again


def _write(file: Path, values: dict[str, float]) -> None:
    temporary = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(values), encoding="utf-8")
        temporary.replace(file)
    except OSError:  # a full or read-only disk costs only the memory of these figures
        with suppress(OSError):
            temporary.unlink()
