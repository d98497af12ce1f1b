"""Named patch databases: listing, finding, opening and deleting those that `memory build` built.

A named database is a folder with `memory.json`, pixels (see `patch_database`) and an index with its arrays. It is built
under a name with a leading dot and renamed when it is complete: every listed database can be opened.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sr_demo.approaches.mosaic.patch_database import CARD, PatchDatabase, check, open_database
from sr_demo.approaches.mosaic.patches import PatchIndex
from sr_demo.approaches.mosaic.retrieval import ResidualDatabase
from sr_demo.approaches.mosaic.shards import Kind
from sr_demo.errors import BadInput, quoted
from sr_demo.system import storage

BUILDING = ".building-"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")


@dataclass(frozen=True)
class NamedDatabase:
    """Description of one named database. Field names are the keys of `memory list --json`."""

    name: str
    place: Path
    kind: Kind
    patch: int
    shrink: int  # words: ok
    patches: int
    photos: int
    bytes: int
    """Size on disk."""
    source: str
    """The folder or data set it was built from."""
    date: str
    """ISO date of the build."""
    index: str
    """FAISS factory string."""
    gives_up: str
    """What the index loses against exhaustive search; "" for nothing."""

    @property
    def summary(self) -> str:
        """A phrase for people: photos, patches, use."""
        use = f"of {self.patch} px" if self.kind == "tiles" else "for fine detail"
        return f"{self.photos} photos, {self.patches:,} patches {use}"


def folder() -> Path:
    """Return the folder of the named databases. It may not exist yet."""
    return storage.cache_folder() / "memories" / "named"


def check_name(name: str) -> str:
    """Return `name` if it is a valid name of a database. Raises BadInput."""
    if not _NAME.fullmatch(name):
        raise BadInput(
            "A memory's name consists of lower-case letters, digits and dashes, at most 60 of them, like photos-2024; "
            f"{quoted(name)} does not."
        )
    return name


def list_databases() -> list[NamedDatabase]:
    """Return the complete named databases, sorted by name."""
    places = sorted(folder().iterdir()) if folder().is_dir() else []
    return [database for database in map(_describe, places) if database is not None]


def find(name: str) -> NamedDatabase:
    """Return the database of this name. Raises BadInput, which lists the existing ones."""
    database = _describe(folder() / check_name(name))
    if database is None:
        existing = ", ".join(database.name for database in list_databases())
        raise BadInput(
            f"There is no memory {quoted(name)}. There are: {existing}." if existing else
            f"There is no memory {quoted(name)}. Build one with: python -m sr_demo memory build DIR --out {name}"
        )  # fmt: skip
    return database


def delete(name: str) -> None:
    """Delete a named database and the remains of an unfinished build. Raises BadInput when there is neither."""
    # ".gone" is what earlier versions left where they were interrupted here.
    names = (check_name(name), f"{BUILDING}{name}", f"{BUILDING}{name}.gone")
    there = [folder() / one for one in names if (folder() / one).is_dir()]
    if not there:
        find(name)
    with storage.disk_errors_translated(folder()), storage.unfinished_folder(folder()) as hidden:
        # Hidden in one step, then removed: a half-deleted database is never listed. What a kill leaves is swept.
        for path in there:
            shutil.rmtree(path.rename(hidden / path.name))


def open_residuals(database: NamedDatabase) -> ResidualDatabase:
    """Open the memory-mapped residuals of a database of kind `refined`. Raises BadInput for another kind."""
    if database.kind != "refined":
        raise BadInput(f"The memory {database.name} holds patches for the tile mosaic. Build one with --kind refined.")
    check(database.place, database.name)
    arrays = {name: np.load(database.place / f"{name}.npy", mmap_mode="r") for name in ("codes", "factors", "places")}
    return ResidualDatabase(np.load(database.place / "project.npy"), **arrays, index=open_index(database))


def open_patch_index(database: NamedDatabase, photos: PatchDatabase) -> PatchIndex:
    """Open the memory-mapped patches of a database of kind `tiles`, for the patch size it was built for.

    Args:
        database: The named database.
        photos: The same database, opened.
    """
    check(database.place, database.name)
    places = np.load(database.place / "places.npy", mmap_mode="r")
    statistics = np.load(database.place / "looks.npy", mmap_mode="r")
    numbers = range(len(photos.photos))
    return PatchIndex(
        database.patch,
        tuple(photos.hr(i) for i in numbers),
        tuple(photos.photos[i].name for i in numbers),
        tuple(numbers),
        *(np.ascontiguousarray(places[:, axis]) for axis in range(3)),
        mean=statistics[:, :3], deviation=statistics[:, 3], index=open_index(database),
    )  # fmt: skip


def open_index(database: NamedDatabase) -> Any:
    """Open the memory-mapped FAISS index of a database. Raises StorageError when a file of the database is damaged."""
    import faiss

    check(database.place, database.name)
    opened: Any = faiss.read_index(str(database.place / "index.faiss"), faiss.IO_FLAG_MMAP_IFC)
    if probes := _card(database.place)["probes"]:
        opened.nprobe = probes
    return opened


def _card(place: Path) -> dict[str, Any]:
    return json.loads((place / CARD).read_text(encoding="utf-8"))["card"]


def _describe(place: Path) -> NamedDatabase | None:
    if not _NAME.fullmatch(place.name) or not place.is_dir() or open_database(place) is None:
        return None
    try:
        card = _card(place)
        size = sum(file.stat().st_size for file in place.iterdir())
        stored = ("kind", "patch", "shrink", "patches", "photos", "source", "date", "index", "gives_up")  # words: ok
        return NamedDatabase(name=place.name, place=place, bytes=size, **{key: card[key] for key in stored})
    except (OSError, ValueError, KeyError):
        return None
