"""How much context a tile needs: `python -m sr_demo bench --halos`.

The receptive field of a stack of convolutions grows by a pixel with each, but what a network was taught to look at ends
earlier: the effective receptive field is much smaller (Luo et al. 2016, arXiv 1701.04128). So it is measured, on the
pictures that networks react to most: every pixel black or white by chance. A corner is cut out with more and more context,
and compared with the same corner of the whole result, in fp32.

Attention networks look at windows that lie on a grid, and some average over all that they are given, so their tiles never
agree and are blended. For them it is measured how near a photo in small tiles comes to the photo in one piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sr_demo.catalogue import APPROACHES
from sr_demo.image import Image, ImageData, readonly
from sr_demo.imaging.resize import resize
from sr_demo.imaging.samples import SAMPLES
from sr_demo.inference.jobs import Job, here, named
from sr_demo.inference.runner import Runner
from sr_demo.inference.upscale import upscale_image
from sr_demo.metrics.full_reference import psnr_rgb
from sr_demo.progress import SILENT, Progress
from sr_demo.spec import TILE_ERROR, WHOLE, Tiling

_SIDE = 112
"""Of the pictures, in LR pixels."""
_CORNER = 56
"""Row and column where the part begins that is asked for: it reaches to the border on two sides."""
_PICTURES = 2
_PHOTOS = ("coffee", "astronaut")
_PHOTO_SIDE, _TILE = 128, 64
"""Of the photos and their tiles, in LR pixels."""
_WINDOW = 8
"""Halos of blended tiles are tried in steps of this."""


@dataclass(frozen=True)
class Reach:
    """What one method needs whose tiles are placed side by side."""

    key: str
    declared: int
    """The halo that its tiles have."""
    needed: int
    """The least even halo from which on the corner stays within `TILE_ERROR`."""
    errors: tuple[tuple[int, float], ...]
    """Halos tried, each with the largest difference to the whole result."""


@dataclass(frozen=True)
class Trace:
    """What the tiles of one method leave behind that are blended."""

    key: str
    declared: int
    decibels: tuple[tuple[int, float], ...]
    """Halos tried, each with the PSNR of the tiled result to that in one piece: the least of the photos."""


def every() -> list[Job]:
    """Every embedded method that is cut into tiles by us."""
    return [job for job in here(APPROACHES, "embedded") if job.approach.tiling_of(job.checkpoint).mode == "tiles"]


def reaches(names: Sequence[str] = (), progress: Progress = SILENT) -> Iterator[Reach | Trace]:
    """Every embedded method that is cut into tiles, or those named. Raises BadInput on other names."""
    jobs = named(every(), names, "embedded method with tiles called")
    for number, job in enumerate(jobs):
        progress(number / len(jobs), job.key)
        yield reach(job) if job.approach.tiling_of(job.checkpoint).blend == 0 else trace(job)
    progress(1.0)


def reach(job: Job) -> Reach:
    """Of a method whose tiles are placed side by side."""
    declared = job.approach.tiling_of(job.checkpoint).halo
    worst = dict.fromkeys(range(2, max(declared, 16) + 10, 2), 0.0)
    scale = job.approach.scale
    with Runner().loaded(replace(job, precision="fp32")) as model:
        for seed in range(_PICTURES):
            picture = black_or_white(_SIDE, _SIDE, seed)
            whole = model.upscaler.upscale(picture, job.options, SILENT)[_CORNER * scale :, _CORNER * scale :]
            for halo in worst:
                first = _CORNER - halo
                part = readonly(np.ascontiguousarray(picture[first:, first:]))
                cut = model.upscaler.upscale(part, job.options, SILENT)[halo * scale :, halo * scale :]
                worst[halo] = max(worst[halo], float(np.abs(cut - whole).max()))
    needed = max((halo + 2 for halo, error in worst.items() if error > TILE_ERROR), default=min(worst))
    return Reach(job.key, declared, needed, tuple(worst.items()))


def trace(job: Job) -> Trace:
    """Of a method whose tiles are blended, over as much as declared or as the halo allows."""
    rule = job.approach.tiling_of(job.checkpoint)
    least = dict.fromkeys(range(_WINDOW, max(rule.halo, 32) + 1, _WINDOW), np.inf)
    photos = [sample.make() for sample in SAMPLES if sample.id in _PHOTOS]
    with Runner().loaded(replace(job, precision="fp32")) as model:

        def enlarged(photo: Image, tiling: Tiling) -> Image:
            approach, checkpoint = replace(job.approach, tiling=tiling), replace(job.checkpoint, tiling=None)
            tiled = replace(model, job=replace(job, approach=approach, checkpoint=checkpoint))
            return upscale_image(tiled, ImageData(photo), SILENT).image.rgb

        for photo in (resize(photo, (_PHOTO_SIDE, _PHOTO_SIDE)) for photo in photos):
            whole = enlarged(photo, WHOLE)
            for halo in least:
                tiles = enlarged(photo, replace(rule, halo=halo, blend=min(rule.blend, halo), largest=_TILE))
                least[halo] = min(least[halo], psnr_rgb(tiles, whole, border=0))
    return Trace(job.key, rule.halo, tuple(least.items()))


def black_or_white(height: int, width: int, seed: int = 0) -> Image:
    """A picture (H, W, 3) whose every pixel is black or white by chance."""
    values = np.random.default_rng(seed).integers(0, 2, (height, width, 1)).astype(np.float32)
    return readonly(np.repeat(values, 3, axis=2))
