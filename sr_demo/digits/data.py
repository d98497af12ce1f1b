"""Handwritten digits as arrays, and their small versions. Legend: N digits; uint8 0..255, white ink on black."""

from __future__ import annotations

import gzip
import math
import os
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr_demo.codecs.archives import array_headers
from sr_demo.errors import BadInput, StorageError
from sr_demo.imaging.resize import resize
from sr_demo.system.storage import cache_folder

SMALL, SIDE = 26, 28
"""Pixels a side of what the networks are given, and of the truth."""

Pixels = NDArray[np.uint8]
_MOST_BYTES = 2**30
"""MNIST itself takes 55 MB."""
_KEYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True)
class Digits:
    """`pictures` (N, 28, 28) and which digit each of them is, (N,)."""

    pictures: Pixels
    labels: Pixels

    def __len__(self) -> int:
        return len(self.labels)


def load(file: Path | None = None) -> tuple[Digits, Digits]:
    """Training and test digits from an `mnist.npz` (keys x_train, y_train, x_test, y_test), or from a folder with
    MNIST's own four files, packed or not, as torchvision leaves them in `MNIST/raw`. Raises BadInput.

    Without `file`: `default_file`.
    """
    path = file or default_file()
    if path.is_dir():
        inner = path / "MNIST" / "raw"
        folder = inner if inner.is_dir() else path
        return _from_files(folder, "train"), _from_files(folder, "t10k")
    try:
        array_headers(path, _MOST_BYTES)
        with np.load(path, allow_pickle=False) as values:
            x_train, y_train, x_test, y_test = (np.asarray(values[key]) for key in _KEYS)
    except FileNotFoundError:
        raise BadInput(
            f"The handwritten digits are not at {path}. Give MNIST as one .npz file with the keys {', '.join(_KEYS)}: "
            "with --data, or below the folder that SR_DEMO_SHARED_DATA names, as mnist/mnist.npz."
        ) from None
    except OSError as exc:
        raise StorageError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
    except (BadInput, KeyError, ValueError, zipfile.BadZipFile) as exc:
        raise BadInput(f"{path} does not hold MNIST: an .npz file with the keys {', '.join(_KEYS)} is needed.") from exc
    return _checked(path, x_train, y_train), _checked(path, x_test, y_test)


@lru_cache(maxsize=1)
def test_digits() -> Digits | None:
    """The test digits, kept after the first call; None where MNIST is not on this machine."""
    return load()[1] if default_file().exists() else None


def _from_files(folder: Path, part: str) -> Digits:
    return _checked(
        folder, _idx(folder / f"{part}-images-idx3-ubyte", 3), _idx(folder / f"{part}-labels-idx1-ubyte", 1)
    )


def _idx(path: Path, axes: int) -> Pixels:
    """One file of MNIST as first published: two zero bytes, type 8 (uint8), the number of axes, their lengths, values."""
    packed = path.with_name(f"{path.name}.gz")
    try:
        content = path.read_bytes() if path.exists() or not packed.exists() else gzip.decompress(packed.read_bytes())
    except (OSError, EOFError) as exc:
        raise BadInput(f"{path} cannot be read. The folder must hold MNIST's four files.") from exc
    start = 4 + 4 * axes
    shape = tuple(int(n) for n in np.frombuffer(content[4:start], ">u4"))
    if content[:4] != bytes((0, 0, 8, axes)) or len(content) != start + math.prod(shape):
        raise BadInput(f"{path} is not a file of MNIST, or it is damaged.")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def default_file() -> Path:
    """Where MNIST lies if nobody says otherwise: $SR_DEMO_SHARED_DATA/mnist/mnist.npz, else ../shared/data/mnist/mnist.npz,
    else the folder to which `train` lets torchvision download it."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    named = Path(os.environ.get("SR_DEMO_SHARED_DATA", beside)) / "mnist" / "mnist.npz"
    return downloaded() if not named.exists() and downloaded().is_dir() else named


def downloaded() -> Path:
    """The folder for MNIST's files where torchvision fetches them."""
    return cache_folder() / "mnist"


def _checked(path: Path, pictures: NDArray[np.generic], labels: NDArray[np.generic]) -> Digits:
    fits = pictures.dtype == np.uint8 and pictures.ndim == 3 and pictures.shape[1:] == (SIDE, SIDE)
    if not fits or labels.shape != pictures.shape[:1] or len(labels) == 0:
        raise BadInput(f"{path} does not hold MNIST: pictures of {SIDE} x {SIDE} pixels with 8 bit are needed.")
    return Digits(pictures.astype(np.uint8), labels.astype(np.uint8))


def downscale(pictures: Pixels) -> Pixels:
    """(N, 28, 28) -> (N, 26, 26): bicubic with antialiasing, rounded to 8 bit."""
    return _resampled(pictures, SIDE, SMALL)


def bicubic(pictures: Pixels) -> Pixels:
    """(N, 26, 26) -> (N, 28, 28): the baseline, rounded to 8 bit."""
    return _resampled(pictures, SMALL, SIDE)


def _resampled(pictures: Pixels, before: int, after: int) -> Pixels:
    """Resizing is linear along each axis, so one matrix does it for all pictures at once (see `_matrix`)."""
    matrix = _matrix(before, after)
    values = np.matmul(np.matmul(matrix, pictures.astype(np.float32)), matrix.T)
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _matrix(before: int, after: int) -> NDArray[np.float32]:
    """(after, before): what `resize` does along one axis, read off the identity.

    `resize` clips to [0, 1] and the kernel has negative lobes, so half the identity is lifted to 0.5 first.
    """
    lifted = 0.5 + 0.5 * np.eye(before, dtype=np.float32)
    return (resize(lifted, (after, before)) - 0.5) * 2.0
