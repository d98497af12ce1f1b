"""Shards of a database build: a few photos each, embedded independently of the rest.

Embedding is a pure function of the shard: it gives the same bytes in a thread and on another machine.
Legend: n = patches of a shard; d = length of a feature.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic import retrieval
from sr_demo.approaches.mosaic.patch_database import SCALE, Pixels, as_floats, downscaled
from sr_demo.approaches.mosaic.patches import extract_features, grid_positions, stride_for
from sr_demo.approaches.mosaic.windows import Floats
from sr_demo.errors import SRError
from sr_demo.image import quantize, read

Kind = Literal["tiles", "refined"]
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Recipe:
    """All numbers that decide the content of a database. Field names are stored with the database."""

    kind: Kind = "tiles"
    """`tiles`: patches with an index for one patch size; `refined`: residuals over bicubic."""
    patch: int = 8
    """Side of a patch in LR pixels; for `tiles`."""
    shrink: int = 1  # words: ok
    """Factor by which photos are downscaled before they are stored; less where a patch would no longer fit."""
    patches: int = 200_000
    """About how many patches, all photos together."""
    seed: int = 0
    """Decides which windows are sampled; for `refined`."""
    budget_mb: int = 512
    """Memory that the index may take, in MB (10^6 bytes)."""

    @property
    def smallest(self) -> int:
        """Shortest side of a photo that holds one patch, in pixels."""
        return self.patch * SCALE if self.kind == "tiles" else retrieval.SMALLEST

    @property
    def downscale(self) -> int:
        """Factor by which photos are downscaled; the field keeps its stored name."""
        return self.shrink  # words: ok


@dataclass(frozen=True)
class Shard:
    """Some photos of a database."""

    number: int
    """Number of the shard."""
    first: int
    """Number of its first file within the database, which decides what is sampled from it."""
    files: tuple[str, ...]
    """Paths of the photos."""
    patches_per_photo: int
    """About how many patches each photo contributes."""
    recipe: Recipe
    """What is built."""
    project: Floats | None = None
    """Feature projection P (d, 49), for `refined`."""


class _StoredPhoto(NamedTuple):
    """Pixels of one photo."""

    name: str
    hr: Pixels
    lr: Pixels


def embed_shard(shard: Shard) -> bytes:
    """Embed the photos of a shard; a file that is not an image or too small is skipped.

    Returns:
        An `.npz` file: `card` (JSON: photos, and a sentence for each skipped file), the pixels `hr` and `lr`, and the
        arrays of the shard's kind.
    """
    photos: list[_StoredPhoto] = []
    skipped: list[str] = []
    parts: list[Arrays] = []
    for number, file in enumerate(shard.files, shard.first):
        try:
            hr = read_photo(Path(file), shard.recipe)
        except SRError as problem:
            skipped.append(str(problem))
            continue
        if min(hr.shape[:2]) < shard.recipe.smallest:
            skipped.append(
                f"{Path(file).name} is {hr.shape[1]} x {hr.shape[0]} pixels large, and one patch needs "
                f"{shard.recipe.smallest} x {shard.recipe.smallest}."
            )
            continue
        lr = downscaled(hr, hr.shape[0] // SCALE, hr.shape[1] // SCALE)
        parts.append(_embed_patches(lr, shard) if shard.recipe.kind == "tiles" else _embed_windows(hr, number, shard))
        parts[-1]["places"] = np.insert(parts[-1]["places"], 0, len(photos), axis=1)
        photos.append(_StoredPhoto(Path(file).name, hr, lr))
    return _pack(photos, skipped, parts)


def _pack(photos: list[_StoredPhoto], skipped: list[str], parts: list[Arrays]) -> bytes:
    arrays: Arrays = {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else ())}
    if photos:
        arrays["hr"] = np.concatenate([photo.hr.ravel() for photo in photos])
        arrays["lr"] = np.concatenate([photo.lr.ravel() for photo in photos])
    sizes = [{"name": photo.name, "height": photo.hr.shape[0], "width": photo.hr.shape[1]} for photo in photos]
    card = json.dumps({"photos": sizes, "skipped": skipped})
    arrays["card"] = np.frombuffer(card.encode(), np.uint8)
    file = io.BytesIO()
    save: Any = np.savez
    save(file, **arrays)
    return file.getvalue()


def unpack_shard(content: bytes) -> tuple[dict[str, Any], Arrays]:
    """Return the card and the arrays that `embed_shard` packed into `content`."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return json.loads(arrays.pop("card").tobytes()), arrays


def read_photo(file: Path, recipe: Recipe) -> Pixels:
    """Read a photo as a database of this recipe stores it.

    Returns:
        (H, W, 3) uint8; H and W are multiples of 4.

    Raises:
        SRError: The file cannot be read or is not an image.
    """
    rgb = read(file).rgb
    short = min(rgb.shape[:2])
    factor = min(1.0, max(1 / recipe.downscale, recipe.smallest / max(short, 1)))
    height, width = (int(side * factor + 1e-6) // SCALE * SCALE for side in rgb.shape[:2])
    if factor == 1 or min(height, width) < SCALE:
        return np.ascontiguousarray(quantize(rgb)[:height, :width])
    return downscaled(quantize(rgb), height, width)


def recipe_json(recipe: Recipe) -> str:
    """Return the recipe as JSON with sorted keys."""
    return json.dumps(asdict(recipe), sort_keys=True)


def _embed_patches(lr: Pixels, shard: Shard) -> Arrays:
    patch = shard.recipe.patch
    stride = stride_for([lr.shape], patch, shard.patches_per_photo)
    y, x = grid_positions(lr.shape[0], lr.shape[1], patch, stride)
    found = extract_features(as_floats(lr), y, x, patch)
    statistics = np.column_stack([found.mean, found.deviation]).astype(np.float32)
    return {"vectors": found.features, "looks": statistics, "places": np.stack([y, x], axis=1)}


def _embed_windows(hr: Pixels, number: int, shard: Shard) -> Arrays:
    assert shard.project is not None
    rng = np.random.default_rng((shard.recipe.seed, number))
    sample = retrieval.sample_windows(hr, shard.patches_per_photo, rng)
    encoded = retrieval.encode_windows(sample, shard.project)
    return {
        "vectors": encoded.vectors,
        "codes": encoded.codes,
        "factors": encoded.factors,
        "places": encoded.places,
    }
