"""Storage of measured run times relative to the card, in a file of the cache folder."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

from sr_demo.system import integrity
from sr_demo.system.storage import write_atomically

_FORMAT = 2
"""Format of the file. Earlier formats held seconds per pixel."""


@dataclass(frozen=True)
class Factors:
    """Ratios of the measured seconds of one job with one backend to the card's seconds."""

    kind: str
    """Backend of the card's seconds, or a substitute for it; factors of the same kind can be compared."""
    reference: float
    """Seconds of the card for 256 x 256 pixels at the time of the measurement; with another card, the factors are invalid."""
    factors: dict[int, float]
    """Factor by size class: log2 of the side of a square with as many LR pixels as all tiles together, rounded."""

    def at(self, size_class: int) -> float:
        """Return the factor measured at the nearest size."""
        return self.factors[min(self.factors, key=lambda known: abs(known - size_class))]


def read(file: Path) -> dict[str, dict[str, Factors]]:
    """Return the factors by timing key and backend; empty if the file is absent, corrupt or of an earlier format."""
    try:
        stored = integrity.read_json_with_checksum(file)
        if stored["format"] != _FORMAT:
            return {}
        return {
            str(key): {str(backend): _entry(found) for backend, found in backends.items()}
            for key, backends in stored["learned"].items()
        }
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        return {}


def _entry(found: dict[str, Any]) -> Factors:
    """Return one entry of the file. Raises ValueError, KeyError, TypeError or AttributeError if it is corrupt."""
    factors = {int(size_class): float(factor) for size_class, factor in found["factors"].items()}
    reference = float(found["reference"])
    if not factors or not all(0 < value < inf for value in (reference, *factors.values())):
        raise ValueError("not a measured time")
    return Factors(str(found["kind"]), reference, factors)


def write(file: Path, learned: dict[str, dict[str, Factors]]) -> None:
    """Write the factors; a full or read-only disk is ignored, since only these measurements are lost."""
    entries = {key: {backend: asdict(one) for backend, one in backends.items()} for key, backends in learned.items()}
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, integrity.json_with_checksum({"format": _FORMAT, "learned": entries}))
