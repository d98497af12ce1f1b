"""The patch databases ("memories" on the page) that a visitor can choose from.

Databases built on the command line are available to all visitors and can only be deleted there. A database that a visitor
has built on the page can be listed, used and deleted by this visitor only, and is removed with the uploads.
`VisitorDatabases` is part of the session on the server: a browser only sends labels.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from sr_demo.approaches.mosaic import named_databases, upscalers
from sr_demo.approaches.mosaic.patch_database import PatchDatabase
from sr_demo.approaches.mosaic.upscalers import LearnedRetrieval, RefinedRetrieval, TileMosaic
from sr_demo.errors import BadInput
from sr_demo.progress import SILENT
from sr_demo.system.storage import cache_folder
from sr_demo.ui.languages import text

BUNDLED, LEARNED, _BUILT, _OWN = "bundled", "learned", "built:", "own:"


@dataclass(frozen=True)
class VisitorDatabases:
    """A visitor's own databases."""

    places: dict[str, str] = field(default_factory=dict[str, str])
    """Label -> folder of the database."""
    made: int = 0
    """Number of databases built so far, including deleted ones; used to number the labels."""

    def added(self, photos: int, place: Path) -> tuple[VisitorDatabases, str]:
        """Return a copy with a database of so many photos, stored in `place`, and the value of its choice."""
        number = f" ({self.made + 1})" if self.made else ""
        label = f"Yours, {photos} photos{number}"
        return VisitorDatabases({**self.places, label: str(place)}, self.made + 1), _OWN + label

    def without(self, choice: str) -> VisitorDatabases:
        """Delete the database of a choice and return the others. Raises BadInput if it is not one of the visitor's."""
        if not is_own(choice):
            raise BadInput("You can delete only your own memories here.")
        place = self._place(choice)
        shutil.rmtree(place, ignore_errors=True)
        upscalers.forget_below({place})
        return VisitorDatabases({label: p for label, p in self.places.items() if _OWN + label != choice}, self.made)

    def memory(self, choice: str) -> tuple[PatchDatabase, str]:
        """Return the database of a choice, and the name that it was built with, or "". Raises BadInput."""
        if choice.startswith(_BUILT):
            entry = named_databases.find(choice.removeprefix(_BUILT))
            return upscalers.shared_database(entry.place), entry.name
        if is_own(choice):
            return upscalers.shared_database(self._place(choice)), ""
        return upscalers.default_database(cache_folder() / "memories", SILENT), ""

    def _place(self, choice: str) -> Path:
        place = self.places.get(choice.removeprefix(_OWN))
        if place is None:
            raise BadInput("This memory is not one of yours. Choose one from the list.")
        return Path(place)


def is_own(choice: str) -> bool:
    """Return whether a choice names one of the visitor's own databases."""
    return choice.startswith(_OWN)


def choices(own: VisitorDatabases) -> list[tuple[str, str]]:
    """Return labels and values of all databases that this visitor may use."""
    built = [(f"{entry.name}: {entry.summary}", _BUILT + entry.name) for entry in named_databases.list_databases()]
    private = [(label, _OWN + label) for label in own.places]
    learned = (text("memory_learned"), LEARNED)
    return [(text("memory_bundled"), BUNDLED), learned, *built, *private]


def tile_mosaic(own: VisitorDatabases, choice: str) -> TileMosaic:
    """Return the tile mosaic with the chosen database. Raises BadInput."""
    if choice == LEARNED:
        raise BadInput("The learned memory holds rules for fine detail and no patches to paste. Choose another memory.")
    memory, name = own.memory(choice)
    return TileMosaic(memory, name=name)


def retrieval(own: VisitorDatabases, choice: str) -> LearnedRetrieval | RefinedRetrieval:
    """Return the upscaler that uses the chosen database: learned or refined retrieval. Raises BadInput."""
    if choice == LEARNED:
        return upscalers.learned_retrieval()
    memory, name = own.memory(choice)
    return RefinedRetrieval(memory, name=name)
