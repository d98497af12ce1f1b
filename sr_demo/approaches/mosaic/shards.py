"""Work that can be done anywhere: some photos in, what a memory keeps of them out, as bytes.

A shard depends on nothing but its own value: here, in a thread or on another machine it gives the same bytes.
Legend: n = patches of a shard; d = length of a feature.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sr_demo.approaches.mosaic import patches as pieces
from sr_demo.approaches.mosaic import retrieval
from sr_demo.approaches.mosaic.patch_database import SCALE, Pixels, as_floats, downscaled
from sr_demo.approaches.mosaic.windows import Floats
from sr_demo.errors import SRError
from sr_demo.image import quantize, read

Kind = Literal["tiles", "refined"]
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Recipe:
    """What a memory is to be. All numbers that decide its content."""

    kind: Kind = "tiles"
    """`tiles`: whole pieces with an index for one patch size; `refined`: residuals over bicubic."""
    patch: int = 8
    """Side of a piece in LR pixels; for `tiles`."""
    shrink: int = 1
    """Photos are shrunk by this much before they are kept, less where a piece would no longer fit."""
    patches: int = 200_000
    """About how many patches, all photos together."""
    seed: int = 0
    budget_mb: int = 512
    """Memory that the index may take, in MB (10^6 bytes)."""

    @property
    def smallest(self) -> int:
        """Shortest side of a photo in pixels that holds one patch."""
        return self.patch * SCALE if self.kind == "tiles" else retrieval.SMALLEST


@dataclass(frozen=True)
class Shard:
    """Some photos of a memory."""

    number: int
    first: int
    """Number of its first file within the memory, which decides what is drawn from it."""
    files: tuple[str, ...]
    share: int
    """Patches per photo."""
    recipe: Recipe
    project: Floats | None = None
    """(d, 49), for `refined`."""


def embed(shard: Shard) -> bytes:
    """The shard as an `.npz` file: `card` (JSON: photos, sentences on what was skipped), pixels, and the arrays of its
    kind. A file that is no picture or too small is skipped."""
    photos: list[dict[str, Any]] = []
    skipped: list[str] = []
    pixels: list[tuple[Pixels, Pixels]] = []
    parts: list[Arrays] = []
    for number, file in enumerate(shard.files, shard.first):
        try:
            hr = photo(Path(file), shard.recipe)
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
        parts.append(_tiles(lr, shard) if shard.recipe.kind == "tiles" else _refined(hr, number, shard))
        parts[-1]["places"] = np.insert(parts[-1]["places"], 0, len(photos), axis=1)
        photos.append({"name": Path(file).name, "height": hr.shape[0], "width": hr.shape[1]})
        pixels.append((hr, lr))
    arrays: Arrays = {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else ())}
    if pixels:
        arrays["hr"], arrays["lr"] = (np.concatenate([pair[i].ravel() for pair in pixels]) for i in range(2))
    card = json.dumps({"photos": photos, "skipped": skipped})
    arrays["card"] = np.frombuffer(card.encode(), np.uint8)
    file = io.BytesIO()
    save: Any = np.savez
    save(file, **arrays)
    return file.getvalue()


def unpack(content: bytes) -> tuple[dict[str, Any], Arrays]:
    """What `embed` packed: the card and the arrays."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return json.loads(arrays.pop("card").tobytes()), arrays


def photo(file: Path, recipe: Recipe) -> Pixels:
    """The photo as it is kept, (H, W, 3) uint8 with H, W multiples of 4. Raises SRError when it is no picture."""
    rgb = read(file).rgb
    short = min(rgb.shape[:2])
    factor = min(1.0, max(1 / recipe.shrink, recipe.smallest / max(short, 1)))
    height, width = (int(side * factor + 1e-6) // SCALE * SCALE for side in rgb.shape[:2])
    if factor == 1 or min(height, width) < SCALE:
        return np.ascontiguousarray(quantize(rgb)[:height, :width])
    return downscaled(quantize(rgb), height, width)


def describe(recipe: Recipe) -> str:
    """The recipe as JSON, always with the same order."""
    return json.dumps(asdict(recipe), sort_keys=True)


def _tiles(lr: Pixels, shard: Shard) -> Arrays:
    patch = shard.recipe.patch
    step = pieces.step_for([lr.shape], patch, shard.share)
    y, x = pieces.positions(lr.shape[0], lr.shape[1], patch, step)
    found = pieces.describe(as_floats(lr), y, x, patch)
    looks = np.column_stack([found.mean, found.deviation]).astype(np.float32)
    return {"vectors": found.features, "looks": looks, "places": np.stack([y, x], axis=1)}


def _refined(hr: Pixels, number: int, shard: Shard) -> Arrays:
    assert shard.project is not None
    drawn = retrieval.draw(hr, shard.share, np.random.default_rng((shard.recipe.seed, number)))
    kept = retrieval.encode(drawn, shard.project)
    return {"vectors": kept.vectors, "codes": kept.codes, "factors": kept.factors, "places": kept.places}
