"""The sixteen equivalent versions of a window (mirrored, turned, inverted), and the canonical one among them.

A mirrored, turned or inverted window has a mirrored, turned or inverted residual. Windows are therefore brought into one
canonical version before they are compared, and the predicted residual is brought back: each entry of a database serves
sixteen windows. Legend: n = windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic.patch_database import SCALE
from sr_demo.approaches.mosaic.windows import INPUT_SIDE, OUTPUT_SIDE, Floats


def _centred_axis(side: int) -> Floats:
    return (np.arange(side) - (side - 1) / 2).astype(np.float32)


def _moment_weights() -> Floats:
    """Return the weights (49, 3) of the moments that decide: centre against surround, right - left, bottom - top."""
    x = np.broadcast_to(_centred_axis(INPUT_SIDE), (INPUT_SIDE, INPUT_SIDE))
    near = np.exp(-(x**2 + x.T**2) / 2)
    wide = np.exp(-(x**2 + x.T**2) / 8)
    weight = wide / wide.sum()
    return np.stack([near / near.sum() - weight, x * weight, x.T * weight], axis=-1).reshape(-1, 3).astype(np.float32)


_MOMENTS = _moment_weights()


def _permutations(side: int) -> NDArray[np.intp]:
    """Return (8, side²): row b permutes a square; bit 0 mirrors left-right, bit 1 top-bottom, bit 2 transposes."""
    cells = np.arange(side * side).reshape(side, side)
    rows: list[NDArray[np.intp]] = []
    for bits in range(8):
        square = cells[:, ::-1] if bits & 1 else cells
        square = square[::-1] if bits & 2 else square
        rows.append((square.T if bits & 4 else square).ravel())
    return np.stack(rows)


_WINDOW, _RESIDUAL = _permutations(INPUT_SIDE), _permutations(OUTPUT_SIDE * SCALE)
_RESIDUAL_INVERSE = np.argsort(_RESIDUAL, axis=1)


@dataclass(frozen=True)
class DihedralTransforms:
    """The transforms of n windows: a symmetry of the square each, and a sign."""

    bits: NDArray[np.intp]
    """(n,) which of the eight symmetries (see `_permutations`)."""
    sign: Floats
    """(n, 1): -1 where light and dark are exchanged."""

    def apply(self, residuals: Floats) -> Floats:
        """Transform residuals (n, 144) as the windows were transformed."""
        return np.take_along_axis(residuals, _RESIDUAL[self.bits], axis=1) * self.sign

    def undo(self, residuals: Floats) -> Floats:
        """Transform residuals (n, 144) back."""
        return np.take_along_axis(residuals, _RESIDUAL_INVERSE[self.bits], axis=1) * self.sign


class CanonicalWindows(NamedTuple):
    """Windows in their canonical version, and the transforms that led there."""

    windows: Floats
    """(n, 49), means removed."""
    transforms: DihedralTransforms


def to_canonical(windows: Floats) -> CanonicalWindows:
    """Transform windows (n, 49) into the canonical one of their sixteen versions.

    That one is lighter in the centre than around it, lighter on the right than on the left and at the bottom than at the
    top, and differs more between right and left than between bottom and top.
    """
    centred = windows - windows.mean(axis=1, keepdims=True)
    moments = centred @ _MOMENTS
    sign = np.where(moments[:, :1] < 0, np.float32(-1), np.float32(1))
    across, down = (moments[:, 1:] * sign).T
    bits = (across < 0) + 2 * (down < 0) + 4 * (np.abs(down) > np.abs(across))
    canonical = np.take_along_axis(centred * sign, _WINDOW[bits], axis=1)
    return CanonicalWindows(canonical, DihedralTransforms(bits, sign))
