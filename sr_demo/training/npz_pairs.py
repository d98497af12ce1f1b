"""Pairs from `.npz` files: arrays of large and of small pictures, found by their shapes.

`hr_images.npz` with 128 x 128 and `hr_lr_images.npz` with 32 x 32, for example; both may lie in one file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sr_demo.codecs.npz import choose, find_stacks, npz_files, read_stack
from sr_demo.errors import BadInput
from sr_demo.metrics.full_reference import psnr_rgb
from sr_demo.training.data import Pairs, TrainingImage, as_float, downscale_8bit

_PROBED = 8
"""Pairs that are compared to find out whether the two arrays are in the same order."""
_STRANGE = 18.0
"""PSNR in dB under which a small picture does not look like its large one."""


def load_npz(path: Path, scale: int, report: Callable[[str], None] = print) -> Pairs:
    """The pairs of a `.npz` file and the ones beside it, or of a folder of them. Says what was found.

    Without small pictures they are made from the large ones (bicubic). Raises BadInput in one sentence, naming a file.
    """
    stacks = [stack for file in npz_files(path) for stack in find_stacks(file)]
    for stack in stacks:
        report(str(stack))
    if not stacks:
        raise BadInput(f"{path} holds no arrays of pictures (N x H x W, with 3 channels, 1 or none).")
    large, small = choose(stacks, scale, path)
    hr = read_stack(large)
    if small is None:
        report(f"no array {scale} times as small: small pictures are made from {large.name} (bicubic)")
        lr = [downscale_8bit(picture, scale) for picture in hr]
    else:
        lr = list(read_stack(small))
        _compare(hr, lr, scale, f"{small.file.name} and {large.file.name}", report)
    names = tuple(f"{large.file.stem}[{i}]" for i in range(large.count))
    kind = f"npz, {large.width} x {large.height} and {large.width // scale} x {large.height // scale}"
    return Pairs(names, tuple(hr), tuple(lr), (), kind)


def _compare(
    hr: Sequence[TrainingImage], lr: Sequence[TrainingImage], scale: int, files: str, report: Callable[[str], None]
) -> None:
    """Say how well small pictures agree with their large ones, and raise BadInput where they show something else."""
    picked = sorted({round(i * (len(hr) - 1) / max(_PROBED - 1, 1)) for i in range(min(_PROBED, len(hr)))})
    values = [min(psnr_rgb(as_float(downscale_8bit(hr[i], scale)), as_float(lr[i]), border=0), 99.0) for i in picked]
    middle = float(np.median(values))
    if middle < _STRANGE:
        raise BadInput(f"{files} are not in the same order: small pictures do not look like their large ones.")
    report(f"{len(hr)} pairs; small pictures agree with their large ones, shrunk bicubic, at {middle:.1f} dB")
