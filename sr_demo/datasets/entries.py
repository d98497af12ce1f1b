"""Listing of the images in a data set, which are read later: a folder, the unpacked DIV2K, or `.npz` files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sr_demo.codecs.npz import choose, find_stacks, is_npz, npz_files, read_stack
from sr_demo.codecs.sniff import with_file_name
from sr_demo.errors import BadInput
from sr_demo.image import Image, ImageData, Limits, read, readonly
from sr_demo.reports.evaluation import images_in, matching_reference, pairs

SCALE = 4

Pair = tuple[Image, Image | None]
"""HR, and LR if the data set contains it."""


@dataclass(frozen=True)
class Entry:
    """One image of a data set, not read yet."""

    name: str
    read: Callable[[], Pair]
    """Reads the image. Raises BadInput, which names the file."""


def entries(path: Path, limits: Limits = Limits(), scale: int = SCALE) -> tuple[str, list[Entry]]:  # noqa: B008 - a frozen value
    """List the images of a data set.

    Args:
        path: A folder of images, the unpacked DIV2K, an `.npz` file, or a folder of them.
        limits: Limits for reading the images.
        scale: HR size divided by LR size.

    Returns:
        A short description of `path`, and its images.

    Raises:
        BadInput: There are no images.
    """
    if is_npz(path):
        return _stacked(path, scale)
    hr = path / "DIV2K_train_HR"
    if hr.is_dir():
        lr = path / "DIV2K_train_LR_bicubic" / f"X{scale}"
        found = pairs(hr, lr if lr.is_dir() else None, scale)
        description = f"DIV2K, {len(found)} pictures" + (", with its own small versions" if lr.is_dir() else "")
        return description, [Entry(p.hr.name, partial(_read_pair, p.hr, p.lr, limits, scale)) for p in found]
    found = images_in(path)
    left_out = f" ({found.left_out})" if found.left_out else ""
    return f"a folder of {len(found.images)} pictures{left_out}", from_files(found.images, limits)


def from_files(files: Sequence[Path], limits: Limits) -> list[Entry]:
    """Return an entry for each image file; LR images are computed when they are needed."""
    return [Entry(file.name, partial(_read_pair, file, None, limits, SCALE)) for file in files]


def _read_pair(hr_path: Path, lr_path: Path | None, limits: Limits, scale: int) -> Pair:
    hr = _read(hr_path, limits)
    if lr_path is None:
        return hr.rgb, None
    lr = _read(lr_path, limits)
    return matching_reference(hr, lr, scale).rgb, lr.rgb


def _read(path: Path, limits: Limits) -> ImageData:
    try:
        return read(path, limits)
    except BadInput as problem:
        raise BadInput(with_file_name(path.name, str(problem))) from problem


def _stacked(path: Path, scale: int) -> tuple[str, list[Entry]]:
    stacks = [stack for file in npz_files(path) for stack in find_stacks(file)]
    if not stacks:
        raise BadInput(f"{path} holds no arrays of pictures (N x H x W, with 3 channels, 1 or none).")
    hr_stack, lr_stack = choose(stacks, scale, path)
    hr = read_stack(hr_stack)
    lr = None if lr_stack is None else read_stack(lr_stack)

    def pair(i: int) -> Pair:
        return _float(hr[i]), None if lr is None else _float(lr[i])

    description = str(hr_stack) + ("" if lr_stack is None else f"; {lr_stack}")
    return description, [Entry(f"{hr_stack.name}[{i}]", partial(pair, i)) for i in range(hr_stack.count)]


def _float(image: NDArray[np.uint8]) -> Image:
    return readonly(np.divide(image, 255, dtype=np.float32))
