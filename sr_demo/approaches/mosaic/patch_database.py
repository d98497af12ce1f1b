"""A memory: photos on disk, each with its LR side (what is compared) and its HR side (what is pasted).

On disk a memory is a folder whose name is a key made from the photos' bytes and the format, with `memory.json` and two
memory-mapped files of pixels. It is built beside and moved into place in one step: a folder that has its final name is
whole, and several builders at once do no harm. Legend: H, W = height and width of a photo's HR side, multiples of 4.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic.photos import read
from sr_demo.errors import BadInput, StorageError
from sr_demo.image import Image, quantize, readonly
from sr_demo.imaging.resize import resize
from sr_demo.progress import Progress
from sr_demo.system import scratch, storage

SCALE = 4
FORMAT = 1
"""Goes into the key: memories of an older format are not opened but built anew."""
SMALLEST = 4 * SCALE
"""Shortest side of a photo in pixels: one patch of the smallest size."""
Pixels = NDArray[np.uint8]
_BUILDING = ".building-"


@dataclass(frozen=True)
class Photo:
    """Where a photo lies in the files of pixels."""

    name: str
    height: int
    width: int
    start: int
    """First HR pixel (not byte) in `hr.u8`; the LR side starts at `start / 16` in `lr.u8`."""


@dataclass(frozen=True)
class PatchDatabase:
    """An opened memory. Pixels are read from disk when they are looked at."""

    key: str
    """Another content has another key."""
    photos: tuple[Photo, ...]
    _hr: Pixels
    _lr: Pixels

    def hr(self, photo: int) -> Pixels:
        """(H, W, 3) uint8, a read-only view."""
        p = self.photos[photo]
        return self._hr[p.start * 3 : (p.start + p.height * p.width) * 3].reshape(p.height, p.width, 3)

    def lr(self, photo: int) -> Pixels:
        """(H / 4, W / 4, 3) uint8, a read-only view."""
        p = self.photos[photo]
        height, width, start = p.height // SCALE, p.width // SCALE, p.start // SCALE**2
        return self._lr[start * 3 : (start + height * width) * 3].reshape(height, width, 3)


def build(files: Sequence[Path], folder: Path, progress: Progress) -> PatchDatabase:
    """The memory of these photos under `folder`: opened when it is there, else built.

    Files that are too small are left out. Raises BadInput when a file is no picture or none is large enough,
    StorageError when the folder cannot be written, Cancelled when `progress` says so; nothing half-written is left.
    """
    key = _key(files)
    place = folder / key
    found = open_memory(place)
    if found is not None:
        return found
    storage.ready(folder)
    beside = folder / f"{_BUILDING}{key}-{secrets.token_hex(4)}"
    try:
        with storage.guarded(folder):
            scratch.sweep_builds(folder)
            beside.mkdir()
            with scratch.held(beside):
                _write(files, beside, progress)
            _publish(beside, place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    opened = open_memory(place)
    if opened is None:
        raise StorageError(f"The memory in {place} cannot be read back. Delete that folder and try again.")
    return opened


def open_memory(place: Path) -> PatchDatabase | None:
    """The memory in the folder `place`, or None when there is none or its files are not whole."""
    try:
        written: dict[str, Any] = json.loads((place / "memory.json").read_text(encoding="utf-8"))
        photos = tuple(Photo(**entry) for entry in written["photos"])
        count = photos[-1].start + photos[-1].height * photos[-1].width
        whole = (place / "hr.u8").stat().st_size == 3 * count
        whole = whole and (place / "lr.u8").stat().st_size == 3 * count // SCALE**2
        if written["format"] != FORMAT or not whole:
            return None
        hr = np.memmap(place / "hr.u8", np.uint8, "r")
        lr = np.memmap(place / "lr.u8", np.uint8, "r")
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    return PatchDatabase(written.get("key", place.name), photos, hr, lr)


def downscaled(pixels: Pixels, height: int, width: int) -> Pixels:
    """(H, W, 3) uint8 -> (height, width, 3) uint8, bicubic with antialiasing, rounded."""
    return quantize(resize(as_floats(pixels), (height, width)))


def as_floats(pixels: Pixels) -> Image:
    """0..255 -> [0, 1]."""
    return readonly(np.divide(pixels, 255, dtype=np.float32))


def _key(files: Sequence[Path]) -> str:
    digest = hashlib.sha256(f"format {FORMAT}, scale {SCALE}".encode())
    for path in files:
        try:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as problem:
            raise BadInput(f"{path.name} could not be read, so it cannot go into a memory.") from problem
        digest.update(f"\n{path.name} {content}".encode())
    return digest.hexdigest()[:16]


def _write(files: Sequence[Path], beside: Path, progress: Progress) -> None:
    photos: list[Photo] = []
    start = 0
    with (beside / "hr.u8").open("wb") as hr, (beside / "lr.u8").open("wb") as lr:
        for index, path in enumerate(files):
            progress(index / len(files), f"learning photo {index + 1} of {len(files)}")
            source = read(path)
            height, width = (side // SCALE * SCALE for side in source.pixels.shape[:2])
            big = source.pixels[:height, :width]
            if min(height, width) < SMALLEST:
                continue
            hr.write(np.ascontiguousarray(big).tobytes())
            lr.write(downscaled(big, height // SCALE, width // SCALE).tobytes())
            photos.append(Photo(source.name, height, width, start))
            start += height * width
        if not photos:
            raise BadInput(f"A memory needs at least one photo of {SMALLEST} x {SMALLEST} pixels or more.")
        for file in (hr, lr):
            file.flush()
            os.fsync(file.fileno())
    card = {"format": FORMAT, "scale": SCALE, "photos": [asdict(photo) for photo in photos]}
    (beside / "memory.json").write_text(json.dumps(card, indent=1), encoding="utf-8")
    progress(1.0)


def _publish(beside: Path, place: Path) -> None:
    """Give the finished folder its name. Another builder may have been first: theirs is as good."""
    if place.exists() and open_memory(place) is None:
        shutil.rmtree(place)
    try:
        os.replace(beside, place)
    except OSError:
        if open_memory(place) is None:
            raise
