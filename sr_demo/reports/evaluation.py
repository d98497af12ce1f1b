"""Scoring approaches on folders of pictures, by the conventions of the published tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isinf
from pathlib import Path
from typing import Any

import numpy as np

from sr_demo.errors import BadInput
from sr_demo.image import Image, ImageData, read
from sr_demo.imaging.degradation import Realistic, degrade
from sr_demo.imaging.resize import crop_to_multiple, downscale
from sr_demo.inference.jobs import Failed, Job, Result
from sr_demo.inference.runner import Runner
from sr_demo.progress import SILENT, Progress

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".avif"})


@dataclass(frozen=True)
class Pair:
    """One picture to score: what it is and where its small version is (None: made from it)."""

    hr: Path
    lr: Path | None


def images_in(folder: Path) -> list[Path]:
    """The picture files directly in `folder`, by name. Raises BadInput when it is not a folder or has none."""
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder.")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not found:
        raise BadInput(f"{folder} holds no pictures (looked for {', '.join(sorted(SUFFIXES))}).")
    return found


def pairs(hr: Path, lr: Path | None, scale: int) -> list[Pair]:
    """Pairs matched by file name; `name.png` also finds DIV2K's `namex4.png`. Raises BadInput naming what has no match."""
    if lr is None:
        return [Pair(path, None) for path in images_in(hr)]
    small = {path.stem: path for path in images_in(lr)}
    found: list[Pair] = []
    for path in images_in(hr):
        match = small.get(path.stem) or small.get(f"{path.stem}x{scale}")
        if match is None:
            raise BadInput(f"{path.name} has no small version of the same name in {lr}.")
        found.append(Pair(path, match))
    return found


def load_pair(pair: Pair, scale: int, realistic: Realistic | None) -> tuple[ImageData, Image]:
    """The small picture and the truth, the truth cropped to exactly `scale` times the small one."""
    truth = read(pair.hr)
    if pair.lr is not None:
        small = read(pair.lr)
        height, width = small.rgb.shape[0] * scale, small.rgb.shape[1] * scale
        spare = (truth.rgb.shape[0] - height, truth.rgb.shape[1] - width)
        if min(spare) < 0 or max(spare) >= scale:
            raise BadInput(
                f"{pair.lr.name} is {small.rgb.shape[1]} x {small.rgb.shape[0]} pixels, which is not {pair.hr.name} "
                f"({truth.rgb.shape[1]} x {truth.rgb.shape[0]}) shrunk {scale} times."
            )
        return small, truth.rgb[:height, :width]
    return small_version(truth, scale, realistic)


def small_version(truth: ImageData, scale: int, realistic: Realistic | None) -> tuple[ImageData, Image]:
    """The picture an approach is given when the truth is known, and the truth cropped to match.

    Shrunk bicubic, or damaged as `realistic` says. Alpha is left out: it is not scored.
    """
    height, width = truth.rgb.shape[:2]
    if min(height, width) < scale:
        raise BadInput(
            f"This picture has {width} x {height} pixels: too small to be shrunk {scale} times. "
            f"Choose one of at least {scale} x {scale} pixels, or enlarge it without a test."
        )
    cropped = crop_to_multiple(truth.rgb, scale)
    small = downscale(cropped, scale) if realistic is None else degrade(cropped, scale, realistic)
    return ImageData(small, None, truth.gray, truth.bits, truth.icc, truth.name, truth.notes), cropped


def evaluate(
    runner: Runner,
    jobs: Sequence[Job],
    found: Sequence[Pair],
    realistic: Realistic | None = None,
    progress: Progress = SILENT,
) -> Iterator[dict[str, Any] | Failed]:
    """One row per job: mean scores over the pairs, median seconds, largest peak memory; or why that approach failed.

    Raises SRError on what concerns all of them: pictures that cannot be read, or do not belong together.
    """
    for index, job in enumerate(jobs):
        part = progress.part(index / len(jobs), (index + 1) / len(jobs))
        results: list[Result] = []
        for number, pair in enumerate(found):
            part(number / len(found), f"{job.key}: {pair.hr.name}")
            small, truth = load_pair(pair, job.approach.scale, realistic)
            outcome = runner.attempt(job, small, truth, Progress(stop=progress.stop))
            if isinstance(outcome, Failed):
                yield outcome
                break
            results.append(outcome.result)
        else:
            yield _row(job, results)
    progress(1.0)


def _row(job: Job, results: Sequence[Result]) -> dict[str, Any]:
    def mean(key: str) -> float | None:
        values = [getattr(result.scores, key) for result in results]
        return None if any(isinf(v) for v in values) else round(float(np.mean(values)), 4)

    # Pictures too small or too flat for NIQE are left out of its mean.
    natural = [result.scores.niqe for result in results if result.scores.niqe is not None]

    return {
        "approach": job.approach.id,
        "checkpoint": job.checkpoint.name,
        "images": len(results),
        "psnr_y": mean("psnr_y"),
        "ssim_y": mean("ssim_y"),
        "psnr_rgb": mean("psnr_rgb"),
        "lr_consistency": mean("lr_consistency"),
        "niqe": round(float(np.mean(natural)), 4) if natural else None,
        "seconds_per_image": round(float(np.median([r.seconds for r in results])), 4),
        "peak_memory_mb": round(max(r.peak_memory_mb for r in results), 1),
        "precision": results[0].precision,
        "precision_loss_db": results[0].loss_db,
        "tile": max(r.tile for r in results),
        "halo": max(r.halo for r in results),
    }
