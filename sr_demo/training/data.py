"""Training images: read once, held as 8-bit arrays in memory, cropped to random aligned patches.

LR is computed from the whole HR image (antialiased bicubic, rounded to 8 bit), since separately downscaled patches have
border effects that the network would learn. Legend: N = batch size, p = side of the LR patch, s = scale.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from sr_demo.codecs.image_files import find_images
from sr_demo.codecs.libraries import LIBRARY_ERRORS
from sr_demo.codecs.sniff import with_file_name
from sr_demo.errors import BadInput, SRError, first_few
from sr_demo.image import Image, quantize, read
from sr_demo.imaging.resize import downscale
from sr_demo.system import memory

log = logging.getLogger("sr_demo")

TrainingImage = NDArray[np.uint8]
_MEMORY_SHARE = 0.7
"""Largest share of the free memory that decoded images may occupy."""


@dataclass(frozen=True)
class Pairs:
    """HR images (s*h, s*w, 3) and their LR images (h, w, 3), both uint8, sorted by file name."""

    names: tuple[str, ...]
    hr: tuple[TrainingImage, ...]
    lr: tuple[TrainingImage, ...]
    skipped: tuple[str, ...]
    """One sentence for each file that could not be used."""
    kind: str = "folder of pictures"
    """Description of the source, for the card."""
    track: Literal["bicubic", "unknown"] = "bicubic"
    """Degradation of the LR images; those of "unknown" are part of the data set."""

    @property
    def smallest(self) -> int:
        """The shortest side of an LR image, an upper bound for patches."""
        return min(min(lr.shape[:2]) for lr in self.lr)

    def subset(self, which: Sequence[int]) -> Pairs:
        """Return the pairs at the given indices."""
        names, hr, lr = (tuple(values[i] for i in which) for values in (self.names, self.hr, self.lr))
        return replace(self, names=names, hr=hr, lr=lr)


def load_folder(
    folder: Path, scale: int, smallest: int, report: Callable[[str], None] = print, limit: int | None = None
) -> Pairs:
    """Load the images of a folder and compute their LR images.

    Args:
        folder: The folder; its subfolders are not searched.
        scale: HR side / LR side; HR is cropped to multiples of it.
        smallest: Images with a shorter LR side than this are skipped.
        report: Receives one sentence for each skipped file.
        limit: Largest number of images, evenly spread over the files; None for all.

    Raises:
        BadInput: The folder is missing or contains no usable images, or these would not fit into memory.
    """
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}: training needs a folder of high-resolution pictures.")
    files = image_files(folder)
    if limit is not None:
        files = [files[i] for i in evenly_spread(len(files), limit)]
    check_memory(files)
    names: list[str] = []
    hr: list[TrainingImage] = []
    lr: list[TrainingImage] = []
    skipped: list[str] = []
    for path in files:
        try:
            image = _cropped(read_rgb(path), scale)
            if min(image.shape[:2]) < smallest * scale:
                side = smallest * scale
                raise BadInput(f"{path.name} is smaller than {side} x {side} pixels, the size of one training patch.")
        except BadInput as problem:
            skipped.append(str(problem))
            report(f"skipped: {problem}")
            continue
        names.append(path.name)
        hr.append(np.ascontiguousarray(image))
        lr.append(downscale_8bit(image, scale))
    if not hr:
        raise BadInput(f"None of the {len(files)} pictures in {folder} could be used; the first: {skipped[0]}")
    return Pairs(tuple(names), tuple(hr), tuple(lr), tuple(skipped))


def image_files(folder: Path) -> list[Path]:
    """Return the images directly in `folder`, sorted by name. Raises BadInput if the folder is missing or has no images."""
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}.")
    found = find_images(folder)
    if not found.images:
        raise BadInput(f"The folder {folder} holds no pictures{f' ({found.left_out})' if found.left_out else ''}.")
    for sentence in first_few(found.unreadable):
        log.warning("%s", sentence)
    return list(found.images)


def evenly_spread(count: int, limit: int) -> list[int]:
    """Return at most `limit` of the indices of `count` images, evenly spread, with the first and the last."""
    return sorted({round(i * (count - 1) / max(limit - 1, 1)) for i in range(min(limit, count))})


def check_memory(files: Sequence[Path]) -> None:
    """Raise BadInput if the decoded images would not fit into memory."""
    need = 0
    for path in files:
        try:
            with Pillow.open(path) as opened:
                need += opened.width * opened.height * 3
        except LIBRARY_ERRORS:
            continue  # the later reading reports it
    free = memory.available_bytes()
    if need > free * _MEMORY_SHARE:
        fits = max(int(len(files) * free * _MEMORY_SHARE / need), 1)
        raise BadInput(
            f"These {len(files)} pictures take {need / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free: "
            f"take fewer with --pictures {fits}, or name a smaller folder."
        )


def read_rgb(path: Path) -> TrainingImage:
    """Read an image file as (H, W, 3) uint8 RGB, upright, like all other parts of the program.

    Raises:
        BadInput: The file cannot be read; with one sentence that names it.
    """
    try:
        return quantize(read(path).rgb)
    except SRError as problem:
        raise BadInput(with_file_name(path.name, str(problem))) from problem


def downscale_8bit(image: TrainingImage, scale: int) -> TrainingImage:
    """Downscale (s*h, s*w, 3) to (h, w, 3) uint8: antialiased bicubic, rounded."""
    return quantize(downscale(as_float(image), scale))


def as_float(image: TrainingImage) -> Image:
    """Convert 0..255 to float32 in [0, 1]."""
    return np.divide(image, 255, dtype=np.float32)


def sample(
    pairs: Pairs, count: int, patch: int, scale: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw random aligned patches with random flips and rotations by 90 degrees.

    Args:
        pairs: HR and LR images.
        count: N.
        patch: Side of the LR patch, p.
        scale: Scale factor, s.
        rng: Source of randomness.

    Returns:
        LR (N, p, p, 3) and HR (N, s*p, s*p, 3), uint8.
    """
    lr_patches = np.empty((count, patch, patch, 3), np.uint8)
    hr_patches = np.empty((count, patch * scale, patch * scale, 3), np.uint8)
    for i in range(count):
        which = int(rng.integers(len(pairs.hr)))
        lr, hr = pairs.lr[which], pairs.hr[which]
        top, left = (int(rng.integers(side - patch + 1)) for side in lr.shape[:2])
        rotations, mirror = int(rng.integers(4)), bool(rng.integers(2))
        lr_patches[i] = _transformed(lr[top : top + patch, left : left + patch], rotations, mirror)
        rows, columns = slice(top * scale, (top + patch) * scale), slice(left * scale, (left + patch) * scale)
        hr_patches[i] = _transformed(hr[rows, columns], rotations, mirror)
    return lr_patches, hr_patches


def centre_crops(pairs: Pairs, patch: int, scale: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Crop the centre of every image, for validation.

    Args:
        pairs: HR and LR images.
        patch: Side of the LR patch, p.
        scale: Scale factor, s.

    Returns:
        LR (N, p, p, 3) and HR (N, s*p, s*p, 3), uint8.
    """
    lr_patches: list[TrainingImage] = []
    hr_patches: list[TrainingImage] = []
    for lr, hr in zip(pairs.lr, pairs.hr, strict=True):
        top, left = (lr.shape[0] - patch) // 2, (lr.shape[1] - patch) // 2
        lr_patches.append(lr[top : top + patch, left : left + patch])
        hr_patches.append(hr[top * scale : (top + patch) * scale, left * scale : (left + patch) * scale])
    return np.stack(lr_patches), np.stack(hr_patches)


def _cropped(image: TrainingImage, multiple: int) -> TrainingImage:
    height, width = (side // multiple * multiple for side in image.shape[:2])
    return image[:height, :width]


def _transformed(image: TrainingImage, rotations: int, mirror: bool) -> TrainingImage:
    rotated = np.rot90(image, rotations)
    return rotated[:, ::-1] if mirror else rotated
