"""Anchored regression: the embedded, learned memory of refined retrieval.

Adjusted anchored neighbourhood regression (A+, Timofte et al. 2014): the feature of a window is compared with every
anchor, and the regressor of the nearest anchor (a linear map) gives the residual over bicubic. Windows are compared in
their canonical version (see `dihedral`). Trained by `sr_demo.training.mosaic_anchors`.

Legend: n = windows; d = length of a feature; K = anchors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic.dihedral import to_canonical
from sr_demo.approaches.mosaic.windows import INPUT_SIDE, RESIDUAL_SIZE, Floats, Predictions
from sr_demo.errors import WeightsUnavailable

FLAT = 0.01
"""Norm of a feature below which a window holds nothing to refine."""
_CHUNK = 8192


@dataclass(frozen=True)
class AnchoredRegression:
    """Anchors with one regressor each; a `windows.ResidualPredictor` whose matches are anchors."""

    project: Floats
    """Feature projection P (d, 49) of canonical windows."""
    anchors: Floats
    """(K, d), unit vectors."""
    regressors: Floats
    """(K, d, 144)."""

    def predict(self, windows: Floats) -> Predictions:
        """Predict the residuals of `windows` (n, 49); see `windows.ResidualPredictor`."""
        out = np.zeros((len(windows), RESIDUAL_SIZE), np.float32)
        canonical, transforms = to_canonical(windows)
        features = canonical @ self.project.T
        length = np.sqrt(np.square(features).sum(axis=1))
        busy = np.flatnonzero(length > FLAT)
        nearest = np.concatenate([self.nearest(features[part]) for part in _chunks(busy)]) if len(busy) else busy
        # Windows are grouped by anchor: one matrix product for each anchor.
        order = busy[np.argsort(nearest, kind="stable")]
        edges = np.concatenate([[0], np.cumsum(np.bincount(nearest, minlength=len(self.anchors)))])
        for anchor in np.unique(nearest):
            group = order[edges[anchor] : edges[anchor + 1]]
            out[group] = features[group] @ self.regressors[anchor]
        match, distance = np.full(len(windows), -1, np.int64), np.zeros(len(windows), np.float32)
        match[busy] = nearest
        cosine = np.einsum("ij,ij->i", features[busy], self.anchors[nearest]) / length[busy]
        distance[busy] = np.maximum(2 - 2 * cosine, 0)
        return Predictions(transforms.undo(out), match, distance)

    def nearest(self, features: Floats) -> NDArray[np.intp]:
        """Return the number of the anchor at the smallest angle to each feature: (n, d) -> (n,)."""
        return np.argmax(features @ self.anchors.T, axis=1)


def _chunks(numbers: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    return [numbers[start : start + _CHUNK] for start in range(0, len(numbers), _CHUNK)]


def load(path: Path) -> AnchoredRegression:
    """Read anchors and regressors from a safetensors file. Raises WeightsUnavailable when the file holds none."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors: dict[str, NDArray[Any]] = load_file(path)
        fields = {name: tensors[name].astype(np.float32) for name in ("project", "anchors", "regressors")}
        loaded = AnchoredRegression(**fields)
        count, length = loaded.anchors.shape
        shapes = (loaded.project.shape, loaded.regressors.shape)
        if shapes != ((length, INPUT_SIDE**2), (count, length, RESIDUAL_SIZE)):
            raise ValueError("shapes do not fit together")
    except (OSError, KeyError, ValueError, SafetensorError) as problem:
        raise WeightsUnavailable(f"{path.name} is not a learned memory of this version ({problem}).") from problem
    return loaded
