"""Mapping of pixel values to levels of brightness: their range over a whole file, and pixels without data.

8-bit and 16-bit integers count as levels, and so do floating point numbers in [0, 1]. Other values are mapped linearly to
[0, 1], alike on all pages of a file, so that differences between pages are preserved. Pixels without data (NaN, or the value
in GDAL's tag) are excluded from the range.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_demo.errors import BadInput
from sr_demo.system.large_array import bands, zeros

Samples = NDArray[Any]


@dataclass(frozen=True)
class Values:
    """The mapping from the values of a file to [0, 1]: value = black + level * (white - black)."""

    black: float
    white: float
    no_data: float | None = None
    """The value of pixels without data, which become transparent, in addition to NaN; None if the file names none."""

    def as_dict(self) -> dict[str, float | None]:
        """Return the mapping as JSON-able data, for manifests and reports."""
        return asdict(self)


@dataclass(frozen=True)
class Range:
    """Smallest and largest value; the empty range has `low` inf and `high` -inf."""

    low: float = np.inf
    high: float = -np.inf

    def joined(self, other: Range) -> Range:
        """Return the union of both ranges."""
        return Range(min(self.low, other.low), max(self.high, other.high))


def are_levels(dtype: np.dtype[Any]) -> bool:
    """Return whether all values of this dtype are levels of brightness, so that they need no mapping."""
    return dtype in (np.dtype(np.uint8), np.dtype(np.uint16))


def no_data_value(text: object) -> float | None:
    """Return the number in GDAL's tag; None if it is not a number, or NaN, which always means no data."""
    try:
        value = float(text.strip("\0 ")) if isinstance(text, str) else np.nan
    except ValueError:
        return None
    return None if np.isnan(value) else value


def missing(samples: Samples, no_data: float | None) -> NDArray[np.bool_] | None:
    """Return which pixels of (H, W, C) have no data: any channel is NaN, or all have the value `no_data`; None for none."""
    kind = samples.dtype.kind
    if kind != "f" and no_data is None:
        return None
    out = np.zeros(samples.shape[:2], np.bool_)
    # Rounded as in the file, since numbers such as -3.4e38 have more digits than float32.
    with np.errstate(over="ignore"):
        wanted = None if no_data is None else np.asarray(no_data).astype(samples.dtype if kind == "f" else np.float64)
    for rows in bands(out, samples):
        part = samples[rows]
        if kind == "f":
            out[rows] = np.isnan(part).any(axis=2)
        if wanted is not None:
            out[rows] |= (part == wanted).all(axis=2)
    return out if out.any() else None


def value_range(samples: Samples, without: NDArray[np.bool_] | None) -> Range:
    """Return the range of the finite values of (H, W, C), leaving out the pixels `without` (H, W)."""
    found = Range()
    for rows in bands(samples):
        part = samples[rows] if without is None else samples[rows][~without[rows]]
        if samples.dtype.kind == "f":
            part = part[np.isfinite(part)]
        if part.size:
            found = found.joined(Range(float(part.min()), float(part.max())))
    return found


def refuse_infinite(samples: Samples) -> None:
    """Raise BadInput, with their number, when there are infinite values."""
    if samples.dtype.kind != "f":
        return
    bad = sum(int(np.count_nonzero(np.isinf(samples[rows]))) for rows in bands(samples))
    if bad:
        raise BadInput(
            f"This picture has {'1 infinite value' if bad == 1 else f'{bad} infinite values'}, out of {samples.size}. "
            "Replace them in the program that made it, and export again."
        )


def map_to_levels(samples: Samples, found: Range, without: NDArray[np.bool_] | None) -> tuple[Samples, Values | None]:
    """Map values to levels.

    Args:
        samples: (H, W, C) of any dtype.
        found: Range of the values in the whole file.
        without: (H, W), pixels that become black; None for none.

    Returns:
        8-bit and 16-bit integers unchanged, other values as float32 in [0, 1]; and the mapping, None for levels.
    """
    if are_levels(samples.dtype):
        return samples, None
    low, high = (found.low, found.high) if found.low <= found.high else (0.0, 0.0)
    as_they_are = samples.dtype.kind == "f" and low >= 0 and high <= 1
    black, spread = (0.0, 1.0) if as_they_are else (low, (high - low) or 1.0)
    out = zeros(*samples.shape)
    for rows in bands(out, samples):
        part = samples[rows] if as_they_are else (samples[rows].astype(np.float64) - black) / spread
        out[rows] = part if without is None else np.where(without[rows][..., None], 0, part)
    return out, None if as_they_are else Values(low, high)


def relevelled(levels: NDArray[np.float32], own: Values, other: Values) -> NDArray[np.float32]:
    """Return levels of the mapping `own` as levels of the mapping `other`; values outside its range become black or white.

    Args:
        levels: (H, W, C) in [0, 1].
        own: The mapping of `levels`.
        other: The mapping of the returned levels.
    """
    spread, other_spread = ((mapping.white - mapping.black) or 1.0 for mapping in (own, other))
    out = zeros(*levels.shape)
    for rows in bands(out, levels):
        values = own.black + levels[rows].astype(np.float64) * spread
        out[rows] = np.clip((values - other.black) / other_spread, 0, 1)
    return out
