"""How much context a tile needs: `python -m sr_demo bench --halos`.

The receptive field of a stack of convolutions grows by a pixel with each, but what a network was taught to look at ends
earlier: the effective receptive field is much smaller (Luo et al. 2016, arXiv 1701.04128). So it is measured, on the
pictures that networks react to most: every pixel black or white by chance. A corner is cut out with more and more context,
and compared with the same corner of the whole result, in fp32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sr_demo.catalogue import APPROACHES
from sr_demo.errors import BadInput
from sr_demo.image import Image, readonly
from sr_demo.jobs import Job
from sr_demo.progress import SILENT, Progress
from sr_demo.runner import Runner
from sr_demo.spec import TILE_ERROR, Tiling

_SIDE = 112
"""Of the pictures, in LR pixels."""
_CORNER = 56
"""Row and column where the part begins that is asked for: it reaches to the border on two sides."""
_PICTURES = 2


@dataclass(frozen=True)
class Reach:
    """What one method needs."""

    key: str
    declared: int
    """The halo that its tiles have."""
    needed: int
    """The least even halo from which on the corner stays within `TILE_ERROR`."""
    errors: tuple[tuple[int, float], ...]
    """Halos tried, each with the largest difference to the whole result."""


def reaches(names: Sequence[str] = (), progress: Progress = SILENT) -> Iterator[Reach]:
    """Every embedded method whose tiles are placed side by side, or those named. Raises BadInput on other names."""
    jobs = [
        Job(approach, checkpoint, approach.options(), "fp32")
        for approach in APPROACHES
        for checkpoint in approach.checkpoints
        if checkpoint.kind == "embedded" and _is_placed(approach.tiling_of(checkpoint))
    ]
    keys = [job.key for job in jobs]
    if unknown := [name for name in names if name not in keys]:
        raise BadInput(f"{unknown[0]!r} has no tiles that are placed side by side. There are: {', '.join(keys)}.")
    chosen = [job for job in jobs if not names or job.key in names]
    for number, job in enumerate(chosen):
        progress(number / len(chosen), job.key)
        yield reach(job)
    progress(1.0)


def reach(job: Job) -> Reach:
    """Of one method."""
    declared = job.approach.tiling_of(job.checkpoint).halo
    worst = dict.fromkeys(range(2, max(declared, 16) + 10, 2), 0.0)
    scale = job.approach.scale
    with Runner().loaded(replace(job, precision="fp32")) as upscaler:
        for seed in range(_PICTURES):
            picture = black_or_white(_SIDE, _SIDE, seed)
            whole = upscaler.upscale(picture, job.options, SILENT)[_CORNER * scale :, _CORNER * scale :]
            for halo in worst:
                first = _CORNER - halo
                part = readonly(np.ascontiguousarray(picture[first:, first:]))
                cut = upscaler.upscale(part, job.options, SILENT)[halo * scale :, halo * scale :]
                worst[halo] = max(worst[halo], float(np.abs(cut - whole).max()))
    needed = max((halo + 2 for halo, error in worst.items() if error > TILE_ERROR), default=min(worst))
    return Reach(job.key, declared, needed, tuple(worst.items()))


def black_or_white(height: int, width: int, seed: int = 0) -> Image:
    """A picture (H, W, 3) whose every pixel is black or white by chance."""
    values = np.random.default_rng(seed).integers(0, 2, (height, width, 1)).astype(np.float32)
    return readonly(np.repeat(values, 3, axis=2))


def _is_placed(rule: Tiling) -> bool:
    return rule.mode == "tiles" and rule.blend == 0
