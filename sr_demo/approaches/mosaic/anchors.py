"""The embedded memory: anchors learned from many photos, each with the linear map from a window to its residual.

Adjusted anchored neighbourhood regression (A+, Timofte et al. 2014): a window's feature is compared with every anchor,
and the nearest anchor's regressor gives the residual over bicubic. Mirrored, turned and inverted windows have mirrored,
turned and inverted residuals, so every window is first brought into one of sixteen equivalent poses; that makes each
anchor answer for sixteen. Legend: n = windows; d = length of a feature; K = anchors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic.patch_database import SCALE
from sr_demo.approaches.mosaic.windows import RESIDUAL, SEEN, SIDE, Explained, Floats
from sr_demo.errors import WeightsUnavailable

FLAT = 0.01
"""Length of a feature below which a window holds nothing to refine."""
_CHUNK = 8192


def _axis(side: int) -> Floats:
    return (np.arange(side) - (side - 1) / 2).astype(np.float32)


def _moments() -> Floats:
    """(49, 3): what decides the pose: middle against surroundings, left against right, top against bottom."""
    x = np.broadcast_to(_axis(SEEN), (SEEN, SEEN))
    near = np.exp(-(x**2 + x.T**2) / 2)
    wide = np.exp(-(x**2 + x.T**2) / 8)
    weight = wide / wide.sum()
    return np.stack([near / near.sum() - weight, x * weight, x.T * weight], axis=-1).reshape(-1, 3).astype(np.float32)


_MOMENTS = _moments()


def _orders(side: int) -> NDArray[np.intp]:
    """(8, side²): row b of it takes a square to pose b: bit 0 mirrors left-right, bit 1 top-bottom, bit 2 transposes."""
    cells = np.arange(side * side).reshape(side, side)
    rows: list[NDArray[np.intp]] = []
    for bits in range(8):
        square = cells[:, ::-1] if bits & 1 else cells
        square = square[::-1] if bits & 2 else square
        rows.append((square.T if bits & 4 else square).ravel())
    return np.stack(rows)


_TURN, _TURN_RESIDUAL = _orders(SEEN), _orders(SIDE * SCALE)
_BACK_RESIDUAL = np.argsort(_TURN_RESIDUAL, axis=1)


@dataclass(frozen=True)
class Dihedrals:
    """How windows were turned."""

    bits: NDArray[np.intp]
    """(n,) which of eight orientations."""
    sign: Floats
    """(n, 1): -1 where light and dark were exchanged."""

    def apply(self, residuals: Floats) -> Floats:
        """(n, 144), turned as the windows were."""
        return np.take_along_axis(residuals, _TURN_RESIDUAL[self.bits], axis=1) * self.sign

    def undo(self, residuals: Floats) -> Floats:
        """(n, 144), turned back."""
        return np.take_along_axis(residuals, _BACK_RESIDUAL[self.bits], axis=1) * self.sign


def pose(windows: Floats) -> tuple[Floats, Dihedrals]:
    """Windows (n, 49) in the one of their sixteen poses that is lighter in the middle, right more than below, and right
    and below more than left and above; means removed."""
    centred = windows - windows.mean(axis=1, keepdims=True)
    moments = centred @ _MOMENTS
    sign = np.where(moments[:, :1] < 0, np.float32(-1), np.float32(1))
    across, down = (moments[:, 1:] * sign).T
    bits = (across < 0) + 2 * (down < 0) + 4 * (np.abs(down) > np.abs(across))
    return np.take_along_axis(centred * sign, _TURN[bits], axis=1), Dihedrals(bits, sign)


@dataclass(frozen=True)
class Anchors:
    """A learned memory."""

    project: Floats
    """P (d, 49), features of posed windows."""
    anchors: Floats
    """(K, d), length 1."""
    regressors: Floats
    """(K, d, 144)."""

    def explain(self, windows: Floats) -> Explained:
        """See `windows.Residuals`; numbers are those of anchors."""
        out = np.zeros((len(windows), RESIDUAL), np.float32)
        posed, poses = pose(windows)
        features = posed @ self.project.T
        length = np.sqrt(np.square(features).sum(axis=1))
        busy = np.flatnonzero(length > FLAT)
        nearest = np.concatenate([self.nearest(features[part]) for part in _parts(busy)]) if len(busy) else busy
        order = busy[np.argsort(nearest, kind="stable")]
        edges = np.concatenate([[0], np.cumsum(np.bincount(nearest, minlength=len(self.anchors)))])
        for anchor in np.unique(nearest):
            mine = order[edges[anchor] : edges[anchor + 1]]
            out[mine] = features[mine] @ self.regressors[anchor]
        who, far = np.full(len(windows), -1, np.int64), np.zeros(len(windows), np.float32)
        who[busy] = nearest
        likeness = np.einsum("ij,ij->i", features[busy], self.anchors[nearest]) / length[busy]
        far[busy] = np.maximum(2 - 2 * likeness, 0)
        return Explained(poses.undo(out), who, far)

    def nearest(self, features: Floats) -> NDArray[np.intp]:
        """(n, d) -> (n,) number of the anchor with the smallest angle."""
        return np.argmax(features @ self.anchors.T, axis=1)


def _parts(numbers: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    return [numbers[start : start + _CHUNK] for start in range(0, len(numbers), _CHUNK)]


def load(path: Path) -> Anchors:
    """The learned memory in a safetensors file. Raises WeightsUnavailable when it is none."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors: dict[str, NDArray[Any]] = load_file(path)
        parts = {name: tensors[name].astype(np.float32) for name in ("project", "anchors", "regressors")}
        memory = Anchors(**parts)
        count, length = memory.anchors.shape
        if memory.project.shape != (length, SEEN**2) or memory.regressors.shape != (count, length, RESIDUAL):
            raise ValueError("shapes do not fit together")
    except (OSError, KeyError, ValueError, SafetensorError) as problem:
        raise WeightsUnavailable(f"{path.name} is not a learned memory of this version ({problem}).") from problem
    return memory
