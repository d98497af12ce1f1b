"""What `--data` may name: a folder of pictures, DIV2K as it is unpacked, or paired `.npz` files. One function decides.

Legend: HR, LR = the large and the small picture of a pair; scale = HR side / LR side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image as Pillow

from sr_demo.errors import BadInput
from sr_demo.system import memory
from sr_demo.training.data import SUFFIXES, Pairs, TrainingImage, downscale_8bit, load_folder, read_rgb
from sr_demo.training.npz_pairs import load_npz

Track = Literal["bicubic", "unknown"]
Report = Callable[[str], None]
_MEMORY_SHARE = 0.7
"""Of what is free: decoded pictures may take at most this much."""
_HELD_OUT = 64
"""Pictures kept for validation, at most, where the data brings none of its own."""
VALIDATION_SIDE = 16
"""Smallest LR side of a validation picture."""


def load(
    path: Path, scale: int, smallest: int, report: Report = print, track: Track = "bicubic", most: int | None = None
) -> Pairs:
    """The training pictures of `path`, whatever of the three it is; `most` of them, evenly spread, if given.

    `report` receives a sentence on what was found and one for each picture that is skipped. Raises BadInput.
    """
    if is_npz(path):
        return _thinned(load_npz(path, scale, report), most)
    if is_div2k(path):
        return load_div2k(path, "train", scale, smallest, report, track, most)
    if track == "unknown":
        raise BadInput(f"{path} has no unknown track: that comes with DIV2K (DIV2K_train_LR_unknown/X{scale}).")
    return _thinned(load_folder(path, scale, smallest, report), most)


def load_validation(path: Path, scale: int, report: Report = print, track: Track = "bicubic") -> Pairs | None:
    """The validation pictures that come with `path`: DIV2K's own, else the folder `val` beside it; None without."""
    if is_npz(path):
        return None
    if is_div2k(path):
        if not (path / "DIV2K_valid_HR").is_dir():
            return None
        return load_div2k(path, "valid", scale, VALIDATION_SIDE, report, track)
    folder = path.parent / "val"
    return load_folder(folder, scale, VALIDATION_SIDE, report) if folder.is_dir() else None


def split(pairs: Pairs) -> tuple[Pairs, Pairs]:
    """Every tenth picture (64 at most, evenly spread) is kept from training and used for validation.

    Raises BadInput when there are fewer than two.
    """
    held = list(range(0, len(pairs.hr), max(10, -(-len(pairs.hr) // _HELD_OUT))))
    kept = [i for i in range(len(pairs.hr)) if i not in set(held)]
    if not kept:
        raise BadInput("One picture is not enough: training needs at least two, or a folder given with --val.")
    return pairs.some(kept), pairs.some(held)


def is_npz(path: Path) -> bool:
    """A `.npz` file, or a folder that holds such files and no pictures."""
    if path.suffix.lower() == ".npz":
        return True
    if not path.is_dir():
        return False
    suffixes = {file.suffix.lower() for file in path.iterdir()}
    return ".npz" in suffixes and not suffixes & set(SUFFIXES)


def is_div2k(path: Path) -> bool:
    """A folder with DIV2K_train_HR in it."""
    return (path / "DIV2K_train_HR").is_dir()


def load_div2k(
    root: Path, part: Literal["train", "valid"], scale: int, smallest: int, report: Report = print,
    track: Track = "bicubic", most: int | None = None,
) -> Pairs:  # fmt: skip
    """Pairs of DIV2K's own LR pictures, named `0001x4.png`; without the bicubic track they are made from the HR ones.

    A pair that cannot be read or does not fit is skipped with a sentence. Raises BadInput on a missing track or twin.
    """
    large = _files(root / f"DIV2K_{part}_HR")
    folder = root / f"DIV2K_{part}_LR_{track}" / f"X{scale}"
    twins: list[Path | None] = [None] * len(large)
    if folder.is_dir():
        twins = list(_twins(large, folder, scale))
    elif track == "unknown":
        raise BadInput(f"There is no folder {folder}: the unknown track of DIV2K at scale {scale} belongs there.")
    else:
        report(f"no {folder.relative_to(root)}: small pictures are made from the large ones (bicubic)")
    if most is not None:
        picked = _spread(len(large), most)
        large, twins = [large[i] for i in picked], [twins[i] for i in picked]
    _check_memory(large)
    names: list[str] = []
    hr: list[TrainingImage] = []
    lr: list[TrainingImage] = []
    skipped: list[str] = []
    for path, twin in zip(large, twins, strict=True):
        try:
            big, small = read_pair(path, twin, scale)
            if min(small.shape[:2]) < smallest:
                raise BadInput(f"{path.name} is smaller than {smallest * scale} x {smallest * scale} pixels.")
        except BadInput as problem:
            skipped.append(str(problem))
            report(f"skipped: {problem}")
            continue
        names.append(path.name)
        hr.append(big)
        lr.append(small)
    if not hr:
        raise BadInput(f"None of the {len(large)} pictures of {root} could be used; the first: {skipped[0]}")
    how = f"DIV2K, {track} track" if twins[0] is not None else "DIV2K, shrunk here (bicubic)"
    report(f"{how}: {len(hr)} pairs ({part}), {len(skipped)} skipped")
    return Pairs(tuple(names), tuple(hr), tuple(lr), tuple(skipped), how, track)


def read_pair(path: Path, twin: Path | None, scale: int) -> tuple[TrainingImage, TrainingImage]:
    """HR cropped to exactly `scale` times LR, and LR (made from HR where `twin` is None). Raises BadInput, naming a file."""
    big = read_rgb(path)
    small = None if twin is None else read_rgb(twin)
    height, width = (big.shape[0] // scale, big.shape[1] // scale) if small is None else small.shape[:2]
    spare = (big.shape[0] - height * scale, big.shape[1] - width * scale)
    if twin is not None and (min(spare) < 0 or max(spare) >= scale):
        raise BadInput(
            f"{twin.name} is {width} x {height} pixels, which is not {path.name} ({big.shape[1]} x {big.shape[0]}) "
            f"shrunk {scale} times."
        )
    big = np.ascontiguousarray(big[: height * scale, : width * scale])
    return big, (downscale_8bit(big, scale) if small is None else np.ascontiguousarray(small))


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}.")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise BadInput(f"The folder {folder} holds no pictures ({', '.join(SUFFIXES)}).")
    return found


def _twins(large: Sequence[Path], folder: Path, scale: int) -> list[Path]:
    there = {path.stem: path for path in _files(folder)}
    counts = f"there are {len(large)} large pictures and {len(there)} small ones"
    found: list[Path] = []
    for path in large:
        twin = there.pop(f"{path.stem}x{scale}", None) or there.pop(path.stem, None)
        if twin is None:
            raise BadInput(f"{path.name} has no small version {path.stem}x{scale}{path.suffix} in {folder}; {counts}.")
        found.append(twin)
    if there:
        name = min(path.name for path in there.values())
        raise BadInput(f"{name} in {folder} has no large picture in {large[0].parent}; {counts}.")
    return found


def _check_memory(files: Sequence[Path]) -> None:
    """Raise BadInput before reading what would not fit: pictures are kept decoded."""
    need = 0
    for path in files:
        try:
            with Pillow.open(path) as opened:
                need += opened.width * opened.height * 3
        except (OSError, Pillow.DecompressionBombError):
            continue  # reading it will say what is wrong with it
    free = memory.available_bytes()
    if need > free * _MEMORY_SHARE:
        fits = max(int(len(files) * free * _MEMORY_SHARE / need), 1)
        raise BadInput(
            f"These {len(files)} pictures take {need / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free: "
            f"take fewer with --pictures {fits}."
        )


def _spread(count: int, most: int) -> list[int]:
    return sorted({round(i * (count - 1) / max(most - 1, 1)) for i in range(min(most, count))})


def _thinned(pairs: Pairs, most: int | None) -> Pairs:
    if most is None or most >= len(pairs.hr):
        return pairs
    return replace(pairs.some(_spread(len(pairs.hr), most)))
