"""Named memories: where they lie, what there is, opening and deleting them.

A named memory is a folder of `memory.json`, pixels (see `memory`) and an index with its arrays. It is made under a name
with a dot and renamed when it is whole: what is listed can be opened. Legend: N = patches; d = length of a feature.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sr_demo.approaches.mosaic.patch_database import PatchDatabase, open_memory
from sr_demo.approaches.mosaic.patches import Pieces
from sr_demo.approaches.mosaic.retrieval import Examples
from sr_demo.approaches.mosaic.shards import Kind
from sr_demo.errors import BadInput
from sr_demo.system import storage

BUILDING = ".building-"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")


@dataclass(frozen=True)
class Entry:
    """One named memory."""

    name: str
    place: Path
    kind: Kind
    patch: int
    shrink: int
    patches: int
    photos: int
    bytes: int
    source: str
    """The folder or data set it was made from."""
    date: str
    index: str
    """FAISS factory string."""
    gives_up: str
    """What the index costs against exhaustive search; "" where nothing."""

    @property
    def what(self) -> str:
        """One phrase for people."""
        made = f"pieces of {self.patch} px" if self.kind == "tiles" else "fine detail"
        return f"{self.photos} photos, {self.patches:,} patches, {made}"


def folder() -> Path:
    """Where named memories lie. It may not exist yet."""
    return storage.cache_folder() / "memories" / "named"


def checked(name: str) -> str:
    """`name`, if it may name a memory. Raises BadInput."""
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"A memory's name is made of lower-case letters, digits and dashes, 60 at most, like photos-2024, not {name!r}."
        )
    return name


def entries() -> list[Entry]:
    """The named memories that are whole, by name."""
    there = sorted(folder().iterdir()) if folder().is_dir() else []
    return [entry for entry in map(_entry, there) if entry is not None]


def find(name: str) -> Entry:
    """The named memory. Raises BadInput, listing what there is."""
    entry = _entry(folder() / checked(name))
    if entry is None:
        there = ", ".join(entry.name for entry in entries())
        raise BadInput(
            f"There is no memory {name!r}. There are: {there}." if there else
            f"There is no memory {name!r}. Build one with: python -m sr_demo memory build DIR --out {name}"
        )  # fmt: skip
    return entry


def delete(name: str) -> None:
    """Remove a named memory and what an unfinished build of it left. Raises BadInput when there is neither."""
    left = list(folder().glob(f"{BUILDING}{checked(name)}"))
    if not left:
        find(name)
    with storage.guarded(folder()):
        place = folder() / name
        if place.is_dir():
            # Out of sight in one step, then gone: nobody is offered half of it.
            gone = folder() / f"{BUILDING}{name}.gone"
            place.rename(gone)
            left.append(gone)
        for path in left:
            shutil.rmtree(path)


def examples(entry: Entry) -> Examples:
    """The residuals of a memory of kind `refined`, memory-mapped."""
    if entry.kind != "refined":
        raise BadInput(f"The memory {entry.name} holds pieces for the tile mosaic. Build one with --kind refined.")
    arrays = {name: np.load(entry.place / f"{name}.npy", mmap_mode="r") for name in ("codes", "factors", "places")}
    return Examples(np.load(entry.place / "project.npy"), **arrays, index=index(entry))


def pieces(entry: Entry, memory: PatchDatabase) -> Pieces:
    """The pieces of a memory of kind `tiles`, for the patch size it was built for, memory-mapped."""
    places = np.load(entry.place / "places.npy", mmap_mode="r")
    looks = np.load(entry.place / "looks.npy", mmap_mode="r")
    photos = range(len(memory.photos))
    return Pieces(
        entry.patch,
        tuple(memory.hr(i) for i in photos),
        tuple(memory.photos[i].name for i in photos),
        tuple(photos),
        *(np.ascontiguousarray(places[:, axis]) for axis in range(3)),
        mean=looks[:, :3], deviation=looks[:, 3], index=index(entry),
    )  # fmt: skip


def index(entry: Entry) -> Any:
    """The FAISS index of a memory, memory-mapped."""
    import faiss

    opened: Any = faiss.read_index(str(entry.place / "index.faiss"), faiss.IO_FLAG_MMAP_IFC)
    if probes := _card(entry.place)["probes"]:
        opened.nprobe = probes
    return opened


def _card(place: Path) -> dict[str, Any]:
    return json.loads((place / "memory.json").read_text(encoding="utf-8"))["card"]


def _entry(place: Path) -> Entry | None:
    if not _NAME.fullmatch(place.name) or not place.is_dir() or open_memory(place) is None:
        return None
    try:
        card = _card(place)
        size = sum(file.stat().st_size for file in place.iterdir())
        return Entry(
            place.name, place, card["kind"], card["patch"], card["shrink"], card["patches"], card["photos"], size,
            card["source"], card["date"], card["index"], card["gives_up"],
        )  # fmt: skip
    except (OSError, ValueError, KeyError):
        return None
