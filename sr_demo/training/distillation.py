"""Distillation: the results of a teacher on degraded crops, computed once and stored as training pairs.

The student is trained to reproduce the teacher's output (Hinton et al. 2015, arXiv 1503.02531; for images, regression onto
that output). The pairs are stored in files of `PER_FILE` crops, so that their computation can be interrupted and resumed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sr_demo.errors import BadInput
from sr_demo.image import Image, quantize, readonly
from sr_demo.training.data import Pairs, TrainingImage, as_float
from sr_demo.training.degradation import MILD, MODERATE, degrade
from sr_demo.training.run_state import write_atomically

PER_FILE = 32
CROP = 96
"""Side of an LR crop in pixels."""
_MILD_SHARE = 0.25
"""Share of crops with hardly any degradation, so that the student preserves good photos."""


@dataclass(frozen=True)
class Teacher:
    """A checkpoint of the catalogue whose results the student is trained to reproduce."""

    name: str
    """ID:CHECKPOINT."""
    licence: str
    upscale: Callable[[Image], Image]
    """(h, w, 3) in [0, 1] -> (s*h, s*w, 3) in [0, 1]."""


def load_teacher(name: str) -> Teacher:
    """Load a teacher from the catalogue by ID or ID:CHECKPOINT. Raises SRError."""
    from sr_demo.catalogue import APPROACHES
    from sr_demo.image import ImageData
    from sr_demo.inference.jobs import job_for
    from sr_demo.inference.runner import Runner

    runner, job = Runner(), job_for(APPROACHES, name)

    def upscale(lr: Image) -> Image:
        return runner.run(job, ImageData(readonly(lr))).image.rgb

    return Teacher(f"{job.approach.id}:{job.checkpoint.name}", job.checkpoint.licence, upscale)


def teacher_pairs(
    folder: Path, teacher: Teacher, photos: Pairs, count: int, scale: int, seed: int = 0,
    report: Callable[[str], None] = print, *, overwrite: bool = False,
) -> Pairs:  # fmt: skip
    """Return pairs of a degraded crop and the teacher's result for it; compute those that are missing in `folder`.

    Args:
        folder: Where the pairs are kept: `NNNNN.npz` with the arrays `lr` and `hr`.
        teacher: Its name, and photos, scale and seed, must be those of the pairs that are there.
        photos: HR images with sides of at least `scale * CROP` pixels; smaller ones are not used.
        count: Number of pairs, rounded up to a multiple of `PER_FILE`.
        scale: Scale factor of teacher and student.
        seed: Seed of crops and degradations; file N is the same for any `count`.
        report: Receives a line for each file that was computed.
        overwrite: Remove pairs of another teacher, or of other photos.

    Raises:
        BadInput: The pairs there are those of another teacher or other photos, or no photo is large enough.
    """
    large = [hr for hr in photos.hr if min(hr.shape[:2]) >= scale * CROP]
    if not large:
        raise BadInput(
            f"None of the pictures has sides of {scale * CROP} pixels, the size of one crop for the teacher."
        )
    folder.mkdir(parents=True, exist_ok=True)
    _check_origin(folder, teacher.name, _key(large, scale, seed), overwrite)
    files = [folder / f"{part:05d}.npz" for part in range(-(-count // PER_FILE))]
    for part, file in enumerate(files):
        if not file.exists():
            arrays = _compute(teacher, large, scale, seed + part)
            write_atomically(file, lambda target, arrays=arrays: _save(target, arrays))
            report(f"{teacher.name}: {(part + 1) * PER_FILE} of {len(files) * PER_FILE} crops")
    lr: list[TrainingImage] = []
    hr: list[TrainingImage] = []
    for file in files:
        with np.load(file) as arrays:
            lr += list(arrays["lr"])
            hr += list(arrays["hr"])
    names = tuple(f"{teacher.name}[{i}]" for i in range(len(lr)))
    return Pairs(names, tuple(hr), tuple(lr), photos.skipped, f"{photos.kind}, degraded; results of {teacher.name}")


def _check_origin(folder: Path, name: str, key: str, overwrite: bool) -> None:
    """Record in `folder` what its pairs are made from. Raises BadInput where they are made from something else."""
    record, origin = folder / "teacher.txt", f"{name}\n{key}\n"
    there = record.read_text() if record.exists() else ""
    if there == origin:
        return
    if there == f"{name}\n" and not overwrite:  # an earlier version, which did not record the photos
        there = ""
    if there and not overwrite:
        other = there.split("\n")[0]
        differs = f"not of {name}" if other != name else "but for other pictures, another scale or another seed"
        raise BadInput(
            f"{folder} holds results of the teacher {other}, {differs}. Give another --precompute folder, or add "
            "--overwrite to replace the one beside --out."
        )
    for file in folder.glob("*.npz") if there else ():
        file.unlink()
    write_atomically(record, lambda target: target.write_text(origin))


def _key(photos: Sequence[TrainingImage], scale: int, seed: int) -> str:
    digest = hashlib.sha256(f"{scale} {seed}".encode())
    for photo in photos:
        digest.update(f" {photo.shape} ".encode())
        digest.update(np.ascontiguousarray(photo).data)
    return digest.hexdigest()


def _compute(teacher: Teacher, photos: list[TrainingImage], scale: int, seed: int) -> dict[str, np.ndarray[Any, Any]]:
    rng, noise = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    side = scale * CROP
    lr: list[TrainingImage] = []
    hr: list[TrainingImage] = []
    for _ in range(PER_FILE):
        photo = photos[int(rng.integers(len(photos)))]
        top, left = (int(rng.integers(length - side + 1)) for length in photo.shape[:2])
        crop = as_float(photo[top : top + side, left : left + side])
        model = MILD if rng.random() < _MILD_SHARE else MODERATE
        degraded = degrade(torch.from_numpy(crop).permute(2, 0, 1)[None], scale, rng, noise, model)
        image = degraded[0].permute(1, 2, 0).contiguous().numpy()
        lr.append(quantize(image))
        hr.append(quantize(teacher.upscale(image)))
    return {"lr": np.stack(lr), "hr": np.stack(hr)}


def _save(target: Path, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
    with target.open("wb") as handle:
        np.savez(handle, lr=arrays["lr"], hr=arrays["hr"])
