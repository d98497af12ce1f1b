"""Comparison of the results of small networks with those of their teacher, on degraded photos.

PSNR alone rewards blur; the other measures reveal it: the mean absolute gradient relative to the teacher's, NIQE, the
distance in the features that training compares, and regular patterns with a period of 4 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sr_demo.codecs.image_files import find_images
from sr_demo.errors import BadInput
from sr_demo.image import Image, ImageData, Size, bt601_luma, crop, read
from sr_demo.imaging.degradation import Realistic, degrade
from sr_demo.inference.jobs import Job
from sr_demo.inference.runner import Runner
from sr_demo.metrics.full_reference import psnr_y
from sr_demo.metrics.niqe import niqe
from sr_demo.progress import SILENT, Progress

SCALE = 4
SIDE = 480
"""Side of the central crop of each photo, in pixels."""
SEEDS = (0, 1, 2)
"""Random seeds of the degradation: each crop is degraded once with each seed."""


@dataclass(frozen=True)
class TeacherComparison:
    """Scores of one network, as means over all crops. For the teacher itself, `psnr` is infinite and `gradient` is 1."""

    psnr: float
    """PSNR-Y between the results of student and teacher, in dB."""
    gradient: float
    """Mean absolute gradient of Y, relative to the teacher's."""
    niqe: float
    features: float
    """Distance to the original in the features of `training.features`."""
    lattice: float
    """See `lattice`."""


def compare_with_teacher(
    folder: Path, teacher: Job, students: Sequence[Job], progress: Progress = SILENT
) -> Iterator[tuple[Job, TeacherComparison]]:
    """Measure the teacher and each student on the photos of a folder, each degraded once with each of `SEEDS`.

    Raises:
        BadInput: No photo has sides of at least `SIDE` pixels, or a method is not for x4.
    """
    jobs = [teacher, *(job for job in students if job.key != teacher.key)]
    if other := [job.key for job in jobs if job.scale != SCALE]:
        raise BadInput(f"{other[0]} does not upscale {SCALE} times.")
    originals = list(_crops(folder))
    if not originals:
        raise BadInput(f"No photo in {folder} has sides of {SIDE} pixels.")
    inputs = [ImageData(degrade(one, SCALE, Realistic(seed=seed))) for one in originals for seed in SEEDS]
    references = [one for one in originals for _ in SEEDS]
    imitated: list[Image] = []
    for number, job in enumerate(jobs):
        runner = Runner()
        part = progress.part(number / len(jobs), (number + 1) / len(jobs))
        results: list[Image] = []
        for at, image in enumerate(inputs):
            part(at / len(inputs), f"{job.key}, crop {at + 1} of {len(inputs)}")
            results.append(runner.run(job, image).image.rgb)
        imitated = imitated or results
        yield job, _measured(results, imitated, references)
    progress(1.0)


def gradient(image: Image) -> float:
    """Return the mean absolute difference of neighbouring pixels in the Y of `image`, (H, W, 3) in [0, 1]."""
    luma = bt601_luma(image)
    return float((np.abs(np.diff(luma, axis=0)).mean() + np.abs(np.diff(luma, axis=1)).mean()) / 2)


def lattice(images: Sequence[Image]) -> float:
    """Return the strength of a regular pattern with a period of `SCALE` pixels, at least 1 (no pattern).

    The absolute differences of neighbouring columns are averaged by their position modulo `SCALE`; the ratio is that of the
    largest to the smallest mean. The same ratio is computed for rows, and the larger of both is returned.
    """
    sums = np.zeros((2, SCALE))
    for image in images:
        luma = bt601_luma(image)
        for axis, turned in enumerate((luma, luma.T)):
            steps = np.abs(np.diff(turned, axis=1)).mean(axis=0)
            sums[axis] += [steps[at::SCALE].mean() for at in range(SCALE)]
    return float((sums.max(axis=1) / sums.min(axis=1)).max())


def _crops(folder: Path) -> Iterator[Image]:
    """Yield the central crop of each photo that is large enough."""
    for path in find_images(folder).images:
        image = read(path)
        height, width = Size.of(image.rgb)
        if min(height, width) >= SIDE:
            yield crop(image, (height - SIDE) // 2, (width - SIDE) // 2, SIDE, SIDE).rgb


def _measured(results: list[Image], imitated: list[Image], originals: list[Image]) -> TeacherComparison:
    from sr_demo.training.features import perceptual_loss

    distance, _ = perceptual_loss()
    with torch.inference_mode():
        features = [float(distance(_batch(a), _batch(b))) for a, b in zip(results, originals, strict=True)]
    return TeacherComparison(
        psnr=float(np.mean([psnr_y(a, b) for a, b in zip(results, imitated, strict=True)])),
        gradient=sum(map(gradient, results)) / sum(map(gradient, imitated)),
        niqe=float(np.mean([found for one in results if (found := niqe(one).value) is not None])),
        features=float(np.mean(features)),
        lattice=lattice(results),
    )


def _batch(image: Image) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
