"""Scores of approaches on test sets, by the conventions of the published tables."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isinf
from pathlib import Path
from typing import Any

import numpy as np

from sr_demo.codecs.image_files import ImageFiles, find_images
from sr_demo.codecs.sniff import with_file_name
from sr_demo.errors import BadInput, SRError, first_few
from sr_demo.image import Image, ImageData, read, same_mapping
from sr_demo.imaging.degradation import Realistic, degrade
from sr_demo.imaging.resize import crop_to_multiple, downscale
from sr_demo.inference.jobs import Failed, Job, Result
from sr_demo.inference.runner import Runner
from sr_demo.metrics.scores import COLUMNS, LR_CONSISTENCY, PSNR_RGB, PSNR_Y
from sr_demo.progress import SILENT, Progress
from sr_demo.reports import external_results
from sr_demo.reports.pairing import in_one_folder, matched, parsed

log = logging.getLogger("sr_demo")


_LARGEST_SCALE = 8
_COSTS = ("seconds_per_image", "peak_memory_mb", "precision", "precision_loss_db", "tile", "halo")
"""Keys of a row that are null for results of other tools."""


@dataclass(frozen=True)
class Pair:
    """One image of a test set."""

    hr: Path
    """The reference."""
    lr: Path | None
    """The input; None computes it from the reference."""


def images_in(folder: Path) -> ImageFiles:
    """Return the image files directly in `folder`, sorted by name, or `folder` itself if it is an image. Raises BadInput."""
    if folder.is_file():
        return ImageFiles((folder,), ())
    found = find_images(folder)
    if not found.images:
        raise BadInput(f"{folder} holds no pictures{f' ({found.left_out})' if found.left_out else ''}.")
    for sentence in first_few(found.unreadable):
        log.warning("%s", sentence)
    return found


def pairs(hr: Path, lr: Path | None, scale: int, *, keep_lr: bool = True) -> list[Pair]:
    """Match HR and LR images by file name, as published test sets name them (see `pairing`).

    Args:
        hr: Folder of HR images, or one image. LR images in this folder are used as input.
        lr: Folder of LR images; None computes those that are not in `hr`.
        scale: HR size divided by LR size.
        keep_lr: Use the LR images in `hr`; otherwise all are computed.

    Raises:
        BadInput: An HR image has no match, or several; names the image.
    """
    listed = images_in(hr)
    if listed.left_out:
        log.warning("%s: %s.", hr, listed.left_out)
    small = _at_other_scales(list(listed.images), scale)
    files = [path for path in listed.images if path not in small]
    if small:
        log.warning("%s: %d small versions for other scales than %d left out.", hr, len(small), scale)
    together = in_one_folder(files, scale)
    if lr is not None and not _same(hr, lr):
        large = [path for path, _ in together] or files
        return [Pair(*pair) for pair in matched(large, list(images_in(lr).images), scale)]
    if not together:
        return [Pair(path, None) for path in files] if lr is None else [Pair(path, path) for path in files]
    others = len(files) - 2 * len(together)
    if others:
        log.warning("%s: %d other pictures left out.", hr, others)
    return [Pair(large, small if keep_lr else None) for large, small in together]


def pairs_by_scale(hr: Path, lr: Path | None, scales: Iterable[int], *, keep_lr: bool = True) -> dict[int, list[Pair]]:
    """Return the pairs for each of `scales`; see `pairs`."""
    return {scale: pairs(hr, lr, scale, keep_lr=keep_lr) for scale in dict.fromkeys(scales)}


def _at_other_scales(files: list[Path], scale: int) -> set[Path]:
    """Return the LR images of other scales: `babyx4.png` beside `baby.png`, if `scale` is 2."""
    # Endings without a scale, such as `_LR`, belong to `scale`; those that are left name their scale.
    rest = [path for path in files if parsed(path.stem, scale).role != "LR"]
    others = (other for other in range(2, _LARGEST_SCALE + 1) if other != scale)
    return {small for other in others for _, small in in_one_folder(rest, other)}


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def load_pair(pair: Pair, scale: int, realistic: Realistic | None) -> tuple[ImageData, Image]:
    """Read a pair.

    Args:
        pair: The files.
        scale: HR size divided by LR size.
        realistic: Degradation of HR if there is no LR file; None for bicubic downscaling.

    Returns:
        LR, and HR (H, W, 3) cropped to exactly `scale` times LR.

    Raises:
        BadInput: An image cannot be read, or the sizes do not match.
    """
    hr = read(pair.hr)
    if pair.lr is None:
        return lr_and_reference(hr, scale, realistic)
    lr = read(pair.lr)
    reference = matching_reference(hr, lr, scale)
    return replace(lr, notes=tuple(dict.fromkeys((*reference.notes, *lr.notes)))), reference.rgb


def matching_reference(reference: ImageData, lr: ImageData, scale: int) -> ImageData:
    """Return a reference as results for `lr` are compared with it, without alpha, which is not scored.

    Args:
        reference: The HR image, up to `scale` - 1 pixels larger along each side than results.
        lr: The LR image.
        scale: HR size divided by LR size.

    Returns:
        The reference cropped to exactly `scale` times LR, with values mapped to black and white like those of LR.

    Raises:
        BadInput: The sizes do not match, or a common mapping of the values is not known.
    """
    (height, width), (rows, columns) = lr.size, reference.size
    spare = (rows - scale * height, columns - scale * width)
    if min(spare) < 0 or max(spare) >= scale:
        raise BadInput(
            f"{lr.name} has {width} x {height} pixels, which does not match {reference.name} "
            f"({columns} x {rows}) at scale {scale}."
        )
    mapped = same_mapping(reference, lr)
    return replace(mapped, pixels=mapped.pixels[: scale * height, : scale * width], alpha=None)


def lr_and_reference(reference: ImageData, scale: int, realistic: Realistic | None) -> tuple[ImageData, Image]:
    """Compute the LR image of a reference, without alpha, which is not scored.

    Args:
        reference: The HR image.
        scale: HR size divided by LR size.
        realistic: Degradation of the reference; None for antialiased bicubic downscaling.

    Returns:
        LR, and the reference (H, W, 3) cropped to exactly `scale` times LR.

    Raises:
        BadInput: A side of the reference is shorter than `scale`.
    """
    height, width = reference.rgb.shape[:2]
    if min(height, width) < scale:
        raise BadInput(
            f"This picture has {width} x {height} pixels, too few to make it {scale} times smaller. "
            f"Choose one of at least {scale} x {scale} pixels, or enlarge it without a test."
        )
    cropped = crop_to_multiple(reference.rgb, scale)
    small = downscale(cropped, scale) if realistic is None else degrade(cropped, scale, realistic)
    lr = replace(reference, pixels=small, alpha=None)
    return lr, cropped


def evaluate(
    runner: Runner,
    jobs: Sequence[Job],
    test_sets: Mapping[int, Sequence[Pair]],
    realistic: Realistic | None = None,
    progress: Progress = SILENT,
    others: Sequence[external_results.ExternalResults] = (),
) -> Iterator[dict[str, Any] | Failed]:
    """Score each job on a test set, and the results of other tools.

    Args:
        runner: Runs the jobs.
        jobs: The jobs to score.
        test_sets: The images to score on, for the scale of each job (`pairs_by_scale`).
        realistic: Degradation of HR if there is no LR file; None for bicubic downscaling.
        progress: Receives the progress, and may stop.
        others: Results of other tools, one for each image, at the scale of the first job.

    Yields:
        One JSON-able row per job with mean scores, median seconds and largest peak memory; or its failure. Then one row for
        each of the other tools, whose costs are null.

    Raises:
        SRError: An image cannot be read, or a pair does not match. With several scales, this is a failure of the job.
    """
    files = [None] * len(jobs) + [one.files for one in others]
    every = [*jobs, *(one.job for one in others)]
    for index, (job, theirs) in enumerate(zip(every, files, strict=True)):
        scale = (job if theirs is None else jobs[0]).test_scale
        test_set = test_sets[scale]
        part = progress.part(index / len(every), (index + 1) / len(every))
        results: list[Result] = []
        notes: list[str] = []
        for number, pair in enumerate(test_set):
            part(number / len(test_set), f"{job.key}: {pair.hr.name}")
            try:
                lr, reference = load_pair(pair, scale, realistic)
            except SRError as exc:
                if len(test_sets) == 1:  # the same for every job
                    raise
                yield Failed(job, str(exc))
                break
            if theirs is None:
                outcome = runner.attempt(job, lr, reference, Progress(stop=progress.stop))
            else:
                progress.check()
                outcome = external_results.attempt(job, partial(read, theirs[number]), lr, reference)
            if isinstance(outcome, Failed):
                yield outcome
                break
            results.append(outcome.result.without_image())
            notes += [with_file_name(pair.hr.name, note) for note in outcome.result.all_notes]
        else:
            yield {**_row(job, scale, results), "notes": notes + _equal(results)}
    progress(1.0)


def _equal(results: Sequence[Result]) -> list[str]:
    """Return a sentence for each score whose mean leaves out some (but not all) images because they are equal."""
    sentences: list[str] = []
    for score in (PSNR_Y, PSNR_RGB, LR_CONSISTENCY):
        infinite = sum(isinf(getattr(result.scores, score.key) or 0.0) for result in results)
        if 0 < infinite < len(results):
            sentences.append(f"The mean {score.title} leaves out {infinite} of {len(results)} images: they are equal.")
    return sentences


def _row(job: Job, scale: int, results: Sequence[Result]) -> dict[str, Any]:
    def mean(key: str) -> float | None:
        # The mean leaves out images without the score, such as NIQE for small images, and infinite scores of equal images.
        values = [
            value for result in results if (value := getattr(result.scores, key)) is not None and not isinf(value)
        ]
        return round(float(np.mean(values)), 4) if values else None

    row = {
        "approach": job.approach.id,
        "checkpoint": job.checkpoint.name,
        "images": len(results),
        "scale": scale,
        **{column.key: mean(column.key) for column in COLUMNS},
        "seconds_per_image": round(float(np.median([r.seconds for r in results])), 4),
        "peak_memory_mb": round(max(r.peak_memory_mb for r in results), 1),
        "precision": results[0].precision,
        "precision_loss_db": results[0].loss_db,
        "tile": max(r.tile for r in results),
        "halo": max(r.halo for r in results),
    }
    return {**row, **dict.fromkeys(_COSTS)} if results[0].is_brought else row
