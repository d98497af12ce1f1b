"""A patch database: photos on disk, each with its LR side (what is compared) and its HR side (what is pasted).

On disk a database is a folder named by a key of its photos' bytes and the format. It holds `memory.json` and two
memory-mapped files of pixels. It is built in a temporary folder and renamed in one step: a folder with its final name is
complete, and concurrent builds are safe. Legend: H, W = height and width of a photo's HR side, multiples of 4.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic.photos import read_photo
from sr_demo.errors import BadInput, StorageError
from sr_demo.image import Image, quantize, readonly
from sr_demo.imaging.resize import resize
from sr_demo.progress import Progress
from sr_demo.system import integrity, scratch, storage
from sr_demo.system.unfinished import in_progress

SCALE = 4
FORMAT = 1
"""Part of the key: databases of an older format are not opened but built again."""
SMALLEST = 4 * SCALE
"""Shortest side of a photo in pixels: one patch of the smallest size."""
Pixels = NDArray[np.uint8]
CARD = "memory.json"
_FILES = "files"
"""Entry of the card: the sha256 of the other files, by name."""
_BUILDING = ".building-"


@dataclass(frozen=True)
class Photo:
    """Place of a photo in the files of pixels."""

    name: str
    height: int
    width: int
    start: int
    """First HR pixel (not byte) in `hr.u8`; the LR side starts at `start / 16` in `lr.u8`."""


@dataclass(frozen=True)
class PatchDatabase:
    """An opened database. Pixels are memory-mapped: they are read from disk when they are used."""

    key: str
    """Identifies the content."""
    place: Path
    """Its folder."""
    photos: tuple[Photo, ...]
    _hr: Pixels
    _lr: Pixels

    def hr(self, photo: int) -> Pixels:
        """Return the HR side of a photo, a read-only view (H, W, 3) uint8."""
        p = self.photos[photo]
        return self._hr[p.start * 3 : (p.start + p.height * p.width) * 3].reshape(p.height, p.width, 3)

    def lr(self, photo: int) -> Pixels:
        """Return the LR side of a photo, a read-only view (H / 4, W / 4, 3) uint8."""
        p = self.photos[photo]
        height, width, start = p.height // SCALE, p.width // SCALE, p.start // SCALE**2
        return self._lr[start * 3 : (start + height * width) * 3].reshape(height, width, 3)


def build_database(files: Sequence[Path], folder: Path, progress: Progress) -> PatchDatabase:
    """Open the database of these photos under `folder`; build it first unless it is there.

    Args:
        files: The photos. Files that are too small are left out.
        folder: Where the databases lie; created if need be.
        progress: Receives what is done so far.

    Raises:
        BadInput: A file is not an image, or none is large enough.
        StorageError: The folder cannot be written.
        Cancelled: Stop was pressed; nothing half-written is left.
    """
    key = _content_key(files)
    place = folder / key
    found = open_database(place)
    if found is not None and _is_intact(place):
        return found
    storage.ensure_folder(folder)
    beside = folder / f"{_BUILDING}{key}-{secrets.token_hex(4)}"
    with storage.disk_errors_translated(folder):
        scratch.sweep_builds(folder)
        with in_progress(beside):
            _write_files(files, beside, progress)
            _publish(beside, place)
    opened = open_database(place)
    if opened is None:
        raise StorageError(f"The memory in {place} cannot be read back. Delete that folder and try again.")
    return opened


def open_database(place: Path) -> PatchDatabase | None:
    """Open the database in the folder `place`; None when there is none or its files are incomplete."""
    try:
        written = integrity.read_json_with_checksum(place / CARD, unsealed=True)
        photos = tuple(Photo(**entry) for entry in written["photos"])
        count = photos[-1].start + photos[-1].height * photos[-1].width
        complete = (place / "hr.u8").stat().st_size == 3 * count
        complete = complete and (place / "lr.u8").stat().st_size == 3 * count // SCALE**2
        if written["format"] != FORMAT or not complete:
            return None
        hr = np.memmap(place / "hr.u8", np.uint8, "r")
        lr = np.memmap(place / "lr.u8", np.uint8, "r")
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    return PatchDatabase(written.get("key", place.name), place, photos, hr, lr)


def damaged(place: Path) -> str:
    """Return the name of the first file of a database whose checksum is wrong; "" if all are right.

    Each file is read once per process. Databases of earlier versions have no checksums and count as intact.
    """
    try:
        written = integrity.read_json_with_checksum(place / CARD, unsealed=True)
    except (OSError, ValueError):
        return CARD
    return next((name for name, sha in written.get(_FILES, {}).items() if not integrity.matches(place / name, sha)), "")


def check(place: Path, name: str = "") -> None:
    """Raise StorageError where the database in the folder `place` is damaged.

    Args:
        place: Folder of the database.
        name: Name of the database for the message; "" for a database without a name.
    """
    wrong, called = damaged(place), f" {name}" if name else ""
    if wrong:
        raise StorageError(
            f"The memory{called} is damaged on this disk ({wrong}), so it is not used. Build it again from "
            "the same photos, or choose another."
        )


def checksums(folder: Path) -> dict[str, dict[str, str]]:
    """Return the entry of `CARD` with the checksum of every other file in `folder`."""
    return {_FILES: {path.name: storage.sha256_of(path) for path in sorted(folder.iterdir()) if _is_content(path)}}


def _is_content(path: Path) -> bool:
    return path.is_file() and path.suffix in (".u8", ".npy", ".faiss")


def _is_intact(place: Path) -> bool:
    """Return whether the database has checksums and they match; a database without checksums is built again."""
    with suppress(OSError, ValueError):
        return _FILES in integrity.read_json_with_checksum(place / CARD) and not damaged(place)
    return False


def downscaled(pixels: Pixels, height: int, width: int) -> Pixels:
    """Downscale pixels with antialiased bicubic, rounded: (H, W, 3) uint8 -> (height, width, 3) uint8."""
    return quantize(resize(as_floats(pixels), (height, width)))


def as_floats(pixels: Pixels) -> Image:
    """Convert pixels to the image convention: (H, W, 3) uint8 -> float32 in [0, 1]."""
    return readonly(np.divide(pixels, 255, dtype=np.float32))


def _content_key(files: Sequence[Path]) -> str:
    digest = hashlib.sha256(f"format {FORMAT}, scale {SCALE}".encode())
    for path in files:
        try:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as problem:
            raise BadInput(f"{path.name} could not be read, so it cannot go into a memory.") from problem
        digest.update(f"\n{path.name} {content}".encode())
    return digest.hexdigest()[:16]


def _write_files(files: Sequence[Path], beside: Path, progress: Progress) -> None:
    photos: list[Photo] = []
    start = 0
    with (beside / "hr.u8").open("wb") as hr, (beside / "lr.u8").open("wb") as lr:
        for index, path in enumerate(files):
            progress(index / len(files), f"reading photo {index + 1} of {len(files)}")
            source = read_photo(path)
            height, width = (side // SCALE * SCALE for side in source.pixels.shape[:2])
            cropped = source.pixels[:height, :width]
            if min(height, width) < SMALLEST:
                continue
            hr.write(np.ascontiguousarray(cropped).tobytes())
            lr.write(downscaled(cropped, height // SCALE, width // SCALE).tobytes())
            photos.append(Photo(source.name, height, width, start))
            start += height * width
        if not photos:
            raise BadInput(f"A memory needs at least one photo of {SMALLEST} x {SMALLEST} pixels or more.")
        for file in (hr, lr):
            file.flush()
            os.fsync(file.fileno())
    card = {"format": FORMAT, "scale": SCALE, "photos": [asdict(photo) for photo in photos]}
    (beside / CARD).write_bytes(integrity.json_with_checksum({**card, **checksums(beside)}, indent=1))
    progress(1.0)


def _publish(beside: Path, place: Path) -> None:
    """Move the finished folder to its place, unless another process has put the same database there meanwhile."""
    if place.exists() and not _is_intact(place):
        shutil.rmtree(place)
    try:
        os.replace(beside, place)
    except OSError:
        if open_database(place) is None:
            raise
