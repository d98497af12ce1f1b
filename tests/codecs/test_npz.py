"""The range of the values in `.npz` files: mapped to 0..255 where it is clear, refused where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sr_demo.codecs.npz import find_stacks, read_stack
from sr_demo.errors import BadInput


def levels(path: Path, low: float, high: float, dtype: Any = np.float32) -> list[int]:
    """The levels that `low` and `high` become."""
    values = np.full((2, 4, 4, 3), low, dtype)
    values[1] = high
    np.savez(path, a=values)
    (stack,) = find_stacks(path)
    return [int(image[0, 0, 0]) for image in read_stack(stack)]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 255, [0, 255]), (3, 250.4, [3, 250]), (0, 1, [0, 255]), (0.2, 0.8, [51, 204]), (-1, 1, [0, 255]),
     (-0.5, 0.5, [64, 191]), (-0.0005, 1.0005, [0, 255]), (-1.0005, 0.2, [0, 153])],
)  # fmt: skip
def test_clear_ranges_are_mapped(tmp_path: Path, low: float, high: float, expected: list[int]) -> None:
    assert levels(tmp_path / "a.npz", low, high) == expected


def test_integers_are_levels(tmp_path: Path) -> None:
    assert levels(tmp_path / "a.npz", 0, 2, np.int64) == [0, 2]
    assert levels(tmp_path / "a.npz", 0, 200, np.uint16) == [0, 200]


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (-0.5, 250),
        (-1, 255),
        (-0.02, 1.03),
        (-0.02, 0.9),
        (0, 1.03),
        (-0.5, 1.2),
        (-2, 1),
        (0, 300),
        (np.nan, 1),
        (0, np.inf),
    ],
)
def test_unclear_ranges_are_refused(tmp_path: Path, low: float, high: float) -> None:
    with pytest.raises(
        BadInput, match=r"^a\.npz: a runs from .* to .*; pictures run from 0 to 255, 0 to 1 or -1 to 1. Clip"
    ):
        levels(tmp_path / "a.npz", low, high)
