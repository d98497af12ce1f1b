"""Loading of what `--data` names: a folder of images, DIV2K as it is unpacked, or paired `.npz` files; and test sets.

Legend: scale = HR side / LR side of a pair.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from sr_demo.codecs.npz import is_npz
from sr_demo.errors import BadInput
from sr_demo.training.data import (
    Pairs,
    TrainingImage,
    check_memory,
    downscale_8bit,
    evenly_spread,
    image_files,
    load_folder,
    read_rgb,
)
from sr_demo.training.npz_pairs import load_npz

Track = Literal["bicubic", "unknown"]
Report = Callable[[str], None]
_HELD_OUT = 64
"""Largest number of images held out for validation if the data has no validation set."""
VALIDATION_SIDE = 16
"""Smallest LR side of a validation image."""
TEST_SETS = ("Set5", "Set14")
"""Scored for the card."""


def load(
    path: Path, scale: int, smallest: int, report: Report = print, track: Track = "bicubic", limit: int | None = None
) -> Pairs:
    """Load training images.

    Args:
        path: A folder of images, DIV2K's folder, or a `.npz` file or folder.
        scale: HR side / LR side.
        smallest: Images with a shorter LR side are skipped.
        report: Receives one sentence on the images found, and one for each skipped image.
        track: DIV2K's track, which selects the LR images.
        limit: Largest number of images, evenly spread over the files; None for all.

    Raises:
        BadInput: There is no usable image; the message is one sentence.
    """
    if is_npz(path):
        return _subsampled(load_npz(path, scale, report), limit)
    if is_div2k(path):
        return load_div2k(path, "train", scale, smallest, report, track, limit)
    if track == "unknown":
        raise BadInput(f"{path} has no unknown track: that comes with DIV2K (DIV2K_train_LR_unknown/X{scale}).")
    return load_folder(path, scale, smallest, report, limit)


def load_validation(path: Path, scale: int, report: Report = print, track: Track = "bicubic") -> Pairs | None:
    """Load the validation images for `path`: DIV2K's own, or the folder `val` beside it; None if there are none."""
    if is_npz(path):
        return None
    if is_div2k(path):
        if not (path / "DIV2K_valid_HR").is_dir():
            return None
        return load_div2k(path, "valid", scale, VALIDATION_SIDE, report, track)
    folder = validation_folder(path)
    return None if folder is None else load_folder(folder, scale, VALIDATION_SIDE, report)


def validation_folder(path: Path) -> Path | None:
    """Return the folder `val` beside the folder `path`; None if there is none, or `path` is that folder itself."""
    folder = Path(os.path.abspath(path)).parent / "val"
    return folder if path.is_dir() and folder.is_dir() and not folder.samefile(path) else None


def split(pairs: Pairs) -> tuple[Pairs, Pairs]:
    """Split off every tenth image (64 at most, evenly spread) for validation.

    Returns:
        Training pairs, validation pairs.

    Raises:
        BadInput: There are fewer than two pairs.
    """
    training, held_out = split_indices(len(pairs.hr))
    return pairs.subset(training), pairs.subset(held_out)


def split_indices(count: int) -> tuple[list[int], list[int]]:
    """Split the indices of `count` images as `split` does. Raises BadInput when there are fewer than two."""
    held_out = range(0, count, max(10, -(-count // _HELD_OUT)))
    training = [i for i in range(count) if i not in held_out]
    if not training:
        raise BadInput("One picture is not enough: training needs at least two, or a folder given with --val.")
    return training, list(held_out)


def is_div2k(path: Path) -> bool:
    """Return whether `path` is a folder that contains DIV2K_train_HR."""
    return (path / "DIV2K_train_HR").is_dir()


def load_div2k(
    root: Path, part: Literal["train", "valid"], scale: int, smallest: int, report: Report = print,
    track: Track = "bicubic", limit: int | None = None,
) -> Pairs:  # fmt: skip
    """Load pairs of DIV2K; LR images are named `0001x4.png`, and downscaled from HR if the bicubic track is missing.

    Args:
        root: Folder that contains DIV2K_train_HR.
        part: Training or validation set.
        scale: HR side / LR side.
        smallest: Images with a shorter LR side are skipped.
        report: Receives one sentence for each skipped pair, and a summary.
        track: Track, which selects the LR images.
        limit: Largest number of images, evenly spread over the files; None for all.

    Raises:
        BadInput: The track or an LR image is missing, or there is no usable pair.
    """
    hr_files = image_files(root / f"DIV2K_{part}_HR")
    folder = root / f"DIV2K_{part}_LR_{track}" / f"X{scale}"
    lr_files: list[Path | None] = [None] * len(hr_files)
    if folder.is_dir():
        lr_files = list(_lr_files(hr_files, folder, scale))
    elif track == "unknown":
        raise BadInput(f"There is no folder {folder}: the unknown track of DIV2K at scale {scale} belongs there.")
    else:
        report(f"no {folder.relative_to(root)}: LR images are made from HR (bicubic)")
    if limit is not None:
        picked = evenly_spread(len(hr_files), limit)
        hr_files, lr_files = [hr_files[i] for i in picked], [lr_files[i] for i in picked]
    check_memory(hr_files)
    names: list[str] = []
    hr: list[TrainingImage] = []
    lr: list[TrainingImage] = []
    skipped: list[str] = []
    for path, lr_file in zip(hr_files, lr_files, strict=True):
        try:
            hr_image, lr_image = read_pair(path, lr_file, scale)
            if min(lr_image.shape[:2]) < smallest:
                raise BadInput(f"{path.name} is smaller than {smallest * scale} x {smallest * scale} pixels.")
        except BadInput as problem:
            skipped.append(str(problem))
            report(f"skipped: {problem}")
            continue
        names.append(path.name)
        hr.append(hr_image)
        lr.append(lr_image)
    if not hr:
        raise BadInput(f"None of the {len(hr_files)} pictures of {root} could be used; the first: {skipped[0]}")
    how = f"DIV2K, {track} track" if lr_files[0] is not None else "DIV2K, downscaled here (bicubic)"
    report(f"{how}: {len(hr)} pairs ({part}), {len(skipped)} skipped")
    return Pairs(tuple(names), tuple(hr), tuple(lr), tuple(skipped), how, track)


def read_pair(path: Path, lr_file: Path | None, scale: int) -> tuple[TrainingImage, TrainingImage]:
    """Read HR, cropped to exactly `scale` times LR, and LR.

    Args:
        path: HR file.
        lr_file: LR file, or None to downscale LR from HR (bicubic).
        scale: HR side / LR side.

    Raises:
        BadInput: A file cannot be read, or the sizes do not match.
    """
    hr_image = read_rgb(path)
    lr_image = None if lr_file is None else read_rgb(lr_file)
    height, width = (hr_image.shape[0] // scale, hr_image.shape[1] // scale) if lr_image is None else lr_image.shape[:2]
    spare = (hr_image.shape[0] - height * scale, hr_image.shape[1] - width * scale)
    if lr_file is not None and (min(spare) < 0 or max(spare) >= scale):
        raise BadInput(
            f"{lr_file.name} is {width} x {height} pixels, which is not {path.name} "
            f"({hr_image.shape[1]} x {hr_image.shape[0]}) downscaled {scale} times."
        )
    hr_image = np.ascontiguousarray(hr_image[: height * scale, : width * scale])
    return hr_image, (downscale_8bit(hr_image, scale) if lr_image is None else np.ascontiguousarray(lr_image))


def load_test_sets(folder: Path | None, scale: int) -> dict[str, Pairs]:
    """Load the test sets of a folder by name, each with its own LR images: `HR/` and `LRx<scale>/`, paired in order.

    Args:
        folder: Holds Set5, Set14 or both; None has none.
        scale: HR side / LR side.

    Raises:
        BadInput: The folder has neither, or a set is not complete.
    """
    names = [name for name in TEST_SETS if folder and (folder / name / "HR").is_dir()]
    if folder and not names:
        raise BadInput(
            f"There is no test set in {folder}: give a folder with {' or '.join(TEST_SETS)}, each with HR and LRx{scale}."
        )
    return {name: _test_set(folder / name, scale) for name in names} if folder else {}


def _test_set(folder: Path, scale: int) -> Pairs:
    hr_files, lr_files = image_files(folder / "HR"), image_files(folder / f"LRx{scale}")
    if len(hr_files) != len(lr_files):
        raise BadInput(
            f"The test set {folder} has {len(hr_files)} pictures in HR and {len(lr_files)} in LRx{scale}: each needs its "
            "small version, in the same order of names."
        )
    found = [read_pair(hr, lr, scale) for hr, lr in zip(hr_files, lr_files, strict=True)]
    hr, lr = zip(*found, strict=True)
    return Pairs(tuple(path.name for path in hr_files), hr, lr, ())


def _lr_files(hr_files: Sequence[Path], folder: Path, scale: int) -> list[Path]:
    there = {path.stem: path for path in image_files(folder)}
    counts = f"there are {len(hr_files)} large pictures and {len(there)} small ones"
    found: list[Path] = []
    for path in hr_files:
        lr_file = there.pop(f"{path.stem}x{scale}", None) or there.pop(path.stem, None)
        if lr_file is None:
            raise BadInput(f"{path.name} has no small version {path.stem}x{scale}{path.suffix} in {folder}; {counts}.")
        found.append(lr_file)
    if there:
        name = min(path.name for path in there.values())
        raise BadInput(f"{name} in {folder} has no large picture in {hr_files[0].parent}; {counts}.")
    return found


def _subsampled(pairs: Pairs, limit: int | None) -> Pairs:
    if limit is None or limit >= len(pairs.hr):
        return pairs
    return replace(pairs.subset(evenly_spread(len(pairs.hr), limit)))
