"""Training of the mosaic's embedded patch database: anchors and their regressors, from a folder of photos.

Adjusted anchored neighbourhood regression (A+, Timofte et al. 2014, ACCV): anchors are spherical k-means centroids of window
features; each has a ridge regression from the features of its nearest samples to their residuals over bicubic. Training
takes minutes on a CPU. Command: `python -m sr_demo memory train --data DIR --out weights/mosaic-memory-x4.safetensors`.
Legend: N = samples; K = anchors; d = length of a feature.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from sr_demo.approaches.mosaic import windows as w
from sr_demo.approaches.mosaic.anchors import AnchoredRegression, load
from sr_demo.approaches.mosaic.dihedral import to_canonical
from sr_demo.approaches.mosaic.options import MosaicOptions
from sr_demo.approaches.mosaic.patch_database import SCALE, as_floats
from sr_demo.approaches.mosaic.refinement import refine
from sr_demo.errors import BadInput, SRError
from sr_demo.image import Image
from sr_demo.imaging.resize import downscale, resize
from sr_demo.metrics.full_reference import psnr_y, ssim_y
from sr_demo.progress import SILENT
from sr_demo.system.file_sizes import file_size
from sr_demo.system.folders import short_name
from sr_demo.system.outputs import refuse_existing, refuse_other_suffix
from sr_demo.training.data import image_files, read_rgb
from sr_demo.training.sources import load_test_sets, split_indices, validation_folder

LICENCE = "Apache-2.0"
_QUIET = 0.01
"""Windows with a lower standard deviation are flat and not used."""
_LARGEST_SEED = 2**31 - 2
"""FAISS gets the next number as an int of 32 bits."""


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters."""

    per_picture: int = 300
    """Number of windows drawn from each photo at each of `sizes`."""
    sizes: tuple[float, ...] = (1.0, 0.7, 0.5)
    """Factors by which photos are downscaled before windows are drawn: smaller images are sharper."""
    anchors: int = 1024
    dimension: int = 28
    neighbours: int = 1024
    """Number of samples that each anchor's regressor is fitted to."""
    ridge: float = 0.1
    rounds: int = 20
    """Number of k-means iterations."""
    seed: int = 0


@dataclass(frozen=True)
class Samples:
    """Windows in canonical orientation, and their residuals over bicubic."""

    windows: w.Floats
    """(N, 49)."""
    residuals: np.ndarray[Any, np.dtype[np.float16]]
    """(N, 144)."""


def gather(files: Sequence[Path], recipe: Recipe, report: Callable[[str], None]) -> Samples:
    """Draw windows from all photos.

    Args:
        files: Image files; those that cannot be read are skipped.
        recipe: Number and sizes of the windows, and the seed.
        report: Receives one sentence for each skipped file.

    Raises:
        BadInput: No image is large enough.
    """
    rng = np.random.default_rng(recipe.seed)
    seen: list[w.Floats] = []
    missed: list[np.ndarray[Any, np.dtype[np.float16]]] = []
    for photo in _readable(files, report):
        for size in recipe.sizes:
            height, width = (round(side * size) // SCALE * SCALE for side in photo.shape[:2])
            if min(height, width) >= w.INPUT_SIDE * SCALE:
                a, b = _draw(resize(photo, (height, width)), recipe.per_picture, rng)
                seen.append(a)
                missed.append(b)
    if not seen:
        raise BadInput(f"None of the {len(files)} files is a picture of {w.INPUT_SIDE * SCALE} pixels or more.")
    return Samples(np.concatenate(seen), np.concatenate(missed))


def _readable(files: Sequence[Path], report: Callable[[str], None]) -> Iterator[Image]:
    for file in files:
        try:
            photo = as_floats(read_rgb(file))
        except BadInput as problem:
            report(f"skipped: {problem}")
            continue
        yield photo


def _draw(
    hr: Image, count: int, rng: np.random.Generator
) -> tuple[w.Floats, np.ndarray[Any, np.dtype[np.float16]]]:  # fmt: skip
    lr = w.luma(downscale(hr, SCALE))
    missed = w.luma(hr) - w.upsample(lr, *hr.shape[:2])
    view = np.lib.stride_tricks.sliding_window_view(lr, (w.INPUT_SIDE, w.INPUT_SIDE))
    textured = np.flatnonzero(view.std(axis=(2, 3)).ravel() > _QUIET)
    y, x = np.divmod(rng.choice(textured, min(count, len(textured)), replace=False), view.shape[1])
    margin, side = (w.INPUT_SIDE - w.OUTPUT_SIDE) // 2, w.OUTPUT_SIDE * SCALE
    cut = np.lib.stride_tricks.sliding_window_view(missed, (side, side))
    canonical, transforms = to_canonical(view[y, x].reshape(-1, w.INPUT_SIDE**2))
    residuals = cut[(y + margin) * SCALE, (x + margin) * SCALE].reshape(-1, w.RESIDUAL_SIZE)
    return canonical, transforms.apply(residuals).astype(np.float16)


def fit(samples: Samples, recipe: Recipe, report: Callable[[str], None]) -> AnchoredRegression:
    """Fit anchors and their regressors; the same samples and recipe give the same result on the same machine.

    Args:
        samples: Windows and residuals.
        recipe: Hyperparameters.
        report: Receives the progress.

    Raises:
        BadInput: There are fewer windows than anchors.
    """
    import faiss

    project = w.fit_projection(samples.windows, most=recipe.dimension, kept=1.0)
    features = samples.windows @ project.T
    length = np.linalg.norm(features, axis=1)
    textured = np.flatnonzero(length > _QUIET)
    features = features[textured] / length[textured, None]
    if len(features) < recipe.anchors:
        raise BadInput(f"{len(features)} windows are too few for {recipe.anchors} anchors: give more photos.")
    means: Any = faiss.Kmeans(
        features.shape[1], recipe.anchors, niter=recipe.rounds, spherical=True, seed=recipe.seed + 1,
        min_points_per_centroid=1, max_points_per_centroid=200,
    )  # fmt: skip
    means.train(features)
    anchors = np.asarray(means.centroids, np.float32)
    regressors = np.empty((len(anchors), features.shape[1], w.RESIDUAL_SIZE), np.float32)
    ridge = recipe.ridge * np.eye(features.shape[1], dtype=np.float32)
    near = min(recipe.neighbours, len(features))
    for start in range(0, len(anchors), 32):
        report(f"anchor {start} of {len(anchors)}")
        for i, likeness in enumerate(anchors[start : start + 32] @ features.T, start):
            mine = np.argpartition(-likeness, near - 1)[:near]
            x = features[mine]
            y = samples.residuals[textured[mine]].astype(np.float32) / length[textured[mine], None]
            regressors[i] = np.linalg.solve(x.T @ x + ridge, x.T @ y)
    return AnchoredRegression(project, anchors, regressors)


def write(memory: AnchoredRegression, path: Path, examine: Callable[[AnchoredRegression], None]) -> None:
    """Write `memory` to `path`: anchors and regressors in fp16, the projection in fp32.

    Args:
        memory: Anchors and regressors.
        path: The .safetensors file, which appears when it is complete and `examine` has returned.
        examine: Receives what the file holds.
    """
    from safetensors.numpy import save

    from sr_demo.training.run_state import write_atomically

    tensors = {
        "project": np.ascontiguousarray(memory.project),
        "anchors": memory.anchors.astype(np.float16),
        "regressors": memory.regressors.astype(np.float16),
    }
    content = save(tensors)

    def write_examined(target: Path) -> None:
        target.write_bytes(content)
        examine(load(target))

    write_atomically(path, write_examined)


def write_card(path: Path, recipe: Recipe, facts: dict[str, Any], scores: dict[str, Any]) -> dict[str, Any]:
    """Write the card of the weights at `path` beside them.

    Args:
        path: The .safetensors file.
        recipe: Hyperparameters, recorded as "settings".
        facts: Further entries.
        scores: PSNR-Y and SSIM-Y by test set.

    Returns:
        The content of the card.
    """
    from sr_demo.training.run_state import write_atomically

    content = path.read_bytes()
    memory = load(path)
    card = {
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "parameters": memory.project.size + memory.anchors.size + memory.regressors.size,
        "architecture": {"name": "anchored regressors in sixteen poses", "settings": asdict(recipe)},  # words: ok
        "scale": SCALE,
        "licence": LICENCE,
        **facts,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "scores": scores,
    }
    text = json.dumps(card, indent=1) + "\n"
    write_atomically(path.with_suffix(".json"), lambda target: target.write_text(text))
    return card


def score(memory: AnchoredRegression, pairs: Sequence[tuple[Image, Image]]) -> dict[str, float]:
    """Return the mean PSNR-Y and SSIM-Y over (LR, HR) pairs, with the default number of back-projection steps."""
    values: list[tuple[float, float]] = []
    for lr, hr in pairs:
        result = refine(lr, memory, MosaicOptions().steps, SILENT)
        reference = hr[: result.shape[0], : result.shape[1]]
        values.append((psnr_y(result, reference, SCALE), ssim_y(result, reference, SCALE)))
    psnr, ssim = np.mean(values, axis=0)
    return {"psnr_y": round(float(psnr), 4), "ssim_y": round(float(ssim), 4)}


def train(data: Path, out: Path, validation: Path | None, test_sets: Path | None, licence: str, recipe: Recipe) -> None:
    """Train from the photos in `data` and write the weights `out` and their card.

    Args:
        data: Folder of training photos.
        out: The .safetensors file.
        validation: Folder of validation photos; None is DIR/../val where it exists, else a tenth of `data`.
        test_sets: Folder with Set5 and Set14, or None.
        licence: Licence of the photos, for the card.
        recipe: Hyperparameters.

    Raises:
        BadInput: A folder is missing or holds nothing usable; nothing is written then.
    """
    files, held_out = _photos(data, validation)
    held = {"val": [(downscale(hr, SCALE), hr) for hr in _readable(held_out, print)]}
    if not held["val"]:
        raise BadInput(f"None of the {len(held_out)} pictures for validation can be read: give others with --val.")
    for name, pairs in load_test_sets(test_sets, SCALE).items():
        held[name] = [(as_floats(lr), as_floats(hr)) for lr, hr in zip(pairs.lr, pairs.hr, strict=True)]
    start = time.monotonic()
    samples = gather(files, recipe, print)
    print(f"{len(samples.windows)} windows of {len(files)} photos, {time.monotonic() - start:.0f} s", flush=True)
    fitted = fit(samples, recipe, lambda text: print(text, end="\r", flush=True))
    seconds = round(time.monotonic() - start)
    scores: dict[str, dict[str, float]] = {}
    write(fitted, out, lambda stored: scores.update({name: score(stored, pairs) for name, pairs in held.items()}))
    what = {"what": short_name(data), "count": len(files), "licence": licence}
    facts = {"data": what, "windows": len(samples.windows), "seconds": seconds, "device": "CPU"}
    card = write_card(out, recipe, facts, scores)
    print(f"{out}: {file_size(card['bytes'])}, {seconds} s, {scores}")


def _photos(data: Path, validation: Path | None) -> tuple[list[Path], list[Path]]:
    """The photos to train from, and those that validate. Raises BadInput."""
    files, folder = image_files(data), validation or validation_folder(data)
    if folder is not None:
        return files, image_files(folder)
    training, held_out = split_indices(len(files))
    return [files[i] for i in training], [files[i] for i in held_out]


def add_anchor_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `run_anchor_training` to `parser`."""
    parser.add_argument("--data", type=Path, required=True, help="folder of photos to learn from")
    parser.add_argument("--out", type=Path, required=True, help="the .safetensors file to write; its card lies beside")
    parser.add_argument(
        "--val", type=Path, help="folder of validation pictures (default: DIR/../val, else part of --data)"
    )
    parser.add_argument("--test-sets", type=Path, help="folder with Set5 and Set14, to be scored for the card")
    parser.add_argument("--licence", default="", help="licence of the pictures, for the card")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist already")


def run_anchor_training(args: argparse.Namespace) -> int:
    """Train from the command line; return 0, or 2 after printing what is wrong."""
    try:
        refuse_other_suffix(args.out, ".safetensors")
        if not 0 <= args.seed <= _LARGEST_SEED:
            raise BadInput(f"--seed takes a number from 0 to {_LARGEST_SEED}, not {args.seed}.")
        refuse_existing((args.out, args.out.with_suffix(".json")), overwrite=args.overwrite)
        train(args.data, args.out, args.val, args.test_sets, args.licence, Recipe(seed=args.seed))
    except SRError as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0
