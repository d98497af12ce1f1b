"""Does a memory know this very picture? Its photos would rebuild it by heart, which shows nothing.

Difference hash: the picture's luma is averaged onto 8 rows of 9, and each of the 64 bits says whether a cell is lighter
than its right neighbour. It survives shrinking, JPEG and small changes of colour; a cut-out of a photo has another one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic.patch_database import PatchDatabase, as_floats
from sr_demo.approaches.mosaic.shared_cache import Once
from sr_demo.approaches.mosaic.windows import luma
from sr_demo.image import Image
from sr_demo.imaging.resize import resize
from sr_demo.progress import SILENT

_BITS = 5
"""Bits in which two versions of one picture may differ. Different photos differ in about half of the 64."""
_SHAPE = 0.05
"""Part by which height / width of two versions may differ."""
_LARGEST = 64
"""Side beyond which pictures are thinned out first: the hash needs few pixels."""


def known_photos(memory: PatchDatabase, image: Image) -> tuple[int, ...]:
    """Numbers of the photos of `memory` that show the same as `image` (H, W, 3)."""
    shapes, hashes = _of(memory)
    alike = np.abs(shapes / (image.shape[0] / image.shape[1]) - 1) < _SHAPE
    differing = (hashes != difference_hash(image)).sum(axis=1)
    return tuple(int(i) for i in np.flatnonzero(alike & (differing <= _BITS)))


def difference_hash(image: Image) -> NDArray[np.bool_]:
    """(H, W, 3) -> (64,)."""
    step = max(min(image.shape[:2]) // _LARGEST, 1)
    cells = resize(luma(image[::step, ::step]), (8, 9), "bilinear")
    return (cells[:, 1:] > cells[:, :-1]).ravel()


_HASHES: Once[str, tuple[NDArray[np.float64], NDArray[np.bool_]]] = Once(8)


def _of(memory: PatchDatabase) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Height / width (P,) and hashes (P, 64) of a memory's photos."""

    def make() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        views = [as_floats(memory.lr(i)) for i in range(len(memory.photos))]
        return np.array([v.shape[0] / v.shape[1] for v in views]), np.stack([difference_hash(v) for v in views])

    return _HASHES.get(memory.key, make, SILENT)
