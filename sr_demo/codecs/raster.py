"""The input of image encoders: integer samples that are computed for one band of rows at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from sr_demo.codecs.metadata import Metadata


@dataclass(frozen=True)
class Raster:
    """An image to encode, with its profile and metadata."""

    rows: Callable[[int, int], NDArray[Any]]
    """`rows(top, bottom)` returns (bottom - top, width, channels) uint8 or uint16, by `bits`; safe in several threads."""
    width: int
    height: int
    channels: int
    """Number of channels: 1 gray, 2 gray with alpha, 3 RGB, 4 RGBA."""
    bits: Literal[8, 16]
    icc: bytes | None = None
    """A profile that fits the channels, written unchanged."""
    metadata: Metadata = Metadata()

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is opacity."""
        return self.channels in (2, 4)

    @property
    def is_gray(self) -> bool:
        """Whether there is one channel of brightness."""
        return self.channels < 3

    def step(self, most_bytes: int) -> int:
        """Return the number of rows of a band with about `most_bytes` bytes."""
        return max(1, most_bytes // (self.width * self.channels * self.bits // 8))
