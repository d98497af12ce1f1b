"""Training pairs from `.npz` files: arrays of HR and LR images, recognised by their shapes.

For example, `hr_images.npz` with 128 x 128 and `hr_lr_images.npz` with 32 x 32 pixels; both arrays may be in one file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from sr_demo.codecs.npz import choose, find_stacks, npz_files, read_stack
from sr_demo.errors import BadInput
from sr_demo.metrics.full_reference import psnr_rgb
from sr_demo.training.data import Pairs, TrainingImage, as_float, downscale_8bit, evenly_spread

_COMPARED = 8
"""Number of pairs that are compared to check that both arrays have the same order."""
_LEAST_PSNR = 18.0
"""PSNR in dB below which an LR image is regarded as belonging to another HR image."""


def load_npz(path: Path, scale: int, report: Callable[[str], None] = print) -> Pairs:
    """Load the pairs of a `.npz` file and of the files beside it, or of a folder of such files.

    Args:
        path: File or folder.
        scale: HR side / LR side. Without an LR array, LR is downscaled from HR (bicubic).
        report: Receives one sentence for each array, and one on the pairs.

    Raises:
        BadInput: The files contain no usable pairs; the message is one sentence that names the file.
    """
    stacks = [stack for file in npz_files(path) for stack in find_stacks(file)]
    for stack in stacks:
        report(str(stack))
    if not stacks:
        raise BadInput(f"{path} holds no arrays of pictures (N x H x W, with 3 channels, 1 or none).")
    large, small = choose(stacks, scale, path)
    hr = read_stack(large)
    if small is None:
        report(f"no array at 1/{scale} of the size: LR images are made from {large.name} (bicubic)")
        lr = [downscale_8bit(image, scale) for image in hr]
    else:
        lr = list(read_stack(small))
        _compare(hr, lr, scale, f"{small.file.name} and {large.file.name}", report)
    names = tuple(f"{large.file.stem}[{i}]" for i in range(large.count))
    kind = f"npz, {large.width} x {large.height} and {large.width // scale} x {large.height // scale}"
    return Pairs(names, tuple(hr), tuple(lr), (), kind)


def _compare(
    hr: Sequence[TrainingImage], lr: Sequence[TrainingImage], scale: int, files: str, report: Callable[[str], None]
) -> None:
    """Report how well LR matches HR. Raises BadInput if LR shows something else."""
    values = [
        min(psnr_rgb(as_float(downscale_8bit(hr[i], scale)), as_float(lr[i]), border=0), 99.0)
        for i in evenly_spread(len(hr), _COMPARED)
    ]
    median = float(np.median(values))
    if median < _LEAST_PSNR:
        raise BadInput(f"{files} are not in the same order: the LR images show something else than the HR images.")
    report(f"{len(hr)} pairs; LR images match the bicubically downscaled HR images at {median:.1f} dB (median)")
