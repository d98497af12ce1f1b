"""The memories that a visitor may choose from, and who may delete which.

The rule: memories that were built on the command line are for all visitors, and deleted there; what a visitor taught
is seen, used and deleted by this visitor alone, and goes with the uploads. `Known` lives in the session on the server:
a browser only ever names a label.
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

BUNDLED, LEARNED, _BUILT, _OWN = "bundled", "learned", "built:", "own:"


@dataclass(frozen=True)
class Known:
    """A visitor's own memories: label -> folder."""

    places: dict[str, str] = field(default_factory=dict[str, str])
    made: int = 0

    def taught(self, memory: PatchDatabase, place: Path) -> tuple[Known, str]:
        """With one more; and what it is called."""
        number = f" ({self.made + 1})" if self.made else ""
        label = f"Yours, {len(memory.photos)} photos{number}"
        return Known({**self.places, label: str(place)}, self.made + 1), _OWN + label

    def without(self, choice: str) -> Known:
        """Delete one of the visitor's own. Raises BadInput for any other."""
        if not is_own(choice):
            raise BadInput("Only memories that you taught can be deleted here.")
        place = self._place(choice)
        upscalers.forget(upscalers.shared_database(place))
        shutil.rmtree(place)
        return Known({label: p for label, p in self.places.items() if _OWN + label != choice}, self.made)

    def memory(self, choice: str) -> tuple[PatchDatabase, str]:
        """The memory of a choice, and the name it was built under ("" for none). Raises BadInput."""
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
    """Whether a choice names a visitor's own memory."""
    return choice.startswith(_OWN)


def choices(known: Known) -> list[tuple[str, str]]:
    """Labels and values of all memories that this visitor may use."""
    built = [(f"{entry.name}: {entry.summary}", _BUILT + entry.name) for entry in named_databases.list_databases()]
    own = [(label, _OWN + label) for label in known.places]
    learned = ("Learned by heart from 1200 photos (fine detail only)", LEARNED)
    return [("Photos that come with scikit-image", BUNDLED), learned, *built, *own]


def tile_mosaic(known: Known, choice: str) -> TileMosaic:
    """The tile mosaic over a chosen memory. Raises BadInput."""
    if choice == LEARNED:
        raise BadInput("The learned memory holds rules for fine detail, no pieces to paste: choose another memory.")
    memory, name = known.memory(choice)
    return TileMosaic(memory, name=name)


def retrieval(known: Known, choice: str) -> LearnedRetrieval | RefinedRetrieval:
    """Refined retrieval over a chosen memory. Raises BadInput."""
    if choice == LEARNED:
        return upscalers.learned_retrieval()
    memory, name = known.memory(choice)
    return RefinedRetrieval(memory, name=name)
