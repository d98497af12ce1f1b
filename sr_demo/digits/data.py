"""MNIST as arrays, and its LR versions. Legend: N digits; uint8 0..255, white ink on black."""

from __future__ import annotations

import gzip
import math
import os
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr_demo.codecs.archives import array_headers
from sr_demo.errors import BadInput, StorageError
from sr_demo.imaging.resize import resize
from sr_demo.system.storage import cache_folder

LR_SIDE, HR_SIDE = 26, 28
"""Sides in pixels of LR, the input of the networks, and of HR."""

Pixels = NDArray[np.uint8]
_MAX_BYTES = 2**30
"""Limit for unpacked arrays; MNIST has 55 MB."""
_KEYS = ("x_train", "y_train", "x_test", "y_test")
_FILES = [f"{part}-{what}" for part in ("train", "t10k") for what in ("images-idx3-ubyte", "labels-idx1-ubyte")]


@dataclass(frozen=True)
class Digits:
    """Images and labels, in the same order."""

    images: Pixels
    """(N, 28, 28)."""
    labels: Pixels
    """(N,), 0..9."""

    def __len__(self) -> int:
        return len(self.labels)


def load(file: Path | None = None) -> tuple[Digits, Digits]:
    """Load training and test digits.

    Args:
        file: An `mnist.npz` with the keys x_train, y_train, x_test, y_test; or a folder with MNIST's own four files,
            gzipped or not, as torchvision leaves them in `MNIST/raw`. Default: `default_file()`.

    Returns:
        Training digits, test digits.

    Raises:
        BadInput: The file is missing or does not hold MNIST.
        StorageError: The file cannot be read.
    """
    path = file or default_file()
    if path.is_dir():
        inner = path / "MNIST" / "raw"
        folder = inner if inner.is_dir() else path
        return _from_files(folder, "train"), _from_files(folder, "t10k")
    try:
        array_headers(path, _MAX_BYTES)
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
    """Return the test digits, cached after the first call; None where MNIST is not on this machine."""
    return load()[1] if default_file().exists() else None


def _from_files(folder: Path, part: str) -> Digits:
    return _checked(
        folder, _idx(folder / f"{part}-images-idx3-ubyte", 3), _idx(folder / f"{part}-labels-idx1-ubyte", 1)
    )


def _idx(path: Path, axes: int) -> Pixels:
    """Read one file in MNIST's IDX format: two zero bytes, type 8 (uint8), number of axes, their lengths, values.

    Args:
        path: The file, or the same path with the suffix .gz.
        axes: Expected number of axes.
    """
    packed = path.with_name(f"{path.name}.gz")
    try:
        content = path.read_bytes() if path.exists() or not packed.exists() else gzip.decompress(packed.read_bytes())
    except (OSError, EOFError, zlib.error) as exc:
        raise BadInput(f"{path} cannot be read. The folder must hold MNIST's four files.") from exc
    start = 4 + 4 * axes
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4))
    if content[:4] != bytes((0, 0, 8, axes)) or len(content) != start + math.prod(shape):
        raise BadInput(f"{path} is not a file of MNIST, or it is damaged.")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def default_file() -> Path:
    """Return the default place of MNIST.

    $SR_DEMO_SHARED_DATA/mnist/mnist.npz, else ../shared/data/mnist/mnist.npz, else the folder to which `train` lets
    torchvision download it.
    """
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    named = Path(os.environ.get("SR_DEMO_SHARED_DATA", beside)) / "mnist" / "mnist.npz"
    raw = downloaded() / "MNIST" / "raw"
    # Earlier versions left a folder without files where a download failed.
    is_downloaded = all((raw / name).is_file() for name in _FILES)
    return downloaded() if not named.exists() and is_downloaded else named


def downloaded() -> Path:
    """Return the folder to which torchvision downloads MNIST."""
    return cache_folder() / "mnist"


def _checked(path: Path, images: NDArray[np.generic], labels: NDArray[np.generic]) -> Digits:
    fits = images.dtype == np.uint8 and images.ndim == 3 and images.shape[1:] == (HR_SIDE, HR_SIDE)
    if not fits or labels.shape != images.shape[:1] or len(labels) == 0:
        raise BadInput(f"{path} does not hold MNIST: pictures of {HR_SIDE} x {HR_SIDE} pixels with 8 bit are needed.")
    return Digits(images.astype(np.uint8), labels.astype(np.uint8))


def downscale(images: Pixels) -> Pixels:
    """Downscale (N, 28, 28) to (N, 26, 26) uint8: antialiased bicubic, rounded."""
    return _resampled(images, HR_SIDE, LR_SIDE)


def bicubic(images: Pixels) -> Pixels:
    """Upscale (N, 26, 26) to (N, 28, 28) uint8, rounded: the baseline."""
    return _resampled(images, LR_SIDE, HR_SIDE)


def _resampled(images: Pixels, before: int, after: int) -> Pixels:
    """Resize along both axes by a matrix, all images at once: resizing is linear (see `_matrix`)."""
    matrix = _matrix(before, after)
    values = np.matmul(np.matmul(matrix, images.astype(np.float32)), matrix.T)
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _matrix(before: int, after: int) -> NDArray[np.float32]:
    """Return the (after, before) matrix of `resize` along one axis, computed from the identity.

    `resize` clips to [0, 1] and the kernel has negative lobes, so the identity is mapped to [0.5, 1] first.
    """
    lifted = 0.5 + 0.5 * np.eye(before, dtype=np.float32)
    return (resize(lifted, (after, before)) - 0.5) * 2.0
