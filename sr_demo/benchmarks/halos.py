"""How much context a tile needs (`python -m sr_demo bench halos`).

The receptive field of a stack of convolutions grows by a pixel with each, but the effective receptive field of a trained
network is much smaller (Luo et al. 2016, arXiv 1701.04128). So it is measured, on images to which networks react most: every
pixel is black or white at random. A corner is cut out with more and more context, upscaled, and compared with the same
corner of the result without tiles, in fp32.

Attention networks read windows that lie on a grid, and some average over the whole input, so their tiles never match exactly
and are blended. For them the PSNR is measured between a photo upscaled in small tiles and the same photo without tiles.
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
from sr_demo.inference.jobs import Job, here, named
from sr_demo.inference.runner import Runner
from sr_demo.inference.upscale import upscale_image
from sr_demo.metrics.full_reference import psnr_rgb
from sr_demo.progress import SILENT, Progress

_IMAGES = 2
_PHOTOS = ("coffee", "astronaut")
_PHOTO_SIDE, _TILE = 128, 64
"""Sides of the photos and of their tiles in LR pixels."""
_WINDOW = 8
"""Step between the halos that are tried with blended tiles, in LR pixels."""


@dataclass(frozen=True)
class ExactHalo:
    """The halo that a method needs whose tiles are placed side by side."""

    key: str
    declared: int
    """The halo that its tiles have."""
    needed: int
    """The smallest even halo from which on the corner stays within `TILE_ERROR`."""
    errors: tuple[tuple[int, float], ...]
    """The halos that were tried, each with the largest difference to the result without tiles, of values in [0, 1]."""


@dataclass(frozen=True)
class BlendedHalo:
    """The error that tiles of a method leave which are blended."""

    key: str
    declared: int
    """The halo that its tiles have."""
    decibels: tuple[tuple[int, float], ...]
    """The halos that were tried, each with the PSNR to the result without tiles: the lowest of the photos."""


def tiled_methods() -> list[Job]:
    """Every embedded method whose input we cut into tiles."""
    return [job for job in here(APPROACHES, "embedded") if job.approach.tiling_of(job.checkpoint).mode == "tiles"]


def halos(
    names: Sequence[str] = (), progress: Progress = SILENT, more: Sequence[Job] = ()
) -> Iterator[ExactHalo | BlendedHalo]:
    """Measure every embedded method that is cut into tiles, or those named, and `more`. Raises BadInput on other names."""
    jobs = named(tiled_methods(), names, "embedded method with tiles called", more)
    for number, job in enumerate(jobs):
        progress(number / len(jobs), job.key)
        yield exact_halo(job) if job.approach.tiling_of(job.checkpoint).blend == 0 else blended_halo(job)
    progress(1.0)


def exact_halo(job: Job) -> ExactHalo:
    """Measure a method whose tiles are placed side by side."""
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
    """Measure a method whose tiles are blended, over the declared width or, where the halo is smaller, over the halo."""
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
