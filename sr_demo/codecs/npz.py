"""Arrays of images in `.npz` files, found by their shapes rather than their names.

Legend: N = images in an array; H, W = height and width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sr_demo.codecs.archives import DAMAGED, array_headers
from sr_demo.codecs.image_files import find_images
from sr_demo.errors import BadInput
from sr_demo.system.memory import available_bytes

_ROUNDING = 0.001
_MOST_OVERSHOOT = 0.2
"""Beyond 0..1, less than this may be the overshoot of an interpolation; then the range is unclear."""


@dataclass(frozen=True)
class Stack:
    """An array of images in a file, as its header describes it."""

    file: Path
    name: str
    count: int
    height: int
    width: int
    channels: int
    """Number of channels, 1 or 3."""
    first: bool
    """Whether channels come before rows: (N, C, H, W)."""
    kind: str
    """Name of the dtype."""

    def __str__(self) -> str:
        return f"{self.file.name}: {self.name}, {self.count} of {self.width} x {self.height}, {self.kind}"


def find_stacks(file: Path) -> list[Stack]:
    """List the arrays of images in `file` from their headers, without reading values. Raises BadInput, naming the file."""
    try:
        headers = array_headers(file, available_bytes() // 2)
    except FileNotFoundError:
        raise BadInput(f"There is no file {file}.") from None
    found = [_stack(file, header.name, header.shape, header.dtype) for header in headers]
    return [stack for stack in found if stack is not None]


def choose(stacks: Sequence[Stack], scale: int, path: Path) -> tuple[Stack, Stack | None]:
    """Choose the arrays to train or evaluate with: HR images and the matching LR images.

    Of several possible pairs, pairs in one file are preferred, then those with most images.

    Args:
        stacks: All arrays that were found.
        scale: Ratio of HR sides to LR sides.
        path: The searched path, for messages.

    Returns:
        The HR array and the LR array. The latter is None if all arrays have one size; they are HR images then.

    Raises:
        BadInput: No two arrays match.
    """
    fitting = [
        (a, b) for a in stacks for b in stacks
        if a.height == b.height * scale and a.width == b.width * scale and a.channels == b.channels
    ]  # fmt: skip
    equal = [(a, b) for a, b in fitting if a.count == b.count]
    if equal:
        return max(equal, key=lambda pair: (pair[0].file == pair[1].file, pair[0].count))
    if fitting:
        a, b = fitting[0]
        raise BadInput(
            f"{a.file.name} holds {a.count} large pictures ({a.name}) and {b.file.name} {b.count} small ones ({b.name}): "
            "pairs need as many of both."
        )
    if len({(stack.height, stack.width) for stack in stacks}) > 1:
        raise BadInput(f"No two arrays in {path} fit: one must be {scale} times as large as the other in both sides.")
    large = max(stacks, key=lambda stack: stack.count)
    if large.height % scale or large.width % scale:
        raise BadInput(f"{large.file.name}: {large.width} x {large.height} pixels cannot be divided by {scale}.")
    return large, None


def is_npz(path: Path) -> bool:
    """Return whether `path` is a `.npz` file, or a folder of such files without images."""
    if path.suffix.lower() == ".npz":
        return True
    if not path.is_dir():
        return False
    return any(path.glob("*.npz")) and not find_images(path).images


def npz_files(path: Path) -> list[Path]:
    """Return the `.npz` files to search: the named file and then the others in its folder, or all files of a folder."""
    folder = path if path.is_dir() else path.parent
    others = sorted(folder.glob("*.npz")) if folder.is_dir() else []
    return others if path.is_dir() else [path, *(file for file in others if file != path)]


def _stack(file: Path, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Stack | None:
    """Return the array as a stack of images, or None if its shape or dtype does not fit images."""
    if dtype.kind not in "uif" or len(shape) not in (3, 4) or 0 in shape:
        return None
    if len(shape) == 3:
        return Stack(file, name, shape[0], shape[1], shape[2], 1, False, str(dtype))
    if shape[3] in (1, 3):
        return Stack(file, name, shape[0], shape[1], shape[2], shape[3], False, str(dtype))
    if shape[1] in (1, 3):
        return Stack(file, name, shape[0], shape[2], shape[3], shape[1], True, str(dtype))
    return None


def read_stack(stack: Stack) -> list[NDArray[np.uint8]]:
    """Read the images of an array, each (H, W, 3) uint8; [0, 1] and [-1, 1] are mapped to 0..255. Raises BadInput."""
    try:
        with np.load(stack.file, allow_pickle=False) as stored:
            values: NDArray[Any] = stored[stack.name]
    except DAMAGED as problem:
        raise BadInput(f"{stack.file.name}: {stack.name} could not be read ({problem}).") from problem
    if stack.first:
        values = np.moveaxis(values, 1, -1)
    values = values.reshape(stack.count, stack.height, stack.width, stack.channels)
    factor, offset = _range(values, stack)
    if values.dtype != np.uint8:
        values = np.stack([np.rint(v * factor + offset).clip(0, 255).astype(np.uint8) for v in values])
    if stack.channels == 1:
        values = np.repeat(values, 3, axis=3)
    return list(np.ascontiguousarray(values))


def _range(values: NDArray[Any], stack: Stack) -> tuple[float, float]:
    """Return the factor and the offset that map the values to 0..255. Raises BadInput for other or unclear ranges."""
    if values.dtype == np.uint8:
        return 1.0, 0.0
    low, high = float(values.min()), float(values.max())
    if low >= -_ROUNDING and high <= 1 + _ROUNDING:
        return 255.0, 0.0
    if -1 - _ROUNDING <= low <= -_MOST_OVERSHOOT and high <= 1 + _ROUNDING:
        return 127.5, 127.5
    if low >= 0 and (1 + _MOST_OVERSHOOT if values.dtype.kind == "f" else 1) < high <= 255.5:
        return 1.0, 0.0
    raise BadInput(
        f"{stack.file.name}: {stack.name} runs from {low:g} to {high:g}; pictures run from 0 to 255, 0 to 1 or -1 to 1. Clip "
        "or scale it to one of these."
    )
