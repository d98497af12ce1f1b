"""Measurement of the context that a tile needs (`python -m sr_demo bench halos`).

The radius of the receptive field grows by a pixel with each 3x3 convolution, but the effective receptive field of a trained
network is much smaller (Luo et al. 2016, arXiv 1701.04128). It is therefore measured on random black and white pixels, to
which networks react most. A corner is cut out with increasing context, upscaled in fp32, and compared with the same corner
of the untiled result.

Attention networks read windows on a grid, and some average over the whole input; their tiles never match exactly and are
blended. For them, the PSNR is measured between a photo upscaled in small tiles and the same photo upscaled as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sr_demo.catalogue import APPROACHES
from sr_demo.checkpoint import TILE_ERROR, WHOLE, Tiling
from sr_demo.image import Image, ImageData
from sr_demo.imaging.resize import resize
from sr_demo.imaging.samples import SAMPLES
from sr_demo.inference.halos import tile_errors
from sr_demo.inference.jobs import Job, default_jobs, select_jobs
from sr_demo.inference.runner import Runner
from sr_demo.inference.upscale import upscale_image
from sr_demo.metrics.full_reference import psnr_rgb
from sr_demo.progress import SILENT, Progress

_IMAGES = 2
_PHOTOS = ("coffee", "astronaut")
_PHOTO_SIDE, _TILE = 128, 64
"""Sides of the photos and of their tiles in LR pixels."""
_WINDOW = 8
"""Step between the tested halos of blended tiles, in LR pixels."""


@dataclass(frozen=True)
class ExactHalo:
    """The halo that a method with unblended tiles needs."""

    key: str
    declared: int
    """The halo that its tiles have."""
    needed: int
    """The smallest even halo from which the error of the corner stays within `TILE_ERROR`."""
    errors: tuple[tuple[int, float], ...]
    """The tested halos, each with the largest difference to the untiled result, for values in [0, 1]."""


@dataclass(frozen=True)
class BlendedHalo:
    """The remaining error of a method with blended tiles."""

    key: str
    declared: int
    """The halo that its tiles have."""
    decibels: tuple[tuple[int, float], ...]
    """The tested halos, each with the lowest PSNR of any photo in dB, against the untiled result."""


def tiled_methods() -> list[Job]:
    """Return every embedded method whose input we cut into tiles."""
    return [
        job for job in default_jobs(APPROACHES, "embedded") if job.approach.tiling_of(job.checkpoint).mode == "tiles"
    ]


def halos(
    names: Sequence[str] = (), progress: Progress = SILENT, more: Sequence[Job] = ()
) -> Iterator[ExactHalo | BlendedHalo]:
    """Measure every embedded tiled method, or those in `names`, and `more`. Raises BadInput on other names."""
    jobs = select_jobs(tiled_methods(), names, "embedded method with tiles called", more)
    for number, job in enumerate(jobs):
        progress(number / len(jobs), job.key)
        yield exact_halo(job) if job.approach.tiling_of(job.checkpoint).blend == 0 else blended_halo(job)
    progress(1.0)


def exact_halo(job: Job) -> ExactHalo:
    """Measure a method with unblended tiles."""
    declared = job.approach.tiling_of(job.checkpoint).halo
    tried = range(2, max(declared, 16) + 10, 2)
    with Runner().loaded(replace(job, precision="fp32")) as model:

        def upscale(image: Image) -> Image:
            return model.upscaler.upscale(image, job.options, SILENT)

        worst = dict.fromkeys(tried, 0.0)
        for seed in range(_IMAGES):
            for halo, error in tile_errors(upscale, round(job.scale), tried, seed=seed):
                worst[halo] = max(worst[halo], error)
    needed = max((halo + 2 for halo, error in worst.items() if error > TILE_ERROR), default=min(worst))
    return ExactHalo(job.key, declared, needed, tuple(worst.items()))


def blended_halo(job: Job) -> BlendedHalo:
    """Measure a method with blended tiles; the width of the blend is the declared one, at most the tested halo."""
    rule = job.approach.tiling_of(job.checkpoint)
    lowest = dict.fromkeys(range(_WINDOW, max(rule.halo, 32) + 1, _WINDOW), np.inf)
    photos = [sample.make() for sample in SAMPLES if sample.id in _PHOTOS]
    with Runner().loaded(replace(job, precision="fp32")) as model:

        def upscaled(photo: Image, tiling: Tiling) -> Image:
            approach, checkpoint = replace(job.approach, tiling=tiling), replace(job.checkpoint, tiling=None)
            tiled = replace(model, job=replace(job, approach=approach, checkpoint=checkpoint))
            return upscale_image(tiled, ImageData(photo), SILENT).image.rgb

        for photo in (resize(photo, (_PHOTO_SIDE, _PHOTO_SIDE)) for photo in photos):
            whole = upscaled(photo, WHOLE)
            for halo in lowest:
                tiles = upscaled(photo, replace(rule, halo=halo, blend=min(rule.blend, halo), largest=_TILE))
                lowest[halo] = min(lowest[halo], psnr_rgb(tiles, whole, border=0))
    return BlendedHalo(job.key, rule.halo, tuple(lowest.items()))
