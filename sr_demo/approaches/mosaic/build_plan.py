"""Plan of a named database build: the request, its key, and its shards. Nothing here writes a database."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sr_demo.approaches.mosaic import named_databases, retrieval, shards
from sr_demo.approaches.mosaic.patch_database import FORMAT
from sr_demo.approaches.mosaic.shards import Recipe, Shard
from sr_demo.approaches.mosaic.windows import Floats, fit_projection
from sr_demo.errors import BadInput, SRError, first_few
from sr_demo.progress import Progress
from sr_demo.system import storage

_PHOTOS_PER_SHARD = 8
_PROJECTION_PHOTOS = 64
"""Photos from which the feature projection is computed."""


@dataclass(frozen=True)
class BuildRequest:
    """Request to build a named database."""

    name: str
    files: tuple[Path, ...]
    recipe: Recipe
    source: str
    """The folder or data set that the files come from, for the list of databases."""

    @property
    def place(self) -> Path:
        """Folder of the complete database."""
        return named_databases.folder() / self.name

    @property
    def build_place(self) -> Path:
        """Folder of the build."""
        return named_databases.folder() / f"{named_databases.BUILDING}{self.name}"


def content_key(request: BuildRequest) -> str:
    """Return a key of the files, their sizes and times, and the recipe. Raises BadInput on a file that cannot be read."""
    digest = hashlib.sha256(f"format {FORMAT}, {shards.recipe_json(request.recipe)}".encode())
    for file in request.files:
        try:
            status = file.stat()
        except OSError as problem:
            raise BadInput(f"{file} cannot be read ({problem.strerror}).") from problem
        digest.update(b"\n" + os.fsencode(file.absolute()) + f" {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def plan_shards(request: BuildRequest, progress: Progress) -> list[Shard]:
    """Return the shards of a database: a pure function of the request, apart from the stored feature projection."""
    recipe = request.recipe
    project = None
    if recipe.kind == "refined":
        project = _load_or_fit_projection(request, request.build_place / "project.npy", progress)
    files = [str(file.absolute()) for file in request.files]
    patches_per_photo = -(-recipe.patches // len(files))
    return [
        Shard(number, first, tuple(files[first : first + _PHOTOS_PER_SHARD]), patches_per_photo, recipe, project)
        for number, first in enumerate(range(0, len(files), _PHOTOS_PER_SHARD))
    ]


def _load_or_fit_projection(request: BuildRequest, path: Path, progress: Progress) -> Floats:
    if path.is_file():
        return np.load(path)
    windows: list[Floats] = []
    files = request.files[:: -(-len(request.files) // _PROJECTION_PHOTOS)]
    for number, file in enumerate(files):
        progress(number / len(files), "inspecting the photos")
        with suppress(SRError):  # reported when the shard of this file is embedded
            hr = shards.read_photo(file, request.recipe)
            rng = np.random.default_rng((request.recipe.seed, number))
            windows.append(retrieval.sample_windows(hr, 3000, rng).windows)
    if not sum(map(len, windows)):
        refuse(request, [])
    project = fit_projection(np.concatenate(windows))
    content = io.BytesIO()
    np.save(content, project)
    storage.write_atomically(path, content.getvalue())
    return project


def shard_file(folder: Path, number: int) -> Path:
    """Return the file of a finished shard in the folder of the build."""
    return folder / f"shard-{number:06d}.npz"


def refuse(request: BuildRequest, skipped: Sequence[str]) -> None:
    """Remove the build, which has no usable photo, and raise BadInput with the reasons."""
    shutil.rmtree(request.build_place, ignore_errors=True)
    side = request.recipe.smallest
    reasons = " ".join(first_few(skipped)) or f"None is a picture of at least {side} x {side} pixels with some detail."
    raise BadInput(f"None of the {len(request.files)} files in {request.source} can be used. {reasons}")
