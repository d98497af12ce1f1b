"""Overlap between a database and an input: the photos of the database that are the input itself.

Difference hash: the image's luma is averaged onto 8 rows of 9 cells, and each of 64 bits records whether a cell is darker
than its right neighbour. The hash survives resizing, JPEG and small changes of colour; a crop has a different hash.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic.patch_database import PatchDatabase, as_floats
from sr_demo.approaches.mosaic.shared_cache import SharedCache
from sr_demo.approaches.mosaic.windows import luma
from sr_demo.image import Image
from sr_demo.imaging.resize import resize
from sr_demo.progress import SILENT

_MOST_BITS = 5
"""Bits by which two versions of one image may differ. Different photos differ in about half of the 64."""
_ASPECT_TOLERANCE = 0.05
"""Relative difference between the height / width of two versions."""
_LARGEST = 64
"""Shorter side, in pixels, beyond which images are subsampled before hashing: the hash needs few pixels."""


class _Hashes(NamedTuple):
    """Hashes of a database's P photos."""

    aspects: NDArray[np.float64]
    """(P,) height / width."""
    bits: NDArray[np.bool_]
    """(P, 64)."""


_HASHES: SharedCache[tuple[Path, str], _Hashes] = SharedCache(8)
"""By place and key of the database."""


def overlapping_photos(database: PatchDatabase, image: Image) -> tuple[int, ...]:
    """Return the numbers of the photos of `database` that show the same as `image`, (H, W, 3) float32 in [0, 1]."""
    hashes = _hashes(database)
    alike = np.abs(hashes.aspects / (image.shape[0] / image.shape[1]) - 1) < _ASPECT_TOLERANCE
    differing = (hashes.bits != difference_hash(image)).sum(axis=1)
    return tuple(int(i) for i in np.flatnonzero(alike & (differing <= _MOST_BITS)))


def forget(is_gone: Callable[[Path], bool]) -> None:
    """Drop the hashes of the databases whose place `is_gone`."""
    _HASHES.drop(lambda key: is_gone(key[0]))


def difference_hash(image: Image) -> NDArray[np.bool_]:
    """Return the difference hash, (64,) bool, of an image (H, W, 3) float32 in [0, 1]."""
    step = max(min(image.shape[:2]) // _LARGEST, 1)
    cells = resize(luma(image[::step, ::step]), (8, 9), "bilinear")
    return (cells[:, 1:] > cells[:, :-1]).ravel()


def _hashes(database: PatchDatabase) -> _Hashes:
    def compute() -> _Hashes:
        images = [as_floats(database.lr(i)) for i in range(len(database.photos))]
        aspects = np.array([image.shape[0] / image.shape[1] for image in images])
        return _Hashes(aspects, np.stack([difference_hash(image) for image in images]))

    return _HASHES.get((database.place, database.key), compute, SILENT)
